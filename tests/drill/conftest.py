"""One study for all drills, run once for all test processes; each test works on a copy."""

import fcntl
import os
from pathlib import Path

import pytest
from clone import Clone, own_cache

DRILL = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """All of them take long: they wait for the study."""
    for item in items:
        if item.path.is_relative_to(DRILL):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def drilled(root, tmp_path_factory) -> Clone:
    """The study after a complete run. Read-only: use ``study`` to damage something."""
    from drilled import run_drill

    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with open(shared / "drill.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder, done = shared / "drill", shared / "drill.done"
        if not done.exists():
            run_drill(root, folder)
            done.touch()
    return Clone(folder / "clone")


@pytest.fixture
def study(drilled, tmp_path) -> Clone:
    """A copy of the finished study, file times kept."""
    return drilled.copy(tmp_path / "clone")


@pytest.fixture(scope="session")
def player():
    from player import Player

    return Player()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with own_cache(tmp_path_factory.mktemp("cache")):
        yield
