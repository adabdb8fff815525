"""``average:``, ``statistics:`` and ``figures:``: what is made of all models' tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from brodmann.config.attribution import AttributionSettings
from brodmann.config.resolve import Resolver
from brodmann.config.section import AS_WRITTEN, Count, Section, Several, SomeText, Truth, Whole

# The tasks that models are compared on: those of all models, or those of the two.
COMMON, PAIRWISE = "common", "pairwise"
# What the layer composition stacks.
COUNTS, PUBLISHED = "counts", "published"


class AverageKeys(Section):
    """Averages across models."""

    exclude: Several[SomeText] = ()
    """Globs of tasks left out of the averages and of what is computed from them; per-model statistics keep
    them."""


class StatisticsKeys(Section):
    """Tests of structure (docs/statistics.md)."""

    permutations: Count = 10000
    """Shuffles of each permutation test."""
    seed: Whole = 42
    """Seed of shuffles and resampled tasks; every test starts from it."""
    consistency: Literal["common", "pairwise"] = "common"
    """Which tasks the agreement of models is over. common (published) are those that all models include;
    pairwise are, for every two models, those that both include."""
    experts: Truth = False
    """Of mixtures of experts: where circuits of neurons lie among the experts, and whether those of a
    domain's tasks lie in the same ones (docs/statistics.md#experts)."""

    def resolved(
        self, average: AverageKeys, attribution: AttributionSettings, here: Resolver
    ) -> StatisticsSettings:
        """The section with the globs of ``average``."""
        if (
            self.experts
            and here.sound("attribution", "components")
            and "neurons" not in attribution.components
        ):
            what, fix = "needs attributions of neurons", "add to attribution.components"
            here.problem(("statistics", "experts"), what, fix)
        return StatisticsSettings(**dict(self), **dict(average))


class StatisticsSettings(StatisticsKeys):
    """``statistics:``, and the globs of ``average.exclude``."""

    exclude: tuple[str, ...]

    @property
    def shuffling(self) -> dict[str, int]:
        """What every test of permutations is told, and says in its rows."""
        return {"permutations": self.permutations, "seed": self.seed}


class FigureSettings(Section):
    """What figures show."""

    chord_minimum: Annotated[float, Strict(), Field(gt=0, le=1), *AS_WRITTEN] = 0.05
    """Chord diagrams show pairs of tasks with at least this overlap."""
    composition: Literal["counts", "published"] = "counts"
    """What bars of the layer composition stack: counts are units per layer; published are log10(units + 1) of
    each domain, whose sum is no number of units."""
