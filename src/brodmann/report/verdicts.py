"""The verdicts of the report's first table: stated rules (docs/report.md), from numbers to words.

A verdict is never stronger than its control allows: what a control shows as much of is no evidence; what has
no control, or one of few draws, is suggestive at most; what cannot be tested is said to be not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, isnan

from brodmann.config.attribution import MODERATE, RELIABLE

# Of the rules: raised where one of them changes (preregistrations say which they rest on).
VERSION = 1
ALPHA = 0.05
HOLDS_ZERO = "its interval over resampled tasks includes 0"
UNTESTED, NONE, SUGGESTIVE, SHOWN = "not tested", "no evidence", "suggestive", "shown"
# From the weakest on.
LEVELS = (UNTESTED, NONE, SUGGESTIVE, SHOWN)


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
class Excess:
    """What the trained model has more of an effect than its untrained control."""

    q: float
    low: float  # of the 95 % interval, over resampled tasks
    # Share of the control's circuits that comes back; NaN if unknown, 1 where it does not matter.
    reliability: float = 1.0


def apart(p: float, excess: Excess | None, own: float = 1.0) -> Verdict:
    """Are domains apart? ``p``: of the model's own difference, one-sided; ``own``: the share of its circuits
    that comes back, NaN if unknown.

    Of an untrained control the excess over it decides alone: that one of two models passes a test and the
    other does not, is no difference of the two. Circuits that do not come back share little with any other:
    that such circuits are not apart is no evidence against anything.
    """
    if isnan(p):
        return Verdict(UNTESTED, "there are no pairs of tasks to compare")
    found = _apart(p, excess)
    if found.level == NONE and own < MODERATE:
        back = f"{100 * own:.1f} % of their units come back"
        return Verdict(UNTESTED, f"its circuits are unreliable ({back}); {found.why}")
    return found


def _apart(p: float, excess: Excess | None) -> Verdict:
    if not p < ALPHA:
        return Verdict(NONE, "shuffled domain labels do as well")
    if excess is None:
        return Verdict(SUGGESTIVE, "there is no untrained control")
    if not excess.q < ALPHA:
        return Verdict(NONE, "no more than in the untrained model")
    more = "more than in the untrained model"
    if isnan(excess.low):
        return Verdict(SUGGESTIVE, f"{more}, but of too few tasks for an interval")
    if not excess.low > 0:
        return Verdict(SUGGESTIVE, f"{more}, but {HOLDS_ZERO}")
    if not excess.reliability >= MODERATE:
        # Circuits that do not come back share little with any other.
        known = "may be" if isnan(excess.reliability) else "are"
        return Verdict(SUGGESTIVE, f"{more}, whose circuits {known} unreliable")
    return Verdict(SHOWN, more)


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
        found = Verdict(SUGGESTIVE, f"it remains, but {HOLDS_ZERO}")
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


def predicts(
    slope: Coefficient, resampled_low: float, mantel_p: float, *, converged: bool
) -> Verdict:
    """Does overlap predict what a circuit's loss breaks? ``resampled_low``: of the interval of the slope
    over resampled tasks; ``mantel_p``: of the rank correlation.

    No test sets the slope against that of an untrained model, so that none is shown.
    """
    if isnan(slope.value) or not converged:
        return Verdict(UNTESTED, "the regression could not be fitted")
    if isnan(resampled_low):
        return Verdict(UNTESTED, "there are too few tasks to resample")
    if not slope.low > 0 or not resampled_low > 0:
        return Verdict(NONE, "the interval of the slope includes 0")
    if mantel_p >= ALPHA:
        return Verdict(NONE, "shuffled tasks have as high a rank correlation")
    return Verdict(SUGGESTIVE, "more overlap goes with more accuracy lost; no untrained control")


@dataclass(frozen=True)
class Passages:
    """A test by signed ranks over ``n`` passages."""

    n: int
    p: float
    q: float

    @property
    def untested(self) -> Verdict | None:
        """The verdict where q is not below alpha, and could not be: p is that of two of 2^n sign patterns."""
        floor = 2.0 ** (1 - self.n)
        if floor >= ALPHA:
            return Verdict(UNTESTED, f"{self.n} passages can give no p below {floor:.2g}")
        if self.q < ALPHA or not self.p <= 1.01 * floor:
            return None
        few = f"{self.n} passages can give no q below {ALPHA:g} in this table"
        return Verdict(UNTESTED, few)


def needed(
    value: float, intact: float, draws: Sequence[float], test: Passages, *, massive: bool = False
) -> Verdict:
    """Does the model need these units more than random ones? Perplexities; ``test``: of the lesion against
    the mean of ``draws``; ``massive``: whether the units hold massive activations."""
    if not draws:
        return Verdict(UNTESTED, "no random units were drawn")
    if not value > intact or not value > max(draws):
        return Verdict(NONE, "random units cost as much")
    if massive:
        return Verdict(UNTESTED, "any lesion of massive activations may break the model")
    if not test.q < ALPHA:
        return test.untested or Verdict(NONE, f"q over {test.n} passages is not below {ALPHA:g}")
    number = len(draws)
    # One more draw would lie beyond all others, too, once in number + 1.
    if 1 / (number + 1) < ALPHA:
        return Verdict(SHOWN, f"more than each of {number} draws of random units")
    each = "the only draw" if number == 1 else f"each of {number} draws"
    why = f"more than {each} of random units, as 1 in {number + 1} would be by chance"
    return Verdict(SUGGESTIVE, why)


def some_needed(
    beyond: int, significant: int, tested: int, draws: int, *, looked: bool = True
) -> Verdict:
    """Does the model need single networks? ``beyond``: those that cost more than each of their ``draws``, of
    the ``tested``, without networks that hold massive activations; ``significant``: those of them at
    q < alpha over passages; ``looked``: whether massive activations were looked for.

    A network that is as random units are lies beyond each of its draws once in draws + 1. If networks do not
    depend on each other, their number is binomial. However they do, c times as many as chance gives on
    average are beyond at most once in c (Markov); of these, no more are significant.
    """
    if not tested:
        return Verdict(UNTESTED, "no network was set against random units")
    if not draws or _binomial(tested, tested, draws) >= ALPHA:
        return Verdict(
            UNTESTED, f"{tested} networks of {draws} draws each can give no p below alpha"
        )
    chance, p = tested / (draws + 1), _binomial(beyond, tested, draws)
    shown = f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"
    said = (
        f"{beyond} of {tested} networks cost more than random units, {chance:.3g} would by chance "
        f"({shown}); {significant} at q < {ALPHA:g}"
    )
    if p >= ALPHA:
        return Verdict(NONE, said)
    if not looked:
        return Verdict(SUGGESTIVE, f"{said}; massive activations were not looked for")
    return Verdict(SHOWN if significant and chance / significant < ALPHA else SUGGESTIVE, said)


def _binomial(beyond: int, tested: int, draws: int) -> float:
    """How often so many networks or more are beyond each of their draws by chance."""
    once = 1 / (draws + 1)
    parts = (
        comb(tested, n) * once**n * (1 - once) ** (tested - n) for n in range(beyond, tested + 1)
    )
    return sum(parts)


def alike(significant: int, tested: int) -> Verdict:
    """Are the maps more alike than chance? ``significant``: comparisons at q < alpha, of the ``tested``."""
    if not tested:
        return Verdict(UNTESTED, "no two maps could be compared")
    said = f"{significant} of {tested} comparisons exceed permuted units"
    if not significant:
        return Verdict(NONE, said)
    return Verdict(SUGGESTIVE, f"{said}; no untrained control")


def writing(
    significant: int, tested: int, *, control: bool, p: float, reliability: float
) -> Verdict:
    """Do circuits write on localized units? ``significant``: those of the ``tested`` circuits that write more
    than random neurons of their layers do, at q < alpha; ``control``: whether there is an untrained model;
    ``p``: that circuits write more than its circuits do, beside random neurons; ``reliability``: the share of
    its circuits that comes back, NaN if unknown."""
    if not tested:
        return Verdict(UNTESTED, "no circuit could be compared")
    if not significant:
        return Verdict(NONE, "random neurons of the same layers write as much")
    if not control:
        return Verdict(SUGGESTIVE, "there is no untrained control")
    if not p < ALPHA:
        return Verdict(NONE, "no more than in the untrained model")
    if not reliability >= MODERATE:
        known = "may be" if isnan(reliability) else "are"
        why = f"more than in the untrained model, whose circuits {known} unreliable"
        return Verdict(SUGGESTIVE, why)
    return Verdict(SHOWN, "more than in the untrained model")


def come_back(back: int, templates: int, reachable: int) -> Verdict:
    """Do networks come back in single texts? ``back`` of the ``templates`` do; ``reachable``: as many at most
    could, as networks of a text have hardly a unit in common."""
    if reachable < RELIABLE * templates or not templates:
        why = f"at most {reachable} of {templates} could come back"
        return Verdict(UNTESTED, why if reachable else "there were no networks of single texts")
    return reliable(back / templates, "networks", "texts")


def reliable(share: float, what: str = "units", other: str = "items") -> Verdict:
    """Are circuits, or networks, reliable? ``share``: of their units (or of them) that come back in
    ``other`` items (or texts)."""
    if isnan(share):
        return Verdict(UNTESTED, f"there were no other {other}")
    high, low = f"{100 * RELIABLE:g} %", f"{100 * MODERATE:g} %"
    if share >= RELIABLE:
        return Verdict("reliable", f"at least {high} of the {what} come back")
    if share >= MODERATE:
        return Verdict("moderately reliable", f"{low} to {high} of the {what} come back")
    return Verdict("unreliable", f"less than {low} of the {what} come back")
