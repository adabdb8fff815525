"""The study whose results are kept in ``tests/golden/kept``: what it is made of and where it is computed.

``study/`` is laid over a fresh clone of the workflow: config, two tasks, texts, stimuli and the weights of a
tiny model. The weights are kept as a file, as a model drawn from a seed may differ between processors, and
with it every key.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from clone import Clone, copy_workflow

GOLDEN = Path(__file__).resolve().parent
ROOT = GOLDEN.parents[1]
STUDY, KEPT = GOLDEN / "study", GOLDEN / "kept"
MODEL = "tiny"
STORE = f"{MODEL}/.store"
# Folders of the store, in the order in which their passes run.
STAGES = (
    *("check", "baseline", "attribution", "ablation"),
    *("localizer", "lesion", "networks", "network_use"),
)
# What is kept beside the store: what passes read.
READ = (
    *("items", f"{MODEL}/model.json", f"{MODEL}/.source.json"),
    *(f"{MODEL}/baseline", f"{MODEL}/masks", f"{MODEL}/networks/sea/templates.safetensors"),
)
# What the light jobs of all stages make of the records, less what is only drawn.
TARGETS = (
    *("baselines", "masks", "overlaps", "ablations", "agreements", "localizers", "network_maps"),
    f"results/{MODEL}/networks/editing.csv",
    f"results/{MODEL}/networks/agreement.csv",
    f"results/{MODEL}/units/neurons.csv",
    f"results/{MODEL}/localizer/massive.csv",
)


def set_up_study(path: Path) -> Clone:
    """A clone with the study in it, before its first run."""
    clone = copy_workflow(ROOT, path)
    shutil.copytree(STUDY, path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return clone


def copy_kept(results: Path, names: tuple[str, ...]) -> None:
    """Lay kept files and folders into a folder of results."""
    for name in names:
        copy(KEPT / name, results / name)


def copy(source: Path, target: Path) -> None:
    """A file or a folder, with new file times."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)


def records(stages: tuple[str, ...] = STAGES) -> tuple[str, ...]:
    """The kept records of some stages, for ``copy_kept``."""
    return tuple(f"{STORE}/{stage}" for stage in stages)


def manifests() -> tuple[str, ...]:
    """The kept manifests."""
    return tuple(f"{STORE}/{path.name}" for path in sorted((KEPT / STORE).glob("*.json")))
