"""What plans say that passes run, against what a tiny model was really given, at its blocks and its head.

Tokens are those of the model's tokenizer here; how well they are guessed without one is tested by themselves.
"""

import shutil

import numpy as np
import pytest
import torch
from gpu.shapes import LLAMA, draw
from gpu.subject import NAME, ROOT, Subject
from gpu.work_done import counted
from tiny_models import CHAT_TEMPLATE
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from brodmann.capacity import prompt_lengths, resources
from brodmann.capacity.sizes import model_size
from brodmann.localizers import costs as localizer_costs
from brodmann.localizers.stages import lesion
from brodmann.models.load import wrap_model
from brodmann.networks import costs as network_costs
from brodmann.runner import asked, costs
from brodmann.runner.engine import Engine
from brodmann.stimuli.reader import load_contrast
from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand

ITEMS, ABLATED = 32, {"max_items": 6, "layer_matched_trials": 2, "random_trials": 1}
SETTINGS = {
    "tasks": {
        "include": ["language/npi", "formal/number_sequence", "physical/brightness"],
        "items": ITEMS,
        "min_items": 1,
    },
    "attribution": {"second_seed": False, "splits": 1, "bootstraps": 2},
    "ablation": ABLATED,
    "localizer": {"networks": ["language"], "lesion": {"items": 4, "passages": 3, "seeds": [1]}},
    "networks": {
        "datasets": {"news": "corpus:news"},
        **{"group_samples": 4, "individual_samples": 2, "max_tokens": 64, "restarts": 1},
        **{"group_components": 2, "individual_components": 2},
    },
    "execution": {"device": "cpu"},
}


def word_tokenizer():
    """A token for each word, digit and mark of the texts that are used here: items are aligned, as those of
    usual tokenizers are."""
    texts = [
        (ROOT / "stimuli" / name).read_text() for name in ("corpora/news.txt", "corpus/prose.txt")
    ]
    for side in ("positive", "negative"):
        texts += getattr(load_contrast("language", ROOT / "stimuli", seed=42), side)
    for task in SETTINGS["tasks"]["include"]:
        items = expand(task, load_definition(task_path(ROOT / "data", task)), seed=0, count=ITEMS)
        for item in items.wordings["chat"]:
            texts += [item.clean_prompt, item.corrupted_prompt, item.correct, item.incorrect]
    cut = pre_tokenizers.Split(Regex(r" ?\p{L}+|\d| ?[^\s\p{L}\d]+|\s+"), "isolated")
    pieces = dict.fromkeys(piece for text in texts for piece, _ in cut.pre_tokenize_str(text))
    special = [
        "<unk>",
        "<pad>",
        "<s>",
        "</s>",
        "<|im_start|>",
        "<|im_end|>",
        "\n",
        "user",
        "assistant",
    ]
    known = {piece: n for n, piece in enumerate(dict.fromkeys([*special, *pieces]))}
    tokenizer = Tokenizer(WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = cut
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=["<|im_start|>", "<|im_end|>"]
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    tokenizer = word_tokenizer()
    shape = LLAMA.small(len(tokenizer))
    hf = draw(shape, torch.device("cpu"), torch.float32)
    folder = tmp_path_factory.mktemp("effort") / "study"
    made = Subject(folder, shape, wrap_model(hf, tokenizer, name=NAME), SETTINGS)
    made.prepare()
    return made


@pytest.fixture
def planned(subject, monkeypatch):
    """Rule -> its effort, by the tokens of the model's own tokenizer."""
    tokenizer = subject.model.tokenizer

    def ids(text):
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    for place in (prompt_lengths, localizer_costs, network_costs, costs):
        monkeypatch.setattr(place, "guessed", ids)
    before, after = tokenizer.apply_chat_template(
        [{"role": "user", "content": "\0"}], tokenize=False, add_generation_prompt=True
    ).split("\0")
    monkeypatch.setattr(prompt_lengths, "_BEFORE", ids(before))
    monkeypatch.setattr(prompt_lengths, "_AFTER", ids(after))
    caches = (
        *(prompt_lengths._measured, localizer_costs._nodes),
        *(network_costs._mean_tokens, costs._passages),
    )
    for one in caches:
        one.cache_clear()
    size = model_size(subject.study.model(NAME), subject.folder / subject.card, "")

    def effort(rule, together=None):
        data = ROOT / "data"
        return resources.effort(
            subject.study, rule, NAME, size, data, on_gpu=False, together=together
        )

    yield effort
    for one in caches:
        one.cache_clear()


def ran(subject, run):
    """What a pass runs: (tokens, with gradients twice; positions of the head; forward passes)."""
    passes, plain = [], Engine.run

    with counted(subject.model.hf, subject.shape) as work, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "run", lambda own, query: passes.append(1) or plain(own, query))
        run()
    tokens = (work.block_tokens + work.differentiated) / subject.shape.layers
    return tokens, work.positions, len(passes)


def assert_near(effort, found, least=0.85, most=1.3):
    tokens, scored, _ = found
    assert least < effort.tokens / tokens < most
    assert least < effort.scored / max(1, scored) < most or not scored


def test_circuits(subject, planned, monkeypatch):
    """Baselines alone, then attributions; both in one reading; every circuit on every task."""
    monkeypatch.delenv(asked._ATTRIBUTIONS, raising=False)
    tasks = list(subject.tasks)
    found = ran(subject, lambda: subject.baseline(tasks))
    assert_near(planned("baseline_pass", False), found)
    # The oracle: all different beginnings of what is scored, task by task.
    subject.write_baselines(tasks)
    naive, items = 0, {task: subject.encoded(task, {"max_items": ITEMS}) for task in tasks}
    assert all(len(own) == ITEMS for own in items.values())
    for own in items.values():
        rows = [
            prompt + answer[:-1]
            for item in own
            for prompt in (item.clean, item.corrupted)
            for answer in (item.correct, item.incorrect)
        ]
        naive += len({row[:end] for row in rows for end in range(1, len(row) + 1)})
    assert 0.85 * naive < planned("baseline_pass", False).tokens < 1.3 * naive
    whole = 4 * sum(len(item.clean) for own in items.values() for item in own)
    assert planned("baseline_pass", False).tokens < 0.6 * whole  # which is what was once planned
    found = ran(subject, lambda: subject.attribution(tasks))
    assert_near(planned("attribution_pass"), found)
    assert planned("attribution_pass").ranked == 3 * 3 * 96 * (2 * 1 + 2)

    subject.random_masks(tasks)
    every = [ran(subject, lambda own=own: subject.ablation(own, tasks, ABLATED)) for own in tasks]
    assert_near(planned("ablation_pass"), np.sum(every, axis=0))

    shutil.rmtree(subject.folder / subject.store)
    monkeypatch.setenv(asked._ATTRIBUTIONS, "1")
    found = ran(subject, lambda: subject.baseline(tasks))
    assert_near(planned("baseline_pass", True), found)
    subject.write_baselines(tasks)
    assert ran(subject, lambda: subject.attribution(tasks)) == (0, 0, 0)
    assert planned("attribution_pass", True).tokens == 0


def test_localizers_and_networks(subject, planned):
    found = ran(subject, subject.localizer)
    assert_near(planned("localizer_pass"), found)
    with subject._running():
        found = ran(
            subject,
            lambda: lesion.run_pass(
                subject.study,
                item_files=[subject.items_file(task) for task in subject.tasks],
                localizer_manifest=subject.manifest("localizer"),
                **subject._common("lesion"),
            ),
        )
    # Edits begin at some layer; what lies below is not run again.
    assert_near(planned("lesion_pass"), found, most=1.6)
    found = ran(subject, subject.networks)
    assert_near(planned("networks_pass"), found)
