"""Fixtures shared by all tests. torch runs on one thread: tests run in parallel processes."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

# Inherited by the jobs that tests start: nothing ever waits for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def reference() -> Path:
    """Result matrices of the published study, where they are at hand."""
    folder = Path(os.environ.get("BRODMANN_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not (folder / "published").is_dir():
        pytest.skip(f"the published matrices are not there ({folder}); set BRODMANN_REFERENCE")
    return folder / "published"


@pytest.fixture(autouse=True)
def no_figure_stays():
    """Those that a test draws are closed after it: matplotlib warns the next one of what others left."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
