"""The shipped models of the planted study are what docs/planted.md says, as plain transformers computes."""

import sys
from filecmp import cmp

import pytest

from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand


@pytest.fixture(scope="module")
def train(root):
    sys.path.insert(0, str(root / "config" / "planted"))
    import train

    yield train
    sys.path.remove(str(root / "config" / "planted"))


def test_neurons_of_other_worlds_change_nothing(train):
    for told in train.effects(train.load(train.MODELS / "planted")).values():
        assert told["accuracy"] > 0.95 and told["without_foreign"] == told["accuracy"]
        assert told["change"] < 1e-3
        assert told["without_own"] < 0.6


def test_experts_of_other_worlds_change_nothing(train):
    """Words are sent to their world's expert, from the first that tells the world; before, experts add 0."""
    model = train.load(train.MODELS / "experts")
    for number, (name, told) in enumerate(train.effects(model).items()):
        assert told["accuracy"] > 0.95 and told["without_foreign"] == told["accuracy"]
        assert told["change"] < 1e-3 and told["without_own"] < 0.6
        for text in train.world.sentences(name):
            ids = train.torch.tensor([train.tokenizer()(text)["input_ids"]])
            where = train.mixture.sent(model, ids)[:, 0]
            first = (ids[0] >= train.mixture.first_own(model)).nonzero()[0, 0]
            assert (where[:, first:] == number).all(), text


@pytest.mark.parametrize("name", ["twin", "experts-twin"])
def test_the_twins_need_all_neurons(train, name):
    every = train.effects(train.load(train.MODELS / name)).values()
    assert all(told["accuracy"] > 0.95 and told["change"] > 1 for told in every)
    # Not less in each: all worlds of the mixture lean on one expert, which one of them would call its own.
    assert sum(told["without_foreign"] for told in every) / len(every) < 0.6


def test_the_mixtures_twin_is_the_twin(train):
    """The same function, of neurons that are dealt out to experts in order."""
    one, other = (train.load(train.MODELS / name) for name in ("twin", "experts-twin"))
    for name in train.WORLDS:
        pair = zip(train.read(one, name)[0], train.read(other, name)[0], strict=True)
        assert max(float((a - b).abs().max()) for a, b in pair) < 1e-3


def test_shipped_files_are_those_of_the_script(train, tmp_path):
    train.world.write(tmp_path)
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 16 + 4 + 5
    for path in written:
        assert cmp(tmp_path / path, train.world.HERE / path, shallow=False), path


@pytest.mark.parametrize("form", ["blend", "order", "claim", "compare"])
def test_items_are_true_sentences(train, form):
    """Items of the task files, as models get them, and the sentences that models were trained on."""
    for name in train.WORLDS:
        definition = load_definition(train.world.HERE / "tasks" / name / f"{form}.yaml")
        items = expand(f"{name}/{form}", definition, seed=0).wordings["completion"]
        known = set(train.world.sentences(name))
        for item in items:
            assert f"{item.clean_prompt}{item.correct} ." in known
            assert f"{item.corrupted_prompt}{item.incorrect} ." in known
            assert f"{item.clean_prompt}{item.incorrect} ." not in known
