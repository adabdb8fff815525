"""A small study on a tiny random model, run once; each test works on a copy of the finished clone."""

from pathlib import Path

import pytest
from clone import SEED, Clone, own_cache, set_up
from tiny_models import save_tiny


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "llama"
    save_tiny(folder, "llama", SEED)
    return folder


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory, tiny_weights) -> Clone:
    """The study after a complete run. Read-only: use ``study`` to change something."""
    clone = set_up(root, tmp_path_factory.mktemp("study") / "clone", tiny_weights)
    clone.said = clone.snakemake().stdout
    return clone


@pytest.fixture
def study(finished, tmp_path) -> Clone:
    """A copy of the finished study, file times kept."""
    return finished.copy(tmp_path / "clone")


@pytest.fixture
def fresh(root, tmp_path, tiny_weights) -> Clone:
    """The study before its first run."""
    return set_up(root, tmp_path / "fresh", tiny_weights)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with own_cache(tmp_path_factory.mktemp("cache")):
        yield
