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
_SIGNED = "Wilcoxon's signed ranks over passages; exact sign test over items"


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
    correction = f"Benjamini-Hochberg over the column {column} of the table"
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
                    "Wilcoxon's signed ranks over tasks",
                    TWO,
                    UNCORRECTED,
                )
    for model in study.measured_models:
        for component in study.attribution.components:
            yield PlannedTest(
                f"results/{model}/ablation/{component}",
                "report",
                "Does a task need its own circuit more than random units?",
                "Wilcoxon's signed ranks over tasks",
                TWO,
                UNCORRECTED,
            )


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


def _networks(study: Study, model: str) -> Iterator[PlannedTest]:
    folder = f"results/{model}/networks"
    yield from _edits(f"{folder}/editing.csv", "the edit", study.networks.use.editing)
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
    correction = "Benjamini-Hochberg over the column {} of the table"
    asked = f"Does {what} change the model?"
    yield PlannedTest(table, "p", asked, _SIGNED, TWO, correction.format("p"))
    controls = {
        "p_random": (made.seeds, "random units"),
        "p_matched": (made.activation_matched_seeds, "units as active"),
    }
    for column, (seeds, beside) in controls.items():
        if seeds:
            asked = f"Does {what} change the model more or less than {beside}?"
            yield PlannedTest(table, column, asked, _SIGNED, TWO, correction.format(column))
