"""What a run ends with on the terminal, from files of results as the contract has them."""

import json
import subprocess
import sys

import pytest

from brodmann.config.load import load_config
from brodmann.pipeline.workspace import Workspace
from brodmann.report.found import _sentence, _wrapped, accuracies, at_the_end
from brodmann.report.summary import Answer
from brodmann.report.verdicts import UNTESTED, Verdict

TASKS = ("language/npi", "language/hypernymy", "physical/speed")
CONFIG = {
    "models": {
        "one": {"source": "hf:org/one"},
        "control": {"source": "hf:org/one", "untrained": True, "control": True, "networks": False},
    },
    "tasks": {"include": list(TASKS)},
    "localizer": {"lesion": {"tasks": [TASKS[0]]}},
    "networks": {"datasets": {"a": "corpus:encyclopedia"}},
}


@pytest.fixture
def workspace(root, tmp_path):
    (tmp_path / "config.yaml").write_text(json.dumps(CONFIG))
    return Workspace(load_config([tmp_path / "config.yaml"], root=root), root)


@pytest.fixture
def results(tmp_path):
    shares = {"one": (0.9, 0.7, 0.2), "control": (0.0, None, 0.1)}
    for model, values in shares.items():
        for task, value in zip(TASKS, values, strict=True):
            path = tmp_path / "results" / model / "baseline" / f"{task}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            included = model == "one" and value > 0.5
            path.write_text(json.dumps({"both_correct_accuracy": value, "included": included}))
    return tmp_path / "results"


def test_accuracies_by_domain_of_the_included_tasks(workspace, results):
    lines = accuracies(workspace.study, results)
    assert lines[0].split() == ["model", "language", "physical", "included"]
    assert " ".join(lines[1].split()) == "one 80 % (2 of 2) – (0 of 1) 2 of 3"
    assert " ".join(lines[2].split()) == "control – (0 of 2) – (0 of 1) 0 of 3"
    assert len({len(line) for line in lines[:3]}) == 1


def test_what_was_not_asked_for_is_not_spoken_of(workspace, results):
    assert at_the_end(workspace, ["items"], results) == []
    assert at_the_end(workspace, ["baselines"], results) == accuracies(workspace.study, results)
    # A run that was told to leave parts out.
    assert at_the_end(workspace, [], results) == []
    for page in ("report.html", "atlas/index.html"):
        (results / page).parent.mkdir(exist_ok=True)
        (results / page).write_text("")
    pages = [f"The report: {results}/report.html", f"The atlas: {results}/atlas/index.html"]
    assert at_the_end(workspace, [], results) == pages


def test_an_effect_that_is_undefined_is_not_said():
    def said(size):
        verdict = Verdict(UNTESTED, "no pairs")
        effect = "4 % more; 2 % less"
        return _sentence(Answer("Is it so?", "so", "one", "none", "2 tasks", effect, verdict, size))

    assert said(0.04) == "Is it so? not tested: no pairs (one: 4 % more)."
    assert said(float("nan")) == "Is it so? not tested: no pairs (one)."


def test_prose_is_as_wide_as_the_terminal():
    line = (
        "Does a task need its own circuit? " + "suggestive: more than a-random-circuit would. " * 5
    )
    short = "The model needs no network."
    lines = _wrapped([line, short], 60)
    assert len(lines) > 3 and max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines[:-1]).split()) == line.strip() and lines[-1] == short
    assert all(part.startswith("    ") for part in lines[1:-1])
    # What fits stays as it is, and no word is broken.
    assert _wrapped([line.strip()], 1000) == [line.strip()]
    assert max(map(len, _wrapped(["x" * 50], 20))) == 50


def test_what_a_run_ends_with_is_there_at_once():
    """It is imported in Snakemake's own process, which has loaded no model and drawn no figure."""
    heavy = "torch", "transformers", "seaborn", "matplotlib"
    code = f"import sys, brodmann.report.summary; print(*(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
