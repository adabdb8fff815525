"""``faithfulness:``: is a circuit enough, and is it the only one?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, StringConstraints, Tag

from brodmann.config.resolve import Resolver
from brodmann.config.section import (
    AS_WRITTEN,
    BY_KIND,
    Count,
    DistinctSome,
    Percent,
    Section,
    Several,
    SomeText,
    Text,
    Whole,
    floats,
)
from brodmann.config.selection import SelectionSettings
from brodmann.config.stages import FAITHFULNESS

ALL = "all"
# Of all units, in per cent: as the benchmark MIB has them, and none.
FRACTIONS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
Fraction = Annotated[float, Strict(), Field(ge=0, le=100), *AS_WRITTEN]
_All = Annotated[Text, StringConstraints(pattern="^all$")]
Tasks = Annotated[Annotated[Whole, Tag("|number")] | Annotated[_All, Tag("|text")], BY_KIND]


class RivalSettings(Section):
    """Circuits that are found again without those before them."""

    rounds: Whole = 0
    """How many rival circuits are sought for each task; 0 seeks none."""
    percent: Percent | None = None
    """Size of the circuits; null is selection.main."""


class FaithfulnessSettings(Section):
    """What a model still does if everything outside a circuit is silenced (docs/faithfulness.md)."""

    tasks: Several[SomeText] = ()
    """Globs over domain/task - the tasks whose circuits are tested, as far as tasks.include has them; none by
    default, as it takes a run of the model for every circuit, size and order."""
    fractions: DistinctSome[Fraction] = FRACTIONS
    """Sizes of the circuits, in per cent of all units; at least two."""
    kinds: DistinctSome[Literal["corrupted", "mean", "zero"]] = ("corrupted",)
    """What all other units are set to, as in ablation.kinds; figures and report show the first."""
    signs: DistinctSome[Literal["positive", "absolute"]] = ("positive", "absolute")
    """Orders of the units - positive begins with those that help the clean answer most and ends with those
    that hinder it most, absolute goes by magnitude; figures and report show the first."""
    random_trials: Whole = 1
    """Random orders of all units for each task."""
    layer_matched_trials: Whole = 1
    """Random orders for each task and sign that have, at every size, as many units in each layer as the
    task's own order."""
    same_domain: Tasks = 3
    """How many other tasks of the domain lend their orders, drawn with seed; all takes all of them."""
    other_domains: Tasks = 3
    """The same of tasks of other domains. With all for both, the figure of all pairs of tasks is whole."""
    max_items: Count | None = None
    """Items of each task that are measured, drawn with seed; null takes all used items."""
    bootstraps: Whole = 1000
    """Resampled item lists for the intervals of faithfulness and of areas."""
    seed: Whole = 0
    """Seed of random orders, of tasks that lend orders, of items drawn for max_items, and of bootstraps."""
    rivals: RivalSettings = RivalSettings()

    def resolved(
        self, selected: tuple[str, ...], selection: SelectionSettings, here: Resolver
    ) -> FaithfulnessSettings:
        """The section with its globs found among the ``selected`` tasks, and sizes in order."""
        tasks = here.matching(
            self.tasks, selected or None, ("faithfulness", "tasks"), passes_over=True
        )
        fractions = tuple(sorted(floats(self.fractions)))
        if len(fractions) < 2 and here.sound("faithfulness"):
            what = "a curve has at least two sizes"
            here.problem(("faithfulness", "fractions"), what, "e.g. [0, 1, 10, 100]")
        percent = selection.main if self.rivals.percent is None else self.rivals.percent
        rivals = self.rivals.but(percent=float(percent))
        return self.but(tasks=tasks, fractions=fractions, rivals=rivals)

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Of its own stages alone; bootstraps are no matter of the pass, nor rivals that no one seeks."""
        if stage not in FAITHFULNESS and not (stage == "trials" and study.tried_orders):
            return {}
        left_out = {"bootstraps"} if stage == FAITHFULNESS[0] else set()
        left_out |= set() if self.rivals.rounds else {"rivals"}
        return {"faithfulness": self.model_dump(mode="json", exclude=left_out)}
