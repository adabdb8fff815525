"""The section of evidence: parts that a study asks for, in order, and what its own parts say."""

from types import SimpleNamespace

import numpy as np
import pytest

from brodmann.circuits.stages.faithfulness import AREAS
from brodmann.circuits.stages.rivals import COLUMNS
from brodmann.config.load import load_config
from brodmann.report.evidence import TITLE, evidence_section
from brodmann.report.page import Group, Section, Table
from brodmann.report.prose import Prose
from brodmann.report.rivals import rivals_part
from brodmann.report.sufficiency import sufficiency_part
from brodmann.store.tables import write_table

TABLE = Table("what was found", ("task", "value"), [["npi", "0.5"]])
CONFIG = """
models: {a: {source: "hf:org/name"}}
tasks: {include: [language/npi, language/hypernymy, formal/code_list]}
faithfulness: {tasks: [language/*], rivals: {rounds: 1}}
"""


@pytest.fixture
def asked(root, tmp_path):
    """Sources of a study with the text of a config, and tables below ``tmp_path``."""

    def of(text=CONFIG):
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        return SimpleNamespace(
            study=load_config([tmp_path / "config.yaml"], root=root).study,
            say=Prose(root / "workflow" / "report"),
            results=tmp_path,
            called=lambda name: name,
            figures=lambda *_: [],
        )

    return of


def test_parts_are_told_in_order_and_missing_ones_are_not(asked):
    whole = Section("Is it enough?", ["It is."], tables=[TABLE], more=[Group("Rounds", ["Three."])])
    only_said = Section("Is it alone?", ["It is not."])
    found = evidence_section(asked(), [lambda _: whole, lambda _: None, lambda _: only_said])
    assert found.title == TITLE
    assert found.lead[-2:] == ["It is.", "It is not."] and len(found.lead) == 3
    # A part without figures and tables opens nothing.
    assert [group.title for group in found.more] == ["Is it enough?", "Rounds"]
    assert found.more[0].tables == [TABLE]
    assert evidence_section(asked(), [lambda _: None]) is None
    nothing = "{models: {a: {source: 'hf:org/name'}}, attribution: {bootstraps: 0}}"
    assert evidence_section(asked(nothing)) is None


def test_own_orders_beside_others(asked, tmp_path):
    """Two tasks; of one no other order was tried, and it never comes near the model."""
    line = {"trial": 0, "sign": "positive", "kind": "corrupted", "n": 8, "cmd": 0.2, "floor": 0.1}
    own = {**line, "order": "own"}
    rows = [
        {**own, "task": "language/npi", "cpr": 0.9, "enough_percent": 5.0, "enough_units": 7},
        {**own, "task": "language/hypernymy", "cpr": 0.5},
        {**line, "task": "language/npi", "order": "formal/code_list", "cpr": 0.6, "cmd": 0.6},
        {**line, "task": "language/npi", "order": "random", "sign": "", "trial": 1, "cpr": 0.2}
        | {"enough_percent": 100.0},
        {**line, "task": "language/npi", "order": "random", "sign": "", "trial": 2, "cpr": 0.4}
        | {"enough_percent": 50.0},
        {**own, "task": "language/npi", "sign": "absolute", "cpr": 0.0},
    ]
    write_table(tmp_path / "a/faithfulness/neurons.patching.areas.csv", rows, AREAS)
    part = sufficiency_part(asked())
    [said] = [one for one in part.lead if one.startswith("a, neurons")]
    assert "is 0.70 [0.50, 0.90] in the tasks' own orders, mean over 2 tasks" in said
    assert "0.60 in orders of tasks of other domains (own more by 0.30, 1 task)" in said
    assert "0.30 in random orders (own more by 0.60, 1 task)" in said
    assert "reached with fewer than all units in 1 of 2 tasks" in said
    assert "the median of these with 5 % of the units (7 neurons); random orders: 1 of 2." in said
    assert "(CMD; 0 is best) is 0.20 [0.20, 0.20] in own orders; 0.60 in orders of tasks of" in said
    assert "(own less by 0.40)" in said
    assert "Without any of them 0.10 is kept" in said
    [table] = part.tables
    assert [row[0] for row in table.rows] == ["own", "tasks of other domains", "random"]
    assert table.rows[1][1:5] == ["1", "0.60", "0.60", "0.30"]
    # Orders were found on the items that they are tested on: they win by construction.
    assert {row[-1] for row in table.rows} == {"–"}


def test_all_units_are_enough_by_definition_and_tasks_without_a_contrast_do_not_count(
    asked, tmp_path
):
    """One task needs all units; another, of a control model, has curves but no areas."""
    line = {"trial": 0, "sign": "positive", "kind": "corrupted", "n": 8, "cmd": 0.2, "floor": 0.1}
    own = {**line, "order": "own"}
    rows = [
        {**own, "task": "language/npi", "cpr": 0.9, "enough_percent": 100.0, "enough_units": 150},
        {**own, "task": "language/hypernymy", "cpr": 0.5, "enough_percent": 100.0},
        {**own, "task": "formal/code_list", "cmd": np.nan, "floor": np.nan},
        {**line, "task": "language/npi", "order": "random", "sign": "", "trial": 1, "cpr": 0.2},
        {**line, "task": "language/hypernymy", "order": "random", "sign": "", "cpr": 0.1},
    ]
    write_table(tmp_path / "a/faithfulness/neurons.patching.areas.csv", rows, AREAS)
    split = CONFIG.replace("tasks: {", "tasks: {split: half, ", 1)
    text = split.replace("rivals:", "fractions: [1, 100], rivals:")
    part = sufficiency_part(asked(text))
    [said] = [one for one in part.lead if one.startswith("a, neurons")]
    assert "mean over 2 tasks; 0.15 in random orders" in said
    assert "No task reaches a faithfulness of 0.9 with fewer than all units; random orders" in said
    assert "random orders: 0 of 2. The smallest circuits" in said
    assert said.endswith("The smallest circuits (1 % of the units) keep 0.10.")
    # Two pairs, both larger: p of one in two.
    assert part.tables[0].rows[1][-1] == "0.5000"


def test_rivals_beside_own_circuits(asked, tmp_path):
    line = {"sign": "positive", "kind": "corrupted", "n_units": 7, "n": 8, "control": 0.1}
    rows = [
        {**line, "task": task, "round": number, "faithfulness": kept, "without": 0.5 - number / 4}
        | ({"next_best": 0.25, "same_layers": 0.5} if number else {})
        for task, values in (("language/npi", (0.8, 0.6)), ("language/hypernymy", (0.6, 0.0)))
        for number, kept in enumerate(values)
    ]
    write_table(tmp_path / "a/faithfulness/neurons.patching.rivals.csv", rows, COLUMNS)
    part = rivals_part(asked())
    [said] = [one for one in part.lead if one.startswith("a, neurons")]
    assert "own circuit keeps 0.70 [0.60, 0.80] of the metric (0.10 is kept by as many ran" in said
    assert "rival 1, 0.30 (own more by 0.40 [0.20, 0.60]; random 0.10)" in said
    assert "Without all of these circuits 0.25 [0.25, 0.25] of the metric is left (what is" in said
    [table] = part.tables
    assert table.rows[1] == [
        *("rival 1", "2", "0.30", "0.10", "0.40", "[0.20, 0.60]", "0.25", "25.0 %", "50.0 %")
    ]


def test_of_how_many_tasks_random_units_are_is_said_where_some_have_none(asked, tmp_path):
    line = {"sign": "positive", "kind": "corrupted", "n_units": 7, "n": 8, "without": 0.5}
    rows = [
        {**line, "task": task, "round": number, "faithfulness": 0.5}
        | ({} if (task, number) == ("language/npi", 0) else {"control": 0.1 + number / 10})
        for task in ("language/npi", "language/hypernymy")
        for number in (0, 1)
    ]
    write_table(tmp_path / "a/faithfulness/neurons.patching.rivals.csv", rows, COLUMNS)
    said = rivals_part(asked()).lead[-1]
    assert "of the metric (0.10 in 1 of 2 tasks is kept by as many random units of" in said
    assert "rival 1, 0.50 (own more by 0.00 [0.00, 0.00]; random 0.20). Without" in said


def test_rivals_of_tasks_without_a_contrast_do_not_count(asked, tmp_path):
    """A control model's metric that is not divided is no share of anything, and has none to be mixed with."""
    line = {"sign": "positive", "kind": "corrupted", "n_units": 7, "n": 8}
    known = {"faithfulness": 0.8, "low": 0.7, "high": 0.9, "control": 0.1, "without": 0.5}
    rows = [
        {**line, **more, "task": task, "round": number}
        for task, more in (("language/npi", known), ("language/hypernymy", {}))
        for number in (0, 1)
    ]
    write_table(tmp_path / "a/faithfulness/neurons.patching.rivals.csv", rows, COLUMNS)
    part = rivals_part(asked())
    assert part.tables[0].rows[0][:3] == ["own circuit", "1", "0.80"]
    assert "mean over 1 task)" in part.lead[-1]
    write_table(tmp_path / "a/faithfulness/neurons.patching.rivals.csv", rows[2:], COLUMNS)
    assert rivals_part(asked()) is None


def test_tasks_that_need_none_of_the_units_are_told_apart(asked, tmp_path):
    """What the rest of the model does alone is nothing that a circuit is enough for."""
    line = {"order": "own", "trial": 0, "sign": "positive", "kind": "corrupted", "n": 8, "cmd": 0.1}
    rows = [
        {**line, "task": "language/npi", "cpr": 1.0, "enough_percent": 0.0, "enough_units": 0},
        {**line, "task": "language/hypernymy", "cpr": 0.9, "enough_percent": 5.0}
        | {"enough_units": 8},
    ]
    write_table(tmp_path / "a/faithfulness/neurons.patching.areas.csv", rows, AREAS)
    said = sufficiency_part(asked()).lead[-1]
    assert (
        "in 2 of 2 tasks (1 of them with none of the units: the rest of the model is enough), in the median"
        in said
    )
