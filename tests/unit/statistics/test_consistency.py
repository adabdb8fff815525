"""Agreement of models: tau of the cells that one would pick by hand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, kendalltau

from brodmann.statistics.consistency import common_tasks, consistency, tau_matrix
from brodmann.statistics.inventory import Inventory, Matrix
from brodmann.statistics.stages.structure import write_structure
from brodmann.store.tables import read_table, write_matrix

pytestmark = pytest.mark.filterwarnings("error")

TASKS = ["language/a", "language/b", "formal/c", "physical/d", "social/e"]


def random_table(seed, tasks=TASKS):
    n = len(tasks)
    return pd.DataFrame(np.random.default_rng(seed).random((n, n)).round(2), tasks, tasks)


def naive_tau(a, b, tasks, directed):
    """The cells, one by one: (i, j) for i before j, or for all i other than j."""
    cells = [
        (a.loc[x, y], b.loc[x, y])
        for i, x in enumerate(tasks)
        for j, y in enumerate(tasks)
        if (i != j if directed else i < j)
    ]
    cells = [pair for pair in cells if not np.isnan(pair).any()]
    return kendalltau(*zip(*cells, strict=True)), len(cells)


def test_by_hand():
    a = pd.DataFrame([[9, 1, 2], [5, 9, 3], [6, 4, 9]], TASKS[:3], TASKS[:3])
    b = pd.DataFrame([[0, 1, 3], [7, 0, 2], [9, 8, 0]], TASKS[:3], TASKS[:3])
    # Above the diagonal: (1, 2, 3) against (1, 3, 2), of three pairs one is turned round.
    (found,) = consistency({"a": a, "b": b}, directed=False).pairs
    assert (found.first, found.second, found.n) == ("a", "b", 3)
    assert found.tau == pytest.approx(1 / 3)
    # All cells: (1, 2, 5, 3, 6, 4) against (1, 3, 7, 2, 9, 8), of fifteen pairs two are turned round.
    (found,) = consistency({"a": a, "b": b}, directed=True).pairs
    assert (found.n, found.tau) == (6, pytest.approx((13 - 2) / 15))


@pytest.mark.parametrize("directed", [False, True])
def test_pairs_are_compared_on_the_tasks_of_all_models(directed):
    tables = {
        "x": random_table(0),
        "y": random_table(1, TASKS[::-1]),
        "z": random_table(2, [TASKS[3], TASKS[0], TASKS[4], TASKS[2]]),
    }
    tables["y"].loc["formal/c", "social/e"] = np.nan
    tasks = [TASKS[0], *TASKS[2:]]
    found = consistency(tables, directed=directed)
    assert list(found.tasks) == common_tasks(tables) == tasks
    assert [(p.first, p.second) for p in found.pairs] == [("x", "y"), ("x", "z"), ("y", "z")]
    for pair in found.pairs:
        expected, n = naive_tau(tables[pair.first], tables[pair.second], tasks, directed)
        assert (pair.tau, pair.p, pair.n) == (
            pytest.approx(expected.statistic),
            pytest.approx(expected.pvalue),
            n,
        )
    assert {pair.n for pair in found.pairs} == ({11, 12} if directed else {5, 6})


def test_mean_and_sd_over_pairs():
    tables = {name: random_table(seed) for seed, name in enumerate("abcd")}
    found = consistency(tables, directed=True)
    values = [pair.tau for pair in found.pairs]
    assert len(values) == 6
    assert found.mean() == pytest.approx(np.mean(values))
    assert found.sd(0) == pytest.approx(np.std(values))
    assert found.sd(1) == pytest.approx(np.std(values, ddof=1))


def test_constant_matrices_have_no_tau_and_do_not_count():
    tables = {"a": random_table(0), "b": random_table(1), "c": random_table(2) * 0}
    found = consistency(tables, directed=False)
    assert [np.isnan(pair.tau) for pair in found.pairs] == [False, True, True]
    assert found.mean() == found.pairs[0].tau
    assert found.sd(0) == 0 and np.isnan(found.sd(1))


@pytest.mark.parametrize("directed", [False, True])
def test_pairwise_takes_the_tasks_of_the_two(directed):
    """Six models of four tasks each, chosen at random: none is common to all."""
    rng = np.random.default_rng(0)
    many = [f"language/{letter}" for letter in "abcdefgh"]
    tables = {f"m{seed}": random_table(seed, list(rng.permutation(many)[:5])) for seed in range(6)}
    nothing = consistency(tables, directed=directed)
    assert nothing.tasks == () and nothing.n_tasks == (0, 0) and np.isnan(nothing.mean())
    found = consistency(tables, directed=directed, pairwise=True)
    assert np.isfinite(found.mean())
    for pair in found.pairs:
        a, b = tables[pair.first], tables[pair.second]
        tasks = [task for task in many if task in a.index and task in b.index]
        assert pair.n_tasks == len(tasks)
        if len(tasks) > 2:
            expected, n = naive_tau(a, b, tasks, directed)
            assert pair.tau == pytest.approx(expected.statistic, nan_ok=True) and pair.n == n
    counts = [pair.n_tasks for pair in found.pairs]
    assert found.n_tasks == (min(counts), max(counts))


def test_with_the_same_tasks_both_ways_are_one():
    tables = {name: random_table(seed) for seed, name in enumerate("abc")}
    ways = [consistency(tables, directed=True, pairwise=way) for way in (False, True)]
    assert ways[0].pairs == ways[1].pairs


@pytest.mark.parametrize("way", ["common", "pairwise"])
def test_the_table_says_where_too_few_tasks_are_left(tmp_path, monkeypatch, caplog, way):
    from brodmann.config.statistics import StatisticsSettings

    monkeypatch.chdir(tmp_path)
    tasks = [f"{domain}/{n}" for n in "abcd" for domain in ("language", "formal")][:7]
    models = {"a": tasks, "b": tasks, "few": tasks[:4]}
    overlaps = tuple(Matrix(name, "neurons", "positive-0.1pct") for name in models)
    for seed, one in enumerate(overlaps):
        for measure in ("containment", "jaccard", "doubly_stochastic"):
            write_matrix(one.path(measure), random_table(seed, models[one.model]))
    inventory = Inventory(overlaps, (), ())
    for one in inventory.average_overlaps:
        for measure in ("containment", "jaccard", "doubly_stochastic"):
            write_matrix(one.path(measure), random_table(9, tasks))
    outputs = {"consistency": "consistency.csv", "threshold_robustness": "robust.csv"}
    outputs |= {name: f"{name}.csv" for name in ("modularity", "domain_modularity")}
    outputs |= {name: f"{name}.csv" for name in ("clustering", "clusters")}
    write_structure(
        inventory, StatisticsSettings(permutations=5, seed=3, exclude=(), consistency=way), outputs
    )
    rows = read_table("consistency.csv")
    rows = rows[rows["measure"] == "containment"].set_index(["model", "other"])
    whole = rows.loc[("all", "all")]
    assert (whole["n_tasks"], whole["most_tasks"]) == ((4, 4) if way == "common" else (4, 7))
    assert rows.loc[("a", "b"), "n_tasks"] == (4 if way == "common" else 7)
    assert rows.loc[("a", "b"), "n"] == (6 if way == "common" else 21)
    if way == "common":
        said = "4 tasks are common to all models (fewer than 5); statistics.consistency: pairwise"
        assert "common to all models" in rows.loc[("a", "b"), "method"]
    else:
        said = "two models share 4 tasks only"
        assert "both models include" in rows.loc[("a", "b"), "method"]
        assert pd.isna(rows.loc[("a", "b"), "note"])
    assert said in whole["note"] and said in caplog.text


@pytest.mark.parametrize(
    "second",
    [random_table(1, ["social/x", "social/y"]), random_table(1) * np.nan, random_table(1, [])],
    ids=["no common task", "nothing measured", "empty"],
)
def test_nothing_in_common_is_nan(second):
    found = consistency({"a": random_table(0), "b": second}, directed=True)
    assert np.isnan([found.pairs[0].tau, found.pairs[0].p, found.mean(), found.sd(0)]).all()
    assert found.pairs[0].n == 0


def test_one_model_has_nobody_to_agree_with():
    found = consistency({"a": random_table(0)}, directed=True)
    assert found.pairs == () and np.isnan(found.mean())
    assert consistency({}, directed=True).pairs == ()


def test_the_matrix_of_models_is_symmetric():
    tables = {name: random_table(seed) for seed, name in enumerate("abc")}
    found = consistency(tables, directed=False)
    table = tau_matrix("abc", found)
    assert np.isnan(np.diag(table)).all()
    for pair in found.pairs:
        assert table.loc[pair.first, pair.second] == table.loc[pair.second, pair.first] == pair.tau


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Statistics of four models, one of which is a control that shares one task only."""
    from brodmann.config.statistics import StatisticsSettings

    monkeypatch.chdir(tmp_path)
    names = ["a", "b", "c", "untrained"]
    overlaps = tuple(Matrix(name, "neurons", "positive-0.1pct") for name in names)
    drops = tuple(Matrix(name, "neurons", "positive-0.1pct", "corrupted") for name in names)
    inventory = Inventory(overlaps, drops, ("untrained",))
    written = {}
    for seed, name in enumerate(names):
        tasks = TASKS if name != "untrained" else TASKS[-1:]
        written[name] = random_table(seed, tasks)
        for measure in ("containment", "jaccard", "doubly_stochastic"):
            write_matrix(overlaps[seed].path(measure), written[name])
        write_matrix(drops[seed].path(), written[name] - 0.5)
    for one in inventory.average_overlaps:
        for measure in ("containment", "jaccard", "doubly_stochastic"):
            write_matrix(one.path(measure), written["a"])
    write_matrix(inventory.average_drops[0].path(), written["a"])
    outputs = {
        name: f"{name}.csv"
        for name in (
            *("modularity", "domain_modularity", "clustering", "clusters", "consistency"),
            "threshold_robustness",
        )
    }
    write_structure(inventory, StatisticsSettings(permutations=5, seed=3, exclude=()), outputs)
    return written, {name: read_table(path) for name, path in outputs.items()}


def test_controls_and_averages_take_no_part(tables):
    written, found = tables
    rows = found["consistency"]
    assert set(rows["model"]) | set(rows["other"]) == {"a", "b", "c", "all"}
    assert set(rows["n_tasks"]) == {5}
    assert len(rows) == 4 * (3 + 1)
    for measure, directed in (("containment", False), ("accuracy_drop", True)):
        part = rows[rows["measure"] == measure]
        taus = []
        for a, b in combinations("abc", 2):
            row = part[(part["model"] == a) & (part["other"] == b)].iloc[0]
            expected, n = naive_tau(written[a], written[b], TASKS, directed)
            assert (row["tau"], row["n"]) == (pytest.approx(expected.statistic), n)
            taus.append(expected.statistic)
        whole = part[part["model"] == "all"].iloc[0]
        assert whole["tau"] == pytest.approx(np.mean(taus))
        # Over model pairs the published ablation SD divides by n, all others by n - 1.
        assert whole["sd"] == pytest.approx(np.std(taus, ddof=0 if directed else 1))
        assert whole["n_pairs"] == 3
        robust = found["threshold_robustness"]
        row = robust[(robust["model"] == "average") & (robust["measure"] == measure)].iloc[0]
        assert (row["tau"], row["tau_sd"]) == (whole["tau"], whole["sd"])


def test_the_control_is_in_the_tables_of_matrices(tables):
    _, found = tables
    for name in ("modularity", "clustering", "threshold_robustness"):
        rows = found[name]
        assert set(rows["model"]) == {"a", "b", "c", "untrained", "average"}
        assert set(rows.loc[rows["control"], "model"]) == {"untrained"}
        assert set(rows["seed"]) == {3}
    assert found["modularity"].query("model == 'untrained'")["p"].isna().all()


@pytest.mark.parametrize("several", [False, True])
def test_every_test_is_corrected_for_once(tmp_path, monkeypatch, several):
    """The average of one model has that model's tests, which are no tests of their own."""
    from brodmann.config.statistics import StatisticsSettings
    from brodmann.figures.domains import of_study

    monkeypatch.chdir(tmp_path)
    names = ["a", *(["b"] if several else []), "untrained"]
    overlaps = tuple(Matrix(name, "neurons", "positive-0.1pct") for name in names)
    inventory = Inventory(overlaps, (), ("untrained",))
    for one in (*overlaps, *inventory.average_overlaps):
        for measure in one.measures:
            write_matrix(one.path(measure), random_table(len(one.model), TASKS))
    assert {one.path("jaccard") for one in inventory.average_overlaps} <= set(inventory.files)
    outputs = {name: f"{name}.csv" for name in ("modularity", "domain_modularity", "clustering")}
    settings = StatisticsSettings(permutations=50, seed=3, exclude=())
    write_structure(inventory, settings, outputs)
    expected = {*names, "average"} if several else {*names}
    for path in outputs.values():
        rows = read_table(path)
        assert set(rows["model"]) == expected
        assert not rows.duplicated(["model", "measure", *({"domain"} & set(rows))]).any()
        tested = rows[rows["p"].notna()]
        expected_q = false_discovery_control(tested["p"].to_numpy(dtype=float))
        np.testing.assert_allclose(tested["q"], expected_q, rtol=1e-8)
    asked = {
        "component": "neurons",
        "overlap_sel": "positive-0.1pct",
        "matrices": {"controls": ["untrained"]},
        "drop": False,
    }
    figure, data = of_study(outputs, asked)
    shown = ["average" if several else "a", "untrained"]
    assert set(data["model"]) == set(shown)
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert titles[0] == ("average of 2 models" if several else "a")
