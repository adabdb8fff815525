"""Predicted against measured peaks of memory: loading holds the weights once, stages what is planned."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from peak import COMPONENTS, SAMPLES
from tiny_models import tiny_tokenizer

from brodmann.capacity.sizes import size_of_folder
from brodmann.capacity.stage_memory import PROCESS, stage_memory
from brodmann.config.load import load_config
from brodmann.pipeline.stages import PASSES, STAGES

# Edits of networks hold what lesions of localizers hold, by the same formula, and maps beside it.
RULES = {STAGES[rule].store: rule for rule in PASSES if rule != "network_use_pass"}
# layers, hidden, neurons, heads, key heads, vocabulary
SHAPES = {
    "36M": (8, 384, 1024, 6, 2, 32_000),
    "135M": (30, 576, 1536, 9, 3, 49_152),
    "362M": (32, 960, 2560, 15, 5, 49_152),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc"),
]


@pytest.fixture(scope="module", params=SHAPES)
def folder(request, tmp_path_factory):
    layers, hidden, neurons, heads, keys, vocabulary = SHAPES[request.param]
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=neurons,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        tie_word_embeddings=True,
    )
    path = tmp_path_factory.mktemp(request.param)
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def predicted(folder, root, tmp_path_factory):
    config = tmp_path_factory.mktemp("study") / "study.json"
    texts, tokens = SAMPLES
    networks = {"datasets": {"news": "corpus:news"}, "group_samples": texts, "max_tokens": tokens}
    networks |= {"group_components": COMPONENTS, "individual_components": COMPONENTS}
    whole = {"models": {"m": {"source": f"path:{folder}"}}, "networks": networks}
    config.write_text(json.dumps(whole))
    study = load_config([config], root=root).study
    size = size_of_folder(folder, study.model("m"))
    found = {stage: stage_memory(study, size, rule).process for stage, rule in RULES.items()}
    return {"load": PROCESS + size.bytes, **found}


def measured(folder, stage):
    script = Path(__file__).parents[1] / "peak.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, str(script), str(folder), stage]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return int(answer.stdout.split()[-1])


def test_loading_holds_the_weights_once(folder, predicted):
    weights = predicted["load"] - PROCESS
    assert measured(folder, "load") <= PROCESS + 1.3 * weights


@pytest.mark.parametrize("stage", RULES)
def test_a_stage_takes_what_is_planned(folder, predicted, stage):
    found = measured(folder, stage)
    print(f"\n{folder.name} {stage}: predicted {predicted[stage] / 1e6:.0f}, {found / 1e6:.0f} MB")
    assert found <= 1.05 * predicted[stage]
    assert predicted[stage] <= 2 * found
