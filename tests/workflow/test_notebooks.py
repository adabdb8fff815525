"""Notebooks that run a small study of their own; tests/drill runs those that read a finished one."""

import shutil

import pytest
from clone import copy_workflow
from notebook import ROOT, run_in

import brodmann

pytestmark = pytest.mark.slow  # minutes


@pytest.fixture
def folder(root, tmp_path):
    clone = copy_workflow(root, tmp_path / "clone").path
    shutil.copytree(root / "data", clone / "data")
    shutil.copytree(root / "config/planted", clone / "config/planted")
    return clone


def test_a_task_of_ones_own(folder):
    run_in(folder, "own-task")
    study = brodmann.open_study(folder / "notebooks/studies/own-task/results")
    assert study.tasks == ["animals/habitat"] and study.baseline()["included"].all()
    # SmolLM2 has 46080 neurons, of which the main circuit is 0.1 %.
    assert len(study.masks(sel=study.main_selection)) == 46


def test_a_fine_tuned_model_beside_its_base(folder):
    """What was unlearned is no longer done; the worlds that share no neuron with it keep their circuits."""
    run_in(folder, "fine-tuned")
    study = brodmann.open_study(folder / "notebooks/studies/fine-tuned/results")
    done = study.baseline().set_index(["model", "task"])["included"]
    assert done["base"].all() and not done["tuned", "north/claim"]
    circuits = study.masks(sel=study.main_selection)
    kept = {
        task: set(one[one["model"] == "base"][["layer", "unit"]].itertuples(index=False))
        & set(one[one["model"] == "tuned"][["layer", "unit"]].itertuples(index=False))
        for task, one in circuits.groupby("task")
    }
    assert len(kept["south/order"]) > 15 > len(kept["north/claim"]) == 0


def test_every_notebook_is_run_and_is_kept_without_what_it_said():
    """The names in test files are those of the folder; outputs would be those of somebody's machine."""
    import nbformat

    texts = [
        (ROOT / "tests" / name).read_text()
        for name in ("workflow/test_notebooks.py", "drill/test_open_drill.py")
    ]
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert any(f'"{file.stem}"' in text for text in texts), f"{file.name} is run by no test"
        book = nbformat.read(file, as_version=4)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells)
