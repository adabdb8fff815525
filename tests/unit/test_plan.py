"""The planner: sizes from configs, GPUs from sizes, the table, and its errors."""

import json

import pytest

from brodmann.circuits.footprint import Widths
from brodmann.cli import main
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.pipeline.plan import gpus_needed, measured_peak, plan, table
from brodmann.pipeline.sizes import ModelSize, widths_of
from brodmann.pipeline.stage_memory import RULES, StageMemory, stage_memory

# Llama 2 7B and 70B, as their config.json has them.
LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}
LARGE = {
    **LLAMA,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No results and no benchmarks of another study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def study_of(root, tmp_path):
    def make(config, **entry):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        file = tmp_path / "study.json"
        models = {"m": {"source": f"path:{folder}", **entry}}
        file.write_text(json.dumps({"models": models, "tasks": {"items": 100}}))
        return load_config([file], root=root).study

    return make


def test_a_config_alone_says_how_large_a_model_is(study_of):
    (small,) = plan(study_of(LLAMA), ["m"])
    assert small.size.parameters == pytest.approx(6.74e9, rel=0.01)
    assert small.size.width == 2
    (large,) = plan(study_of(LARGE), ["m"])
    assert large.size.parameters == pytest.approx(69e9, rel=0.01)
    assert large.size.widths == Widths(80, 8192, 28672, 8192, 1024, 32000, 2)


def test_other_names_for_the_sizes():
    gpt2 = {"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_inner": None}
    assert widths_of(gpt2, 4) == Widths(12, 768, 3072, 768, 768, 50257, 4)
    wrapped = {"text_config": {**LLAMA, "head_dim": 256, "num_key_value_heads": 4}}
    assert widths_of(wrapped, 2) == Widths(32, 4096, 11008, 8192, 1024, 32000, 2)
    assert widths_of({"hidden_size": 8}, 4) is None


def test_gpus_and_advice(study_of):
    (small,) = plan(study_of(LLAMA), ["m"])
    assert (small.gpus, small.advice) == (1, "")
    (large,) = plan(study_of(LARGE), ["m"])
    # 138 GB of weights.
    assert large.gpus == 2
    assert large.advice == "set device_map: auto and gpus: 2"
    assert "models.m: set device_map: auto and gpus: 2" in table(large)
    (spread,) = plan(study_of(LARGE, device_map="auto", gpus=2), ["m"])
    assert spread.advice == ""
    (generous,) = plan(study_of(LARGE, device_map="auto", gpus=4), ["m"])
    assert generous.advice == "gpus: 2 would do"
    assert plan(study_of(LARGE), ["m"], gpu_gb=40)[0].gpus >= 4
    assert plan(study_of(LARGE), ["m"], on_cpu=True)[0].gpus == 0


def test_every_gpu_needs_room_for_work():
    memory = StageMemory("check_model", weights=10**11, least=10**9, batch=0, gathered=0)
    assert gpus_needed(memory, 80 * 10**9, "m") == 2
    assert gpus_needed(memory, 24 * 10**9, "m") == 5
    with pytest.raises(UserError, match="it does not fit a GPU of 1 GB, however many"):
        gpus_needed(memory, 10**9, "m")


def test_predictions_grow_with_what_they_are_made_of(study_of):
    study = study_of(LLAMA)
    small, large = (
        ModelSize(10**9, 4, Widths(layers, 512, 2048, 512, 512, 1000, 4)) for layers in (4, 8)
    )
    for rule in RULES:
        one, two = (stage_memory(study, size, rule) for size in (small, large))
        assert 0 < one.least <= two.least
        assert one.batch <= two.batch < 2.5 * one.batch
        assert one.gathered <= two.gathered
        # A batch on a GPU has eight times the tokens.
        assert stage_memory(study, small, rule, "cuda").batch >= one.batch
    # A graph keeps all layers, a pass without gradients one.
    graph, forward = (stage_memory(study, large, rule) for rule in ("attribution_pass", RULES[1]))
    assert graph.batch > 2 * forward.batch


def test_a_model_of_unknown_widths_is_taken_for_a_usual_one():
    usual = ModelSize(7_000_000_000, 2).widths
    assert 3000 < usual.hidden < 6000
    assert 24 <= usual.layers <= 48


def test_the_command(study_of, tmp_path, capsys):
    study_of(LARGE)
    assert main(["plan", "--configfile", "study.json", "--gpu-memory", "141"]) == 0
    shown = capsys.readouterr().out
    assert "m: 69 B parameters of 2 bytes, weights 138.0 GB; on 141 GB GPUs" in shown
    for stage in ("check", "baseline", "attribution", "ablation", "localizer", "lesion"):
        assert f"  {stage} " in shown
    assert main(["plan", "--configfile", "study.json", "--model", "n"]) == 1
    assert "--model: no model 'n'" in capsys.readouterr().err


def test_what_was_never_fetched_is_said(root, tmp_path, capsys):
    (tmp_path / "s.json").write_text(json.dumps({"models": {"m": {"source": "hf:no/such"}}}))
    assert main(["plan", "--configfile", "s.json"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "ERROR: models.m: its size is not known: it has not been fetched (run 'snakemake models' "
        "first, or give a folder with its config.json: source: path:DIR)"
    ]


def test_measured_peaks_of_a_finished_study(study_of, tmp_path, capsys):
    study_of(LLAMA)
    assert measured_peak("m", "baseline_pass") is None
    file = tmp_path / "benchmarks" / "m" / "baseline_pass.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("s\th:m:s\tmax_rss\tmax_vms\n80.37\t0:01:20\t1000.00\t2000.0\n")
    assert measured_peak("m", "baseline_pass") == 1000 * 1024 * 1024
    assert main(["plan", "--configfile", "study.json", "--measured"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert rows["baseline"].endswith("1.0 GB")
    assert rows["check"].endswith(" -")
    file.write_text("s\tmax_rss\n1\t-\n")  # too short a job: Snakemake measured nothing
    assert measured_peak("m", "baseline_pass") is None


def test_max_memory_needs_a_device_map(study_of):
    sizes = {"0": "70GiB", "cpu": "200GiB"}
    entry = study_of(LLAMA, device_map="auto", max_memory=sizes).model("m")
    assert entry.max_memory == sizes
    with pytest.raises(UserError, match="max_memory: has no meaning without a device_map"):
        study_of(LLAMA, max_memory=sizes)
