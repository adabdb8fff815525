"""Which untrained model goes with which trained one, and whose items it has."""

import pytest
import yaml

from brodmann.config.load import load_config


@pytest.fixture
def study(root, tmp_path):
    def make(**models):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"models": models}, sort_keys=False))
        return load_config([path], root=root).study

    return make


def test_an_untrained_model_has_the_items_of_the_trained_one_of_its_source(study):
    found = study(
        plain={"source": "hf:o/a", "untrained": True, "filter": "aligned"},
        other={"source": "hf:o/b"},
        trained={"source": "hf:o/a"},
        again={"source": "hf:o/a", "dtype": "bfloat16"},
    )
    assert found.trained_twins == {"plain": "trained"}
    assert found.lender("plain") == "trained"
    assert found.lender("trained") is found.lender("other") is None


def test_a_trained_one_that_is_prompted_alike_goes_first(study):
    found = study(
        plain={"source": "hf:o/a", "untrained": True, "filter": "aligned"},
        chatting={"source": "hf:o/a", "format": "chat"},
        trained={"source": "hf:o/a"},
        again={"source": "hf:o/a", "dtype": "bfloat16"},
    )
    assert found.trained_twins == {"plain": "trained"}


def test_another_revision_is_another_model(study):
    found = study(
        plain={"source": "hf:o/a", "untrained": True, "filter": "aligned", "revision": "x"},
        trained={"source": "hf:o/a"},
    )
    assert found.trained_twins == {} and found.lender("plain") is None


def test_who_keeps_own_items_is_compared_on_own_items(study):
    found = study(
        plain={"source": "hf:o/a", "untrained": True, "filter": "both_correct"},
        trained={"source": "hf:o/a"},
    )
    assert found.trained_twins == {"plain": "trained"}
    assert found.lender("plain") is None
