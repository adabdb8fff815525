"""Lesions and edits on tasks, as their tables have them: items that share content are one unit."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest

from brodmann.localizers.stages import lesion
from brodmann.networks.stages import editing
from brodmann.runner.experiment import Edit
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.target import Target
from brodmann.tasks.items import Item, TaskItems

EDITS = [
    Edit("intact", {"condition": "intact"}),
    Edit("lesion", {"condition": "lesion"}, np.array([1]), "inhibit", group="a"),
]


def target(task, groups, used):
    """Of a task whose items say nothing."""
    items = [Item(f"clean {n}", f"corrupted {n}", "a", "b") for n in range(len(groups) or 20)]
    return Target(TaskItems(task, {"completion": items}, groups=groups), PLAN, used)


PLAN = PromptPlan("completion", wrapped=False)


def test_the_units_of_the_items_that_are_used():
    assert target("formal/sums", ["x", "y", "x", "z"], (0, 2, 3)).groups == ["x", "x", "z"]
    assert target("formal/sums", [], (0, 2, 3)).groups == ["0", "2", "3"]


def test_a_lesion_that_breaks_two_items_of_the_same_content_breaks_one():
    """Eight units of two items, all right in the intact model; of six both are wrong under the lesion. One
    more item could not be asked."""
    margins = [1.0] * 16 + [None]
    broken = [-1.0 if n % 8 < 6 else 1.0 for n in range(16)] + [None]
    units = [f"unit {n % 8}" for n in range(16)] + ["unit 0"]
    found = [{"margins": margins}, {"margins": broken}]
    intact, own = lesion._task_rows(EDITS, "formal/sums", found, units)
    assert (intact["n"], intact["value"], own["value"], own["intact"]) == (16, 1.0, 0.25, 1.0)
    assert own["p"] == pytest.approx(binomtest(0, 6).pvalue)
    expected = binomtest(2, 8).proportion_ci(0.95, method="wilson")
    assert (own["low"], own["high"]) == pytest.approx((expected.low, expected.high))


def test_the_two_choices_of_an_item_are_one_unit_of_an_edit():
    """Of six items without groups both choices become wrong; a seventh could not be asked."""
    right, wrong = [0.0, -1.0, -1.0, 0.0], [-1.0, 0.0, 0.0, -1.0]
    records = [{"log_probs": [row] * 3 + [None] + [row] * 3} for row in (right, wrong)]
    one = target("formal/sums", [], tuple(range(1, 8)))
    assert editing.Editing.units(None, one, records[0]) == ["1", "2", "3", "5", "6", "7"]
    of = SimpleNamespace()
    made = [editing.Editing.choices(of, one, record) for record in records]
    units = editing.Editing.units(of, one, records[0])
    rows = editing._task_rows(EDITS, "formal/sums", made, units, 0)
    [intact, own] = [row for row in rows if row["measure"] == "accuracy"]
    assert (intact["value"], own["value"], own["n"]) == (1.0, 0.0, 12)
    assert own["p"] == pytest.approx(binomtest(0, 6).pvalue)
