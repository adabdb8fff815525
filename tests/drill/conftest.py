"""One study for all drills, run once for all test processes; each test works on a copy."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from clone import Clone

DRILL = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """All of them take long: they wait for the study."""
    for item in items:
        if item.path.is_relative_to(DRILL):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def drilled(root, tmp_path_factory, worker_id) -> Clone:
    """The study after a complete run. Read-only: use ``study`` to damage something."""
    from drilled import run_drill

    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
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
    path = tmp_path / "clone"
    shutil.copytree(drilled.path, path)
    return Clone(path)


@pytest.fixture(scope="session")
def player():
    from player import Player

    return Player()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    before = os.environ.get("BRODMANN_CACHE")
    os.environ["BRODMANN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["BRODMANN_CACHE"]
    else:
        os.environ["BRODMANN_CACHE"] = before
