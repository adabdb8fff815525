"""What a model's card says of its identity, and which cards of earlier versions stand."""

import json
from dataclasses import asdict, replace

import pytest

from brodmann.methods import METHODS
from brodmann.models.card import ModelCard, card_method

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
