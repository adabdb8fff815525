"""What the report says of circuits of resampled items: of how many tasks, and how many are stable."""

from types import SimpleNamespace

import numpy as np
import pytest

from brodmann.circuits.stages.stability import COLUMNS
from brodmann.config.load import load_config
from brodmann.report.prose import Prose
from brodmann.report.stability import stability_part
from brodmann.store.tables import write_table

CONFIG = """
models: {a: {source: "hf:org/name"}}
tasks: {include: [language/npi, language/hypernymy, formal/code_list]}
attribution: {bootstraps: 40, stability: {items: %s}}
"""


@pytest.fixture
def said(root, tmp_path):
    """What is said of a model's tasks, by how many independent items each has and from where it is stable."""

    def of(items, **tasks):
        (tmp_path / "config.yaml").write_text(CONFIG % items, encoding="utf-8")
        study = load_config([tmp_path / "config.yaml"], root=root).study
        names = ("language/npi", "language/hypernymy", "formal/code_list")
        rows = [
            {"task": task, "n_items": n, "n_units": n, "n_circuit": 7, "n_bootstraps": 40}
            | {"jaccard": jaccard, "low": 0.1, "high": 0.9, "stable": int(jaccard >= 0.8)}
            | {"needed": needed}
            for task, (n, jaccard, needed) in zip(names, tasks.values(), strict=True)
        ]
        file = tmp_path / "a/overlap/neurons" / f"{study.selection.main_name}.stability.csv"
        write_table(file, rows, COLUMNS)
        say = Prose(root / "workflow" / "report")
        sources = SimpleNamespace(
            study=study,
            say=say,
            results=tmp_path,
            called=lambda name: name,
            figures=lambda *_: [],
            task=lambda name: name,
        )
        return stability_part(sources)

    return of


def test_tasks_with_fewer_items_than_the_shortest_lists_do_not_fail_to_become_stable(said):
    """Of the third task there is no curve."""
    part = said("[10, 40, 20]", a=(40, 0.9, 20), b=(25, 0.5, ""), c=(8, 0.82, ""))
    told = part.lead[-1]
    assert "2 of 3 tasks have stable circuits (66.7 % [20.8 %, 93.9 %], Wilson's interval)" in told
    # Of 27 lists of three tasks one each has the least or most three times: 3.7 %.
    assert "the Jaccard index is 0.74 [0.50, 0.90], mean over tasks (0.50 to 0.90)." in told
    assert told.endswith(
        "With lists of 10 to 40 items (no longer than the task's own), 1 of 2 tasks become stable, in the "
        "median of these with 20 items (the other tasks have fewer items than the shortest lists)."
    )
    [table] = part.tables
    assert [row[-1] for row in table.rows] == ["20", "–", "–"]


def test_where_no_circuit_becomes_stable_the_tasks_that_were_tried_are_counted(said):
    tasks = {"a": (40, 0.7, ""), "b": (25, 0.5, ""), "c": (30, 0.6, np.nan)}
    assert (
        said("[20]", **tasks)
        .lead[-1]
        .endswith(
            "With lists of 20 items (no longer than the task's own), none of 3 tasks become stable."
        )
    )
    assert (
        said("[40]", **tasks)
        .lead[-1]
        .endswith(
            "(no longer than the task's own), none of 1 task becomes stable (the other tasks have fewer "
            "items than the shortest lists)."
        )
    )
    assert (
        said("[50, 60]", **tasks)
        .lead[-1]
        .endswith("No task has the 50 independent items of the shortest lists.")
    )
