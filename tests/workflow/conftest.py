"""A small study on a tiny random model, run once; each test works on a copy of the finished clone."""

import os
import shutil
from pathlib import Path

import pytest
from clone import SEED, Clone, own_cache, set_up
from filelock import FileLock
from tiny_models import save_tiny


@pytest.fixture(scope="session")
def of_all(tmp_path_factory) -> Path:
    """A folder of all processes that share the tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def tiny_weights(of_all) -> Path:
    folder = of_all / "weights" / "llama"
    with FileLock(of_all / "weights.lock"):
        if not folder.exists():
            save_tiny(folder, "llama", SEED)
    return folder


@pytest.fixture(scope="session")
def finished(root, of_all, tmp_path_factory, tiny_weights) -> Clone:
    """The study after a complete run. Read-only: use ``study`` to change something.

    The first process to need it runs it; the others take what that made. It lies as deep as a test's own
    folder: studies name their weights relative to themselves.
    """
    shared = of_all != tmp_path_factory.getbasetemp()
    folder = of_all / "shared" / "finished" if shared else of_all / "finished"
    folder.mkdir(parents=True, exist_ok=True)
    clone, said = Clone(folder / "clone"), folder / "said.txt"
    with FileLock(folder / "lock"):
        if not said.exists():
            shutil.rmtree(clone.path, ignore_errors=True)  # of a run that failed
            set_up(root, clone.path, tiny_weights)
            said.write_text(clone.snakemake().stdout)
    clone.said = said.read_text()
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
