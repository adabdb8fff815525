"""What a model's card says of its identity, and which cards of earlier versions stand."""

import json
from dataclasses import asdict, replace

import pytest

from brodmann.methods import METHODS
from brodmann.models.card import ModelCard, card_method
from brodmann.store import masks

CARD = ModelCard(
    name="m",
    source="path:/m",
    resolved_source="path:/m",
    revision=None,
    untrained=False,
    trust_remote_code=False,
    weights_hash="w",
    tokenizer_hash="t",
    dtype="float32",
    n_parameters=1,
    n_layers=1,
    hidden_size=1,
    neurons_per_layer=1,
    heads_per_layer=1,
    head_dim=1,
    vocabulary_size=1,
    has_chat_template=False,
    format="completion",
    architecture={},
    self_check={},
    logits="float32",
)
NARROW = replace(CARD, dtype="bfloat16")


def earlier(card, path):
    """As it was written before cards said what the logits are."""
    facts = {key: value for key, value in asdict(card).items() if key != "logits"}
    path.write_text(json.dumps(facts))
    return path


def test_only_narrow_models_have_another_identity_for_what_is_read_off_logits():
    assert CARD.scoring_identity() == CARD.identity()
    wide = replace(CARD, dtype="float64", logits="float64")
    assert wide.scoring_identity() == wide.identity()
    # A checkpoint's own head that brodmann leaves alone: its numbers are what they were.
    own = replace(NARROW, logits="bfloat16")
    assert own.scoring_identity() == own.identity()
    assert NARROW.scoring_identity() == {**NARROW.identity(), "logits": "float32"}


def test_earlier_cards_are_read_and_found_by_the_same_key(tmp_path):
    card = ModelCard.read(earlier(CARD, tmp_path / "model.json"))
    assert card == replace(CARD, logits=None)
    assert card.scoring_identity() == CARD.scoring_identity()


def test_the_way_a_model_is_run_is_no_part_of_its_identity(tmp_path):
    said = replace(CARD, packs={"taken": False, "reason": "its code takes no position_ids"})
    assert (said.identity(), said.scoring_identity()) == (CARD.identity(), CARD.scoring_identity())
    said.write(tmp_path / "said.json", {})
    assert ModelCard.read(tmp_path / "said.json") == said
    # A card from before is written as it was.
    CARD.write(tmp_path / "before.json", {})
    assert "packs" not in json.loads((tmp_path / "before.json").read_text())
    assert ModelCard.read(tmp_path / "before.json") == CARD


def test_masks_say_whose_neuron_a_unit_is(tmp_path):
    """Two experts of three neurons, in the second layer alone; the first has a dense MLP of seven."""
    own = {"count": 2, "neurons": 3, "chosen": 1, "layers": [1]}
    card = replace(CARD, experts=own, neurons_per_layer=7, n_layers=2)
    units = [(1, 0, "4"), (1, 2, "3"), (1, 3, "2"), (1, 5, "1"), (1, 6, "0"), (0, 6, "0")]
    for site, path in (("mlp_hidden", "n.csv"), ("heads", "h.csv"), ("mlp_output", "o.csv")):
        origin = card.origin(site)
        masks.write(tmp_path / path, "score", units, origin, "all", card.experts_at(site))
    lines = (tmp_path / "n.csv").read_text().splitlines()
    assert lines[0] == "layer,unit,score,model,weights,site,selection,expert"
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["0", "0", "1", "1", "", ""]
    assert masks.read(tmp_path / "n.csv").units == tuple((layer, unit) for layer, unit, _ in units)
    for other in ("h.csv", "o.csv"):
        assert "expert" not in (tmp_path / other).read_text()
    assert CARD.experts_at("mlp_hidden") is None
    card.write(tmp_path / "card.json", {})
    assert ModelCard.read(tmp_path / "card.json") == card


@pytest.mark.parametrize(("card", "stands"), [(CARD, True), (NARROW, False)])
def test_an_earlier_card_of_a_float32_model_stands(tmp_path, card, stands):
    assert card_method(earlier(card, tmp_path / "old.json")) == (1 if stands else METHODS["check"])
    # What is written now is of the present version, whatever the dtype, and so is what is to be written.
    card.write(tmp_path / "new.json", {})
    assert card_method(tmp_path / "new.json") == METHODS["check"]
    assert card_method(tmp_path / "none.json") == METHODS["check"]


def test_models_that_were_misread_are_measured_again():
    hybrid = replace(CARD, architecture={"model_types": ["falcon_h1"]})
    assert hybrid.identity() == CARD.identity()
    assert hybrid.scoring_identity() == {**CARD.identity(), "caches": "attention"}
    dense = replace(CARD, architecture={"model_types": ["llama", "qwen2"]})
    assert dense.scoring_identity() == CARD.identity()
