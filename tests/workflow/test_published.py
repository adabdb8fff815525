"""Results-only models from end to end: matrices in the published layout to averages and statistics."""

import numpy as np
import pandas as pd
import pytest
import yaml
from clone import copy_workflow

THEIRS = [
    "Lan/npi",
    "Lan/wug",
    "MD/code_A",
    "MD/add",
    "phys/physics_speed",
    "ToM/agent",
    "ToM/norm",
]
OURS = {
    "Lan/npi": "language/npi",
    "Lan/wug": "language/wug",
    "MD/code_A": "formal/code_arithmetic",
    "MD/add": "formal/add",
    "phys/physics_speed": "physical/speed",
    "ToM/agent": "social/agent",
    "ToM/norm": "social/norm",
}
# Tasks of each model, in the order of its files; the control has one task only.
MODELS = {
    "one": THEIRS,
    "two": list(reversed(THEIRS[1:])),
    "control": [*THEIRS[:4], THEIRS[5]],
}
STRUCTURE = {"structure": 1, "structure_function": 1, "confounds": 1, "printed_tables": 1}
OVERLAP = "overlap/positive_{}pct_overlap.csv"
DROP = "ablation_analysis/positive_{}pct_corrupted_accuracy.csv"


def write(path, tasks, seed, *, symmetric):
    """A matrix with four decimals, as the published ones have; returns it with our labels."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 0.5, (len(tasks), len(tasks)))
    if symmetric:
        values = (values + values.T) / 2
        np.fill_diagonal(values, 1)
    table = pd.DataFrame(values.round(4), tasks, tasks)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index_label="" if symmetric else "source\\target")
    names = [OURS[task] for task in tasks]
    return table.set_axis(names).set_axis(names, axis=1)


def config(models, **more):
    entries = {name: {"source": f"results:{name}"} for name in models}
    if "control" in entries:
        entries["control"]["control"] = True
    return {
        "models": entries,
        "results_from": "published",
        "selection": {"percents": [0.1, 1], "main": 0.1},
        "average": {"exclude": ["social/norm"]},
        "statistics": {"permutations": 20},
        **more,
    }


@pytest.fixture(scope="module")
def studies(root, tmp_path_factory):
    """Three models in the published layout, and three configs; the first has been run."""
    folder = tmp_path_factory.mktemp("published")
    clone = copy_workflow(root, folder / "clone")
    (clone.path / "data").mkdir()
    clone.write_task("language/npi", {"description": "unused", "measures": "nothing", "items": []})
    tables = {}
    for number, (model, tasks) in enumerate(MODELS.items()):
        for percent in (0.1, "1.0"):
            path = folder / "published" / model / OVERLAP.format(percent)
            tables[model, float(percent)] = write(path, tasks, number, symmetric=True)
        path = folder / "published" / model / DROP.format(0.1)
        tables[model, "drop"] = write(path, tasks, 10 + number, symmetric=False)
    for name, models in (("all", MODELS), ("alone", ["one"]), ("shown", ["control"])):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config(models)))
    clone.tables = tables
    clone.folder = folder
    clone.planned_first = clone.planned("statistics", *arguments(folder, "all"))
    clone.snakemake("statistics", *arguments(folder, "all"))
    return clone


def arguments(folder, name):
    return ["--configfile", folder / f"{name}.yaml", "--directory", folder / "study" / name]


def planned(studies, name="all"):
    found = studies.planned("statistics", *arguments(studies.folder, name))
    return {rule: count for rule, count in found.items() if rule != "statistics"}


def table(studies, path, study="all", **options):
    return pd.read_csv(studies.folder / "study" / study / "results" / path, **options)


def statistics(studies, name, study="all"):
    return table(studies, f"statistics/{name}.csv", study)


def matrix(studies, path):
    return table(studies, path, index_col=0)


def test_no_model_is_run(studies):
    rules = {rule: n for rule, n in studies.planned_first.items() if rule != "statistics"}
    assert rules == {**STRUCTURE, "average": 1, "import_overlap": 6, "import_drop": 3}
    assert not list((studies.folder / "study/all/results").glob("*/model.json"))


@pytest.mark.parametrize("size", [0.1, 1.0])
def test_averages_are_those_by_hand(studies, size):
    mean = matrix(studies, f"average/overlap/neurons/positive-{size}pct.containment.csv")
    count = matrix(studies, f"average/overlap/neurons/positive-{size}pct.containment.count.csv")
    one, two = studies.tables["one", size], studies.tables["two", size]
    order = ["language/npi", "language/wug", "formal/add", "formal/code_arithmetic"]
    order += ["physical/speed", "social/agent"]
    assert list(mean.index) == list(mean.columns) == list(count.index) == order
    for a in order:
        for b in order:
            cells = [t.loc[a, b] for t in (one, two) if a in t.index and b in t.index]
            assert mean.loc[a, b] == pytest.approx(np.mean(cells))
            assert count.loc[a, b] == len(cells) == (1 if "language/npi" in (a, b) else 2)


def test_every_measure_is_averaged_over_the_models_own(studies):
    for measure in ("jaccard", "doubly_stochastic"):
        mean = matrix(studies, f"average/overlap/neurons/positive-0.1pct.{measure}.csv")
        own = [
            matrix(studies, f"{model}/overlap/neurons/positive-0.1pct.{measure}.csv")
            for model in ("one", "two")
        ]
        tasks = list(mean.index)[1:]
        expected = (own[0].loc[tasks, tasks] + own[1].loc[tasks, tasks]) / 2
        np.testing.assert_allclose(mean.loc[tasks, tasks], expected, rtol=1e-8)
    contained = studies.tables["one", 0.1]
    np.testing.assert_allclose(
        matrix(studies, "one/overlap/neurons/positive-0.1pct.jaccard.csv").loc[
            contained.index, contained.index
        ],
        contained / (2 - contained),
        rtol=1e-8,
    )


def test_rows_are_sources_to_the_end(studies):
    mean = matrix(studies, "average/ablation/neurons/positive-0.1pct.corrupted.accuracy_drop.csv")
    one, two = studies.tables["one", "drop"], studies.tables["two", "drop"]
    for source, target in (("language/wug", "social/agent"), ("social/agent", "language/wug")):
        expected = (one.loc[source, target] + two.loc[source, target]) / 2
        assert mean.loc[source, target] == pytest.approx(expected)


def test_a_control_is_shown_and_not_compared(studies):
    rows = statistics(studies, "modularity")
    assert set(rows["model"]) == {"one", "two", "control", "average"}
    assert set(rows.loc[rows["control"], "model"]) == {"control"}
    assert len(rows) == 4 * (2 * 3 + 1)
    pairs = statistics(studies, "consistency")
    assert set(pairs["model"]) | set(pairs["other"]) == {"one", "two", "all"}
    # What the two have in common, the excluded task included; the control would leave four.
    assert set(pairs["n_tasks"]) == {6}
    found = pairs[pairs["model"] == "one"].set_index(["measure", "sel"])
    assert found.loc[("containment", "positive-0.1pct"), "n"] == 15
    assert found.loc[("accuracy_drop", "positive-0.1pct"), "n"] == 30
    robust = statistics(studies, "threshold_robustness")
    assert robust.loc[robust["tau"].notna(), "model"].unique().tolist() == ["average"]
    pooled = statistics(studies, "structure_function").set_index("model").loc["all"]
    assert pooled["n"] == 7 * 6 + 6 * 5


def test_per_model_rows_keep_excluded_tasks(studies):
    rows = statistics(studies, "modularity").set_index(["model", "measure", "sel"])
    sizes = {model: rows.loc[(model, "accuracy_drop", "positive-0.1pct"), "n"] for model in MODELS}
    assert sizes == {"one": 7, "two": 6, "control": 5}
    assert rows.loc[("average", "accuracy_drop", "positive-0.1pct"), "n"] == 6


def test_q_is_that_of_the_whole_table(studies):
    from scipy.stats import false_discovery_control

    for name, p, q in (
        ("modularity", "p", "q"),
        ("domain_modularity", "p", "q"),
        ("clustering", "p", "q"),
        ("structure_function", "mantel_p", "mantel_q"),
    ):
        rows = statistics(studies, name)
        tested = rows[rows[p].notna()]
        np.testing.assert_allclose(tested[q], false_discovery_control(tested[p]), rtol=1e-8)
        assert rows.loc[rows[p].isna(), q].isna().all()


def test_the_contract_s_columns_are_there(studies):
    for name in ("modularity", "domain_modularity", "clustering", "consistency"):
        rows = statistics(studies, name)
        assert {"model", "component", "sel", "measure", "kind", "n", "seed"} <= set(rows)
        assert set(rows["seed"]) == {42} and rows["n"].notna().all()
    assert statistics(studies, "confounds").empty
    assert (studies.folder / "study/all/results/statistics/tables/modularity.tex").is_file()


def test_a_second_run_does_nothing(studies):
    assert planned(studies) == {}


def test_another_seed_reruns_the_statistics_only(studies):
    path = studies.folder / "all.yaml"
    before = path.read_text()
    try:
        path.write_text(yaml.safe_dump(config(MODELS, statistics={"permutations": 20, "seed": 1})))
        assert planned(studies) == STRUCTURE
    finally:
        path.write_text(before)


@pytest.mark.slow
def test_one_model_has_averages_that_are_not_tested_and_nothing_to_compare(studies):
    studies.snakemake("statistics", *arguments(studies.folder, "alone"))
    assert statistics(studies, "consistency", "alone").empty
    for name in ("modularity", "clustering", "structure_function"):
        assert set(statistics(studies, name, "alone")["model"]) == {"one"}
    assert (studies.folder / "study/alone/results/average").is_dir()
    assert statistics(studies, "threshold_robustness", "alone")["tau"].isna().all()


@pytest.mark.slow
def test_a_control_alone_is_averaged_with_nothing(studies):
    studies.snakemake("statistics", *arguments(studies.folder, "shown"))
    assert not (studies.folder / "study/shown/results/average").exists()
    assert set(statistics(studies, "modularity", "shown")["model"]) == {"control"}
    assert statistics(studies, "consistency", "shown").empty
    assert planned(studies, "shown") == {}
