"""Tables of whole studies whose matrices are made up: which have a row, and what is said of the others."""

import logging

import numpy as np
import pandas as pd
import pytest

from brodmann.config.statistics import StatisticsSettings
from brodmann.statistics.inventory import AVERAGE, Inventory, Matrix
from brodmann.statistics.stages.confounds import COLUMNS, write_confounds
from brodmann.statistics.stages.structure_function import (
    STRUCTURE_FUNCTION,
    write_structure_function,
)
from brodmann.statistics.surface import SIMILARITIES
from brodmann.store.tables import write_matrix, write_table

SEL, KIND = "positive-1.0pct", "zero"
TASKS = [f"{domain}/{n}" for domain in ("language", "formal") for n in "abc"]
SETTINGS = StatisticsSettings(permutations=30, seed=0, exclude=())


def random_matrix(seed, tasks=TASKS, symmetric=True):
    values = np.random.default_rng(seed).uniform(0, 0.5, (len(tasks), len(tasks)))
    values = (values + values.T) / 2 if symmetric else values
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, tasks, tasks)


def inventory(overlaps, drops, controls=()):
    """The study whose working directory this is; averages are written as those of any model are."""
    found = Inventory(
        tuple(Matrix(model, "neurons", SEL) for model in overlaps),
        tuple(Matrix(model, "neurons", SEL, KIND) for model in drops),
        tuple(controls),
    )
    for one in found.all_overlaps:
        write_matrix(one.path(), overlaps.get(one.model, random_matrix(7)))
    for one in found.all_drops:
        write_matrix(one.path(), drops.get(one.model, random_matrix(8, symmetric=False)))
    return found


def function_table(found):
    write_structure_function(found, SETTINGS, {"structure_function": "function.csv"})
    table = pd.read_csv("function.csv")
    assert tuple(table.columns) == STRUCTURE_FUNCTION
    return table.set_index("model")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module in ("resampling", "confounds", "structure_function"):  # fewer draws will do
        monkeypatch.setattr(f"brodmann.statistics.{module}.BOOTSTRAPS", 50)


def test_averages_of_different_models_are_not_compared(caplog):
    """Of three models two were lesioned; of one that was, overlaps were not taken over."""
    overlaps = {name: random_matrix(n) for n, name in enumerate(("one", "two"))}
    drops = {name: random_matrix(n, symmetric=False) for n, name in enumerate(("one", "three"))}
    with caplog.at_level(logging.WARNING):
        table = function_table(inventory(overlaps, drops))
    said = f"{SEL} {KIND}: the averages are of different models, hence not compared"
    assert said in caplog.messages
    assert list(table.index) == ["one"] and table.loc["one", "n"] == 30


def test_models_are_pooled_without_controls():
    names = ("one", "two", "control")
    overlaps = {name: random_matrix(n) for n, name in enumerate(names)}
    drops = {name: random_matrix(n + 9, symmetric=False) for n, name in enumerate(names)}
    table = function_table(inventory(overlaps, drops, ["control"]))
    assert list(table.index) == ["one", "two", "control", AVERAGE, "all"]
    assert table["control"].tolist() == [False, False, True, False, False]
    assert table.loc["all", "n_models"] == table.loc[AVERAGE, "n_models"] == 2
    assert table.loc["all", "n"] == 60 and np.isnan(table.loc["all", "spearman"])


def test_a_model_that_loses_nothing_is_not_fitted_and_says_so(caplog):
    overlaps = {name: random_matrix(n) for n, name in enumerate(("one", "two"))}
    nothing = pd.DataFrame(0.0, TASKS, TASKS)
    drops = {"one": random_matrix(5, symmetric=False), "two": nothing}
    with caplog.at_level(logging.WARNING):
        table = function_table(inventory(overlaps, drops))
    what = "the drop is the same for all pairs"
    assert table.loc["two", "note"] == what and np.isnan(table.loc["two", "coefficient"])
    assert f"two {SEL} {KIND}: {what}" in caplog.messages
    assert table.loc["all", "note"] == f"two left out: {what}"
    assert np.isnan(table.loc["all", "coefficient"])
    # Pairs that are left are told all the same.
    assert table.loc["all", "n"] == 30 and table.loc["all", "n_tasks"] == 6


def surfaces(model, formats, tasks=TASKS):
    """What prompts share: numbers of no meaning, and the format of each task."""
    rows = [
        {"source": one, "target": other, "source_format": formats[one]}
        | {name: ((3 * n + place) % 7) / 7 for place, name in enumerate(SIMILARITIES)}
        for n, (one, other) in enumerate((a, b) for a in tasks for b in tasks if a != b)
    ]
    columns = ("source", "target", "source_format", *SIMILARITIES)
    write_table(f"{model}.csv", rows, columns)
    return {model: f"{model}.csv"}


def test_formats_of_one_domain_leave_nothing_to_shuffle_and_say_so(caplog):
    overlaps = {name: random_matrix(n) for n, name in enumerate(("one", "imported"))}
    drops = {"one": random_matrix(4, symmetric=False)}
    found = inventory(overlaps, drops)
    pure = {task: task.partition("/")[0] for task in TASKS}
    with caplog.at_level(logging.WARNING):
        write_confounds(found, SETTINGS, {"confounds": "out.csv"}, surfaces=surfaces("one", pure))
    assert "one: every surface format holds one domain: no test within formats" in caplog.messages
    table = pd.read_csv("out.csv")
    assert tuple(table.columns) == COLUMNS
    # Prompts of results that were taken over are not known; averages have none.
    assert set(table["model"]) == {"one"}
    by = table.set_index(["measure", "predictors", "term"])
    within = by.loc[("containment", "within_formats", "same_domain")]
    assert within["n_movable"] == 0 and np.isnan(within["p"])
    # An overlap has no direction: 15 pairs; what is lost has one.
    assert within["n"] == 15
    assert by.loc[("accuracy_drop", "domain", "same_domain"), "n"] == 30
    values = overlaps["one"].to_numpy()
    same = np.kron(np.eye(2), np.ones((3, 3))).astype(bool)
    off = ~np.eye(6, dtype=bool)
    expected = values[same & off].mean() - values[~same].mean()
    assert within["coefficient"] == pytest.approx(expected)
    assert by.loc[("containment", "domain", "same_domain"), "coefficient"] == pytest.approx(
        expected
    )
    mixed = {task: "statement" for task in TASKS}
    write_confounds(found, SETTINGS, {"confounds": "out.csv"}, surfaces=surfaces("one", mixed))
    own = pd.read_csv("out.csv").set_index(["measure", "predictors", "term"])
    within = own.loc[("containment", "within_formats", "same_domain")]
    assert within["n_movable"] == 6 and 0 < within["p"] <= 1


def test_a_model_without_tasks_has_rows_without_numbers():
    empty = pd.DataFrame(index=pd.Index([], dtype=object))
    formats = dict.fromkeys(TASKS, "statement")
    found = inventory({"one": empty}, {})
    write_confounds(found, SETTINGS, {"confounds": "out.csv"}, surfaces=surfaces("one", formats))
    table = pd.read_csv("out.csv")
    assert set(table["n"]) == set(table["n_tasks"]) == {0}
    assert table[["coefficient", "p", "q"]].isna().all(axis=None)
