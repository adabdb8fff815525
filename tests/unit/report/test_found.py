"""What a run ends with on the terminal, from files of results as the contract has them."""

import json

import pytest

from brodmann.config.load import load_config
from brodmann.report.found import accuracies, at_the_end, found

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
def study(root, tmp_path):
    (tmp_path / "config.yaml").write_text(json.dumps(CONFIG))
    return load_config([tmp_path / "config.yaml"], root=root).study


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


def test_accuracies_by_domain_of_the_included_tasks(study, results):
    lines = accuracies(study, results)
    assert lines[0].split() == ["model", "language", "physical", "included"]
    assert " ".join(lines[1].split()) == "one 80 % (2 of 2) – (0 of 1) 2 of 3"
    assert " ".join(lines[2].split()) == "control – (0 of 2) – (0 of 1) 0 of 3"
    assert len({len(line) for line in lines[:3]}) == 1


def test_what_is_not_there_is_not_spoken_of(study, results, tmp_path):
    assert found(study, results) == ["Tasks included: one 2 of 3, control (control) 0 of 3."]
    assert at_the_end(study, ["items"], results) == []
    assert at_the_end(study, ["baselines"], results) == accuracies(study, results)
    assert at_the_end(study, [], results)[-1] == f"The report: {results}/report.html"


def test_five_lines_of_a_whole_study(study, results):
    component, main = study.attribution.components[0], study.selection.main_name
    ablated, kind = study.ablated_selections[0], study.ablation.kinds[0]
    rows = [
        f"one,{component},{main},containment,,0.314,0.22,0.012",
        f"average,{component},{main},containment,,0.314,0.22,0.012",
        f"control,{component},{main},containment,,0.9,0.95,",
        f"one,{component},{main},jaccard,,0.1,0.1,0.5",
        f"one,{component},{ablated},accuracy_drop,{kind},0.25,0.125,0.0001",
    ]
    head = "model,component,sel,measure,kind,within,cross,p"
    write(results / "statistics/modularity.csv", head, *rows)
    write(
        results / "one/localizer/language/lesion.csv",
        "condition,selection,measure,value",
        "intact,,perplexity,35.04",
        "lesion,top-1.0pct,perplexity,51275.8",
        "random,top-1.0pct,perplexity,40.1",
        "lesion,top-5.0pct,perplexity,77",
        "intact,,word_perplexity,50",
    )
    write(results / "one/networks/consistency.csv", "dataset,template,count", "a,0,0", "a,1,6")
    lines = found(study, results)
    assert lines[0].startswith("Tasks included: ")
    assert lines[1] == (
        "Units that two circuits share: one 0.31 within a domain, 0.22 across (p = 0.0120); "
        "control (control) 0.90 within a domain, 0.95 across (no test: too few tasks)."
    )
    assert lines[2] == (
        "Accuracy lost when a circuit is silenced: "
        "one 0.25 in tasks of its domain, 0.12 in others (p = 0.0001)."
    )
    assert lines[3] == (
        "Perplexity without localized units: one language from 35.0 to 51,276 (40.1 without as many others)."
    )
    assert lines[4:] == ["Networks that are found again in single texts: one 1 of 2."]


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
