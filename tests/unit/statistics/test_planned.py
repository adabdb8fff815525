"""Every p-value of the statistics is declared among the tests that a study makes."""

import json

import pytest

from brodmann.config.load import load_config
from brodmann.pipeline.workspace import Workspace
from brodmann.statistics.planned import ONE, TWO, planned_tests
from brodmann.statistics.registry import JOBS, STATISTICS
from brodmann.statistics.study_tables import table

# Columns that repeat a p of another table, or of one model alone, and decide nothing.
_REPEATED = {
    *(("threshold_robustness", "p"), ("threshold_robustness", "ari_p")),
    *(("untrained", "own_p"), ("untrained", "other_p")),
}


def workspace_of(root, tmp_path, **sections):
    config = {
        "models": {
            "one": {"source": "hf:org/one"},
            "control": {"source": "hf:org/one", "untrained": True, "control": True},
        },
        "tasks": {"include": ["language/npi", "physical/speed"], "items": 5, "min_items": 1},
        **sections,
    }
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    return Workspace(load_config([file], root=root), root)


@pytest.fixture
def planned(root, tmp_path):
    workspace = workspace_of(root, tmp_path, localizer={"lesion": {"tasks": ["language/npi"]}})
    return planned_tests(workspace.study, workspace.inventory)


def test_no_column_of_p_is_forgotten(planned):
    """A statistic with p that is not declared fails here: add it to ``statistics/planned.py``."""
    there = {
        (name, column)
        for name in STATISTICS
        for column in table(name).columns
        if column == "p" or column.endswith("_p")
    }
    declared = {
        (one.table.rpartition("/")[2].removesuffix(".csv"), one.column)
        for one in planned
        if one.table.startswith("results/statistics/")
    }
    assert declared == there - _REPEATED


def test_a_rule_reads_every_matrix_and_what_prompts_share_where_it_asks_for_it(root, tmp_path):
    workspace = workspace_of(root, tmp_path)
    study, inventory = workspace.study, workspace.inventory
    read = {job.rule: dict(job.reads(study, inventory)) for job in JOBS}
    surfaces = [f"results/{model}/surface.csv" for model in ("one", "control")]
    matrices = {"matrices": inventory.files}
    assert read == {
        "structure": matrices,
        "structure_function": matrices,
        "confounds": {**matrices, "surfaces": surfaces},
    }
    # The others fit models, which is a job of its own on a cluster.
    assert [job.rule for job in JOBS if job.local] == ["structure"]


def test_what_is_corrected_has_a_q_in_its_table(planned):
    for one in planned:
        name = one.table.removeprefix("results/statistics/").removesuffix(".csv")
        if name in STATISTICS:
            q = "q" if one.column == "p" else one.column.replace("_p", "_q")
            assert q in table(name).columns and "Benjamini-Hochberg" in one.correction
    sides = {one.name: one.sides for one in planned}
    place = "results/statistics/structure_function.csv"
    assert (sides[f"{place}: p"], sides[f"{place}: mantel_p"]) == (TWO, ONE)
    assert len(sides) == len(planned)


def test_what_a_study_does_not_ask_is_not_planned(root, tmp_path):
    def names(**sections):
        workspace = workspace_of(root, tmp_path, **sections)
        return {one.name for one in planned_tests(workspace.study, workspace.inventory)}

    lesion = "results/one/localizer/language/lesion.csv: p_random"
    tasks = {"tasks": ["language/npi"]}
    assert lesion in names(localizer={"lesion": tasks})
    assert lesion not in names(localizer={"lesion": {**tasks, "seeds": []}})
    networks = {"datasets": {"news": "corpus:news"}, "editing": {"activation_matched_seeds": [1]}}
    matched = "results/one/networks/editing.csv: p_matched"
    assert matched in names(networks=networks)
    assert matched not in names(networks={"datasets": networks["datasets"]})
    assert not any("localizer" in name for name in names(localizer={"networks": []}))
    source = {"source": "hf:org/one"}
    alone = names(models={"one": source}, localizer={"networks": []})
    assert not any("untrained" in name for name in alone)
    # On the items that found them circuits win by construction: no p is given, and none is planned.
    faithful = {"localizer": {"networks": []}, "faithfulness": {"tasks": ["*"]}}
    own, kept = "results/one/ablation/neurons: report", "results/one/faithfulness/neurons.patching"
    split = {"tasks": {"include": ["language/npi"], "items": 5, "min_items": 1, "split": "half"}}
    assert not {own, f"{kept}.areas.csv: report"} & names(**faithful)
    assert {own, f"{kept}.areas.csv: report"} <= names(**faithful, **split)
    active = {"ablation": {"activation_matched_trials": 1}}
    assert f"{own}, activation_matched" in names(**faithful, **split, **active)
    assert "results/one/networks/editing.csv: report" in names(networks=networks)
    # Beside the untrained model, by the report alone.
    circuits = "results/one/localizer/language/circuits.csv"
    assert {f"{circuits}: p", f"{circuits}: report"} <= names(localizer={"lesion": tasks})
    assert f"{circuits}: report" not in names(models={"one": source}, localizer={"lesion": tasks})
    kept = names(models={"one": {**source, "ablation": False}}, localizer={"networks": []})
    assert not any("structure_function" in name or "ablation" in name for name in kept)


def test_tests_of_circuits_are_planned_as_far_as_a_study_makes_them(root, tmp_path):
    """Against random units where these are drawn, on items that they were not found on."""

    def found(**sections):
        workspace = workspace_of(root, tmp_path, **sections)
        tests = planned_tests(workspace.study, workspace.inventory)
        return {one.name.removeprefix("results/"): one for one in tests}

    plain = found()
    lost, active = (
        "one/ablation/neurons: report",
        "one/ablation/neurons: report, activation_matched",
    )
    areas = "one/faithfulness/neurons.patching.areas.csv: report"
    tried = "one/attribution/neurons.estimators.summary.csv: gain_p"
    asked = ("statistics/granularity.csv: p", "statistics/experts.csv: p")
    assert not {lost, active, areas, tried, *asked} & set(plain)
    split = {"include": ["language/npi", "physical/speed"], "split": "half"}
    every = found(
        tasks=split,
        granularity={"levels": ["neurons", "mlp_layers"]},
        statistics={"experts": True},
        attribution={
            "agreement": {
                "tasks": ["language/*"],
                "estimators": ["patching at last", "relp at last"],
            }
        },
        ablation={"activation_matched_trials": 1},
        faithfulness={"tasks": ["language/*"]},
    )
    assert {lost, active, areas, tried, *asked} <= set(every)
    assert every[lost].correction == every[areas].correction == "none"
    assert every[tried].correction.startswith("Benjamini-Hochberg")
    # Of the control the same, and of no model what is not drawn.
    assert f"control{lost.removeprefix('one')}" in every
    none = found(tasks=split, ablation={"layer_matched_trials": 0, "random_trials": 0})
    assert lost not in none and active not in none and areas not in none
    lesions = {
        "statistics/structure_function.csv: p",
        "statistics/structure_function.csv: mantel_p",
    }
    assert lesions <= set(plain) and not lesions & set(found(ablation={"forecast_only": True}))


def test_what_circuits_write_is_asked_of_units_of_the_residual_stream(root, tmp_path):
    def found(**sections):
        workspace = workspace_of(root, tmp_path, **sections)
        tests = planned_tests(workspace.study, workspace.inventory)
        return {one.name.removeprefix("results/") for one in tests if "circuits.csv" in one.table}

    place = "localizer/language/circuits.csv"
    # That a model's circuits write more than the untrained one's is asked of the trained one alone.
    expected = {f"one/{place}: p", f"one/{place}: report", f"control/{place}: p"}
    assert found(localizer={}) == expected
    assert found(localizer={"site": "mlp_hidden"}) == set()
    assert found(localizer={}, attribution={"components": ["heads"]}) == set()
    assert found(localizer={"networks": []}) == set()
