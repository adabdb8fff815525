"""Fixtures of several unit tests."""

import pytest


@pytest.fixture(scope="module")
def models():
    """Family -> its tiny model, made when it is first asked for."""
    # Imported here: most unit tests do without them.
    from tiny_models import tiny_model, tiny_tokenizer

    from brodmann.models.load import wrap_model

    built = {}

    def get(family):
        if family not in built:
            built[family] = wrap_model(tiny_model(family), tiny_tokenizer(), name=family)
        return built[family]

    return get
