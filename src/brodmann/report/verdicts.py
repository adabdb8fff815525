"""The verdicts of the report's first table: stated rules (docs/report.md), from numbers to words.

A verdict is never stronger than its control allows: what a control shows, too, is no evidence; what has no
control, or one of few draws, is suggestive at most; what cannot be tested is said to be not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

ALPHA = 0.05
UNTESTED, NONE, SUGGESTIVE, SHOWN = "not tested", "no evidence", "suggestive", "shown"
# From the weakest on.
LEVELS = (UNTESTED, NONE, SUGGESTIVE, SHOWN)
# From which share of common units on circuits of other items count as reliable, or moderately so.
RELIABLE, MODERATE = 0.7, 0.4


@dataclass(frozen=True)
class Verdict:
    """One of ``LEVELS``, or how reliable something is; and why."""

    level: str
    why: str

    def __str__(self) -> str:
        return f"{self.level}: {self.why}"

    def at_most(self, other: Verdict) -> Verdict:
        """This one, but no stronger than the ``other``, on which it rests."""
        if LEVELS.index(self.level) <= LEVELS.index(other.level):
            return self
        return Verdict(other.level, f"as {other.why}")


@dataclass(frozen=True)
class Untrained:
    """What an untrained control has of an effect, and the test of what the trained model has more of it."""

    p: float  # of the control's own effect
    excess_p: float
    excess_low: float  # of the 95 % interval of the excess


def apart(p: float, untrained: Untrained | None) -> Verdict:
    """Are domains apart? ``p``: of the model's own difference, one-sided."""
    if isnan(p):
        return Verdict(UNTESTED, "there are no pairs of tasks to compare")
    if not p < ALPHA:
        return Verdict(NONE, "shuffled domain labels do as well")
    if untrained is None:
        return Verdict(SUGGESTIVE, "there is no untrained control")
    more = untrained.excess_p < ALPHA
    if untrained.p < ALPHA:
        if more and untrained.excess_low > 0:
            return Verdict(SUGGESTIVE, "more than in the untrained model, which has it too")
        return Verdict(NONE, "the untrained model has it too")
    if not more:
        return Verdict(SUGGESTIVE, "not found in the untrained model, but no larger than there")
    if not untrained.excess_low > 0:
        return Verdict(
            SUGGESTIVE, "more than in the untrained model, but not for every draw of tasks"
        )
    return Verdict(SHOWN, "more than in the untrained model")


@dataclass(frozen=True)
class Coefficient:
    """Of a regression: the value, the low end of its 95 % interval, and its p (one-sided)."""

    value: float
    low: float
    p: float


def beside_surface(alone: Coefficient, beside: Coefficient, overlap: Verdict) -> Verdict:
    """Is the domain effect more than what prompts share on their surface? It rests on the overlap's."""
    if isnan(alone.value) or isnan(beside.value):
        return Verdict(UNTESTED, "too few pairs of tasks, or the predictors are collinear")
    if not alone.p < ALPHA:
        return Verdict(NONE, "there is no domain effect to begin with")
    if not beside.p < ALPHA or not beside.value > 0:
        return Verdict(NONE, "what prompts share explains it")
    if not beside.low > 0:
        found = Verdict(SUGGESTIVE, "it remains, but not for every draw of tasks")
    else:
        found = Verdict(SHOWN, "it remains beside what prompts share")
    return found.at_most(overlap)


def own_circuit(own: float, random: float, p: float, *, split: bool) -> Verdict:
    """Does a task need its own circuit more than random units? ``own``, ``random``: accuracy lost."""
    if not split:
        return Verdict(UNTESTED, "circuits were found on the items that they are tested on")
    if isnan(p):
        return Verdict(UNTESTED, "no random units were drawn")
    if not p < ALPHA or not own > random:
        return Verdict(NONE, "random units cost as much")
    return Verdict(SHOWN, "more than random units of the same layers")


def predicts(slope: Coefficient, mantel_p: float, *, converged: bool) -> Verdict:
    """Does overlap predict what a circuit's loss breaks? ``mantel_p``: of the rank correlation."""
    if isnan(slope.value) or not converged:
        return Verdict(UNTESTED, "the regression could not be fitted")
    if not slope.low > 0:
        return Verdict(NONE, "the interval of the slope holds 0")
    if not mantel_p < ALPHA:
        return Verdict(
            SUGGESTIVE, "the rank correlation was not tested, or shuffled tasks reach it"
        )
    return Verdict(SHOWN, "more overlap goes with more accuracy lost")


def needed(
    value: float,
    intact: float,
    draws: Sequence[float],
    q: float,
    passages: int,
    *,
    massive: bool = False,
) -> Verdict:
    """Does the model need these units more than random ones? Perplexities; ``q``: of the lesion against the
    mean of ``draws``, over ``passages``; ``massive``: whether the units hold massive activations."""
    if not draws:
        return Verdict(UNTESTED, "no random units were drawn")
    if not value > intact or not value > max(draws):
        return Verdict(NONE, "random units cost as much")
    if too_few(passages):
        return _few(passages)
    if isnan(q) or not q < ALPHA:
        return Verdict(NONE, f"q over {passages} passages is not below {ALPHA:g}")
    if massive:
        return Verdict(SUGGESTIVE, "the units hold massive activations, which random ones may lack")
    return beyond_draws(len(draws))


def too_few(passages: int) -> bool:
    """Whether signed ranks of so many passages can give no p below alpha."""
    return 2.0 ** (1 - passages) >= ALPHA


def _few(passages: int) -> Verdict:
    return Verdict(UNTESTED, f"{passages} passages can give no p below {2.0 ** (1 - passages):.2g}")


def beyond_draws(number: int) -> Verdict:
    """Of what lies beyond each of ``number`` random draws: one more draw would, too, once in number + 1."""
    if 1 / (number + 1) < ALPHA:
        return Verdict(SHOWN, f"more than each of {number} draws of random units")
    each = "the only draw" if number == 1 else f"each of {number} draws"
    return Verdict(
        SUGGESTIVE, f"more than {each} of random units, as 1 in {number + 1} would be by chance"
    )


def some_needed(costly: int, tested: int, draws: int, passages: int) -> Verdict:
    """Does the model need single networks? ``costly``: those beyond each of their draws, at q < alpha."""
    if not tested:
        return Verdict(UNTESTED, "no network was set against random units")
    if too_few(passages):
        return _few(passages)
    if not costly:
        return Verdict(NONE, f"none of {tested} networks costs more than random units")
    return beyond_draws(draws)


def coincide(significant: int, tested: int) -> Verdict:
    """Do the maps coincide? ``significant``: comparisons at q < alpha, of those that were ``tested``."""
    if not tested:
        return Verdict(UNTESTED, "no two maps could be compared")
    if not significant:
        return Verdict(NONE, "no comparison exceeds permuted units")
    return Verdict(SHOWN, f"{significant} of {tested} comparisons exceed permuted units")


def reliable(share: float) -> Verdict:
    """Are circuits reliable? ``share``: of their units that circuits of other items share."""
    if isnan(share):
        return Verdict(UNTESTED, "there were no other items")
    high, low = f"{100 * RELIABLE:g} %", f"{100 * MODERATE:g} %"
    if share >= RELIABLE:
        return Verdict("reliable", f"at least {high} of the units come back")
    if share >= MODERATE:
        return Verdict("moderately reliable", f"{low} to {high} of the units come back")
    return Verdict("unreliable", f"less than {low} of the units come back")
