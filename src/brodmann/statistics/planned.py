"""Which tests a study makes: known from its config, before anything is run (``brodmann prereg``).

Every p-value that the study will write or the report will speak of is declared here, with what it asks, how
it is made, on how many sides, and over what it is corrected. A statistic with a new column of p-values
belongs here, too (``tests/unit/statistics/test_planned.py`` looks for it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brodmann.config.localizer import RESIDUAL_SITES, LesionSettings
from brodmann.config.network_use import EditingSettings
from brodmann.config.study import Study
from brodmann.statistics.inventory import Inventory
from brodmann.statistics.registry import FOLDER

ONE, TWO = "one-sided", "two-sided"
UNCORRECTED = "none"
_SHUFFLED = "domain labels shuffled"
_SIGNED = "Wilcoxon's signed ranks over passages; exact sign test over independent units of items"
_OVER_TASKS = "Wilcoxon's signed ranks over tasks"
_OVER_COLUMN = "Benjamini-Hochberg over the column {} of the table"
# Of a p that stands in no table, but in the report alone.
_IN_REPORT = "report"


@dataclass(frozen=True)
class PlannedTest:
    """A column of p-values. ``correction``: how they are corrected, and over what."""

    table: str  # the file that has them
    column: str
    question: str
    null: str
    sides: str
    correction: str

    @property
    def name(self) -> str:
        """Which it is."""
        return f"{self.table}: {self.column}"


def planned_tests(study: Study, inventory: Inventory) -> list[PlannedTest]:
    """All of them, in the order of the report."""
    found = list(_across_tasks(study, inventory))
    for model in study.run_models:
        if study.localizer.networks:
            found += _localizers(study, model)
        if model in study.network_models:
            found += _networks(study, model)
    return found


def _statistic(
    table: str, question: str, null: str, sides: str = ONE, column: str = "p"
) -> PlannedTest:
    correction = _OVER_COLUMN.format(column)
    return PlannedTest(f"{FOLDER}/{table}.csv", column, question, null, sides, correction)


def _across_tasks(study: Study, inventory: Inventory) -> Iterator[PlannedTest]:
    yield _statistic(
        "modularity", "Are values within domains higher than across?", f"difference, {_SHUFFLED}"
    )
    yield _statistic(
        "domain_modularity", "Is each domain apart from the others?", f"difference, {_SHUFFLED}"
    )
    yield _statistic("clustering", "Do clusters of tasks agree with domains?", f"ARI, {_SHUFFLED}")
    if inventory.twins:
        yield _statistic(
            "untrained",
            "Are domains further apart than in the untrained model?",
            f"difference of the two models' matrices, {_SHUFFLED}",
        )
    if study.run_models:
        null = "double semi-partialing (MRQAP) by tasks; within formats: labels shuffled"
        asked = "Do tasks of one domain have more in common than their prompts explain?"
        yield _statistic("confounds", asked, null)
    if inventory.drops:
        asked = "Does overlap predict the accuracy lost?"
        yield _statistic("structure_function", asked, "t of the mixed-effects slope", TWO)
        null = "Mantel: tasks permuted, Spearman's rho"
        yield _statistic("structure_function", asked, null, ONE, "mantel_p")
    if study.granular_models:
        asked = "Do circuits of the same domain cost more than others, at each size of the units?"
        yield _statistic("granularity", asked, f"difference, {_SHUFFLED}")
    if study.profiled_models:
        asked = "Do circuits of one domain lie in the same experts, and each circuit in few?"
        null = "neurons of each layer dealt out to its experts anew"
        yield _statistic("experts", asked, null)
    if study.attribution.agreement.tried_tasks:
        for model in study.run_models:
            for component in study.attribution.components:
                yield PlannedTest(
                    f"results/{model}/attribution/{component}.estimators.summary.csv",
                    "gain_p",
                    "Does an estimator agree better with true patching than the first?",
                    _OVER_TASKS,
                    TWO,
                    _OVER_COLUMN.format("gain_p"),
                )
    if study.tasks.split:
        yield from _own_circuits(study)


def _own_circuits(study: Study) -> Iterator[PlannedTest]:
    """On other items than they were found on: on the same ones they win by construction, and have no p."""
    asked, made = "Does a task need its own circuit more than random units", study.ablation
    for component in study.attribution.components:
        for model in study.measured_models:
            table = f"results/{model}/ablation/{component}"
            if made.layer_matched_trials or made.random_trials:
                yield _in_report(table, f"{asked}?", _OVER_TASKS)
            if made.activation_matched_trials:
                more = f"{asked} that are as active?"
                yield _in_report(table, more, _OVER_TASKS, what="activation_matched")
        for model in study.faithfulness_models:
            stem = f"results/{model}/faithfulness/{component}.{study.attribution.estimator}"
            kept = "Do tasks' own orders of units keep more (CPR) than each other kind of order?"
            yield _in_report(f"{stem}.areas.csv", kept, _OVER_TASKS)


def _in_report(
    table: str, question: str, null: str, sides: str = TWO, *, what: str = ""
) -> PlannedTest:
    """One that the report makes of a table (of ``what`` in it), uncorrected."""
    column = f"{_IN_REPORT}, {what}" if what else _IN_REPORT
    return PlannedTest(table, column, question, null, sides, UNCORRECTED)


def _localizers(study: Study, model: str) -> Iterator[PlannedTest]:
    settings = study.localizer
    for network in settings.networks:
        folder = f"results/{model}/localizer/{network}"
        yield PlannedTest(
            f"{folder}/selectivity.safetensors",
            "p",
            "Which units respond to one kind of text more than to the other?",
            "Welch's t",
            TWO,
            "Benjamini-Hochberg over all units of the model",
        )
        yield from _edits(f"{folder}/lesion.csv", "the lesion", settings.lesion)
        if settings.site in RESIDUAL_SITES and "neurons" in study.attribution.components:
            yield PlannedTest(
                f"{folder}/circuits.csv",
                "p",
                "Do circuits write on localized units?",
                "random neurons of the same layers",
                ONE,
                "Benjamini-Hochberg over the table",
            )
            if model in study.trained_twins.values():
                asked = (
                    "Do circuits write more on localized units than those of the untrained model?"
                )
                yield _in_report(f"{folder}/circuits.csv", asked, _OVER_TASKS)


def _networks(study: Study, model: str) -> Iterator[PlannedTest]:
    folder = f"results/{model}/networks"
    editing = study.networks.use.editing
    yield from _edits(f"{folder}/editing.csv", "the edit", editing)
    if editing.seeds:
        asked = "Do more networks than by chance cost more than each of their random draws?"
        null = "binomial, as if networks were independent"
        yield _in_report(f"{folder}/editing.csv", asked, null, ONE)
    yield PlannedTest(
        f"{folder}/agreement.csv",
        "p",
        "Are the maps more alike than chance?",
        "units permuted within layers, layers permuted, or random neurons of the same layers",
        ONE,
        "Benjamini-Hochberg over the table",
    )


def _edits(table: str, what: str, made: LesionSettings | EditingSettings) -> Iterator[PlannedTest]:
    """Against the intact model, and against random units of both kinds where there are any."""
    asked = f"Does {what} change the model?"
    yield PlannedTest(table, "p", asked, _SIGNED, TWO, _OVER_COLUMN.format("p"))
    controls = {
        "p_random": (made.seeds, "random units"),
        "p_matched": (made.activation_matched_seeds, "units as active"),
    }
    for column, (seeds, beside) in controls.items():
        if seeds:
            asked = f"Does {what} change the model more or less than {beside}?"
            yield PlannedTest(table, column, asked, _SIGNED, TWO, _OVER_COLUMN.format(column))
