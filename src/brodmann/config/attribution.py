"""``attribution:``: how circuits are found, and how often again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from brodmann.circuits.estimators import ESTIMATORS, LAST, NAMES, POSITIONS, estimator
from brodmann.config.resolve import Resolver
from brodmann.config.section import (
    Count,
    Distinct,
    Section,
    Several,
    SomeText,
    Truth,
    Whole,
)
from brodmann.config.stages import ABLATION, ATTRIBUTION, FAITHFULNESS
from brodmann.sites import COMPONENTS, OF_MIXTURES

# Each estimator says itself what it is.
_SUMMARIES = "; ".join(f"{name}: {one.summary}" for name, one in ESTIMATORS.items())
_AT = " at "
_TRIALS = tuple(
    f"{name}{_AT}{at}" for name, one in ESTIMATORS.items() if not one.measures for at in POSITIONS
)
_KNOWN = f"How units are scored. {_SUMMARIES}."

# A circuit is called stable where two circuits of resampled items share this much of the units of either.
STABLE = 0.8
# From which share of common units on circuits of other items count as reliable, or moderately so.
RELIABLE, MODERATE = 0.7, 0.4


class Agreement(Section):
    """Compare the estimators with true activation patching of single units."""

    tasks: Several[SomeText] = ()
    """Globs over domain/task; none by default, as it takes a forward pass per unit and item."""
    units: Count = 64
    """Random units that are patched beside those of the main mask."""
    items: Count = 16
    """Items per task."""
    estimators: Distinct[Literal[_TRIALS]] = ()  # type: ignore[valid-type]
    """Estimators, each at some positions, of which a table says how they compare
    (docs/circuits.md#which-estimator); none by default."""

    @property
    def plain_tasks(self) -> tuple[str, ...]:
        """Tasks on which the usual estimators are compared, unit by unit."""
        return () if self.estimators else self.tasks

    @property
    def tried_tasks(self) -> tuple[str, ...]:
        """Tasks on which ``estimators`` are."""
        return self.tasks if self.estimators else ()

    @property
    def grid(self) -> tuple[tuple[str, str], ...]:
        """(estimator, positions) of every row that the table has for a task."""
        pairs = (one.partition(_AT) for one in self.estimators)
        return tuple((name, positions) for name, _, positions in pairs)

    @property
    def positions(self) -> tuple[str, ...]:
        """Those of any estimator, in their usual order."""
        return tuple(at for at in POSITIONS if any(at == own for _, own in self.grid))


class Stability(Section):
    """How alike circuits of fewer items are, as a curve over their number (docs/circuits.md)."""

    items: Distinct[Count] = ()
    """Numbers of independent items; none by default. A task leaves out those that it has fewer of."""
    draws: Count = 20
    """Resampled lists of each number of items."""


class AttributionSettings(Section):
    """Circuits by attribution patching."""

    components: Distinct[Literal[tuple(COMPONENTS)]] = ("neurons",)  # type: ignore[valid-type]
    """neurons (MLP hidden units; in a mixture of experts, those of all experts), attention heads, and, of
    mixtures, whole experts (what each adds) and their routers' logits; [] for no circuits: baselines,
    localizers and networks, also of models that have no such units (docs/models.md)."""
    estimator: Annotated[Literal[NAMES], Field(description=_KNOWN)] = "patching"  # type: ignore[valid-type]
    gradient: Literal["both_answers", "correct_answer"] = "both_answers"
    """both_answers, or correct_answer (published)."""
    positions: Literal[POSITIONS] = LAST  # type: ignore[valid-type]
    """Tokens of the prompt at which units are scored; a score is the sum over them. last (published): the
    last one; differing: those that are others in the corrupted prompt; all: all of them (ablation edits
    all)."""
    router_gradient: Truth = False
    """Of mixtures of experts: whether gradients at experts' neurons go through the weights that routers give
    to experts, too; those at heads always do."""
    ig_steps: Count = 10
    """Steps of integrated gradients."""
    exact_units: Count = 500
    """With estimator exact, how many units are patched one by one - the strongest at first order; the others
    get 0."""
    splits: Whole = 10
    """Random halves of a task's items from which the reliability of its circuit is measured."""
    bootstraps: Whole = 100
    """Resampled item lists for the intervals of overlaps."""
    second_seed: Truth = True
    """Also find every circuit on items of the next seed, for its reliability; about doubles the work. Not for
    published tasks."""
    seed: Whole = 0
    """Seed of halves, bootstraps and samples of units."""
    agreement: Agreement = Agreement()
    stability: Stability = Stability()

    def resolved(self, selected: tuple[str, ...], here: Resolver) -> AttributionSettings:
        """The section with its globs resolved among the ``selected`` tasks."""
        path = ("attribution", "agreement", "tasks")
        tasks = here.matching(self.agreement.tasks, selected or None, path)
        if set(OF_MIXTURES).intersection(self.components):
            what = "whole experts and routers are scored by patching alone"
            if self.estimator != "patching":
                here.problem(("attribution", "estimator"), what, "set patching, or leave them out")
            if self.agreement.tasks:
                here.problem(path, what, "compare estimators in a study without them")
        if self.stability.items and not estimator(self).has_replicates:
            what = f"{self.estimator} has no circuits of resampled items"
            here.problem(("attribution", "stability", "items"), what, "choose another estimator")
        return self.but(agreement=self.agreement.but(tasks=tasks))

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Of attributions and what compares them; ablations need to know which components there are."""
        found: dict[str, Any] = {}
        finds_again = stage in FAITHFULNESS and study.faithfulness.rivals.rounds
        if stage in ATTRIBUTION or finds_again:
            found["estimation"] = self.estimation()
        if stage in ATTRIBUTION:
            found["replication"] = self.replication()
            found["second_seed"] = self.second_seed
        if stage in (*ATTRIBUTION, *ABLATION, *FAITHFULNESS) and stage != "attribution":
            found["components"] = list(self.components)
        compares = stage in ("attribution_pass", "agreement", "trials") and self.agreement.tasks
        if compares or (stage == FAITHFULNESS[0] and study.tried_orders):
            found["agreement"] = self.comparison()
        if stage == "attribution_pass" and self.stability.items:
            found["stability"] = {**self.curve(), "main": study.selection.main}
        return found

    def estimation(self) -> dict[str, Any]:
        """What decides the attributions themselves."""
        own = estimator(self).key()
        own |= {"positions": self.positions} if self.positions != LAST else {}
        own |= {"router_gradient": True} if self.router_gradient else {}
        return {"estimator": self.estimator, "gradient": self.gradient, **own}

    @property
    def more_sites(self) -> dict[str, str]:
        """Sites that estimators need beside those of the components -> the key that asks for them."""
        asked = {name: "attribution.agreement.estimators" for name, _ in self.agreement.grid}
        if self.components:
            asked[self.estimator] = "attribution.estimator"
        return {site: key for name, key in asked.items() for site in ESTIMATORS[name].sites}

    @property
    def scores_answers(self) -> bool:
        """Whether a baseline can be read on the way."""
        return estimator(self).scores_answers and self.positions == LAST

    def comparison(self) -> dict[str, Any]:
        """What decides the comparison of estimators with true patching."""
        own = self.agreement.model_dump(mode="json")
        if not own["estimators"]:
            del own["estimators"]
        return {**own, "steps": self.ig_steps}

    def curve(self) -> dict[str, Any]:
        """What decides the circuits of fewer items."""
        return {"items": sorted(self.stability.items), "draws": self.stability.draws}

    @property
    def resampled(self) -> int:
        """Circuits of resampled items that every task has."""
        return self.bootstraps if estimator(self).has_replicates else 0

    @property
    def n_replicates(self) -> int:
        """Circuits of other lists of a task's items, at most."""
        curve = len(self.stability.items) * self.stability.draws
        return 2 * self.splits + self.bootstraps + curve

    def replication(self) -> dict[str, Any]:
        """What decides the replicates that go with them."""
        return self.part("splits", "bootstraps", "seed")
