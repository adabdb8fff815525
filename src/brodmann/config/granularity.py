"""``granularity:``: are circuits as specific when their units are larger?"""

from __future__ import annotations

from typing import Any, Literal

from brodmann.circuits.estimators import ESTIMATORS
from brodmann.config.attribution import AttributionSettings
from brodmann.config.resolve import Resolver
from brodmann.config.section import Distinct, DistinctSome, Percent, Section, floats
from brodmann.config.selection import SelectionSettings
from brodmann.sites import LEVELS


class Sizes(Section):
    """Sizes of the circuits at each level, in per cent of its units; a circuit has one unit at least."""

    neurons: DistinctSome[Percent] | None = None
    """null is selection.main."""
    heads: DistinctSome[Percent] = (5.0,)
    """Of all attention heads."""
    mixed: DistinctSome[Percent] = (5.0,)
    """Of all attention heads and MLP layers together."""
    mlp_layers: DistinctSome[Percent] = (10.0,)
    """Of all MLP layers."""
    attention_layers: DistinctSome[Percent] = (10.0,)
    """Of all attention layers."""


class GranularitySettings(Section):
    """The ablation of circuits again, with units of other sizes (docs/granularity.md). Its items, draws and
    seed, and what silenced units are set to, are those of `ablation` (the first of its kinds)."""

    levels: Distinct[Literal[tuple(LEVELS)]] = ()  # type: ignore[valid-type]
    """What the units are - single neurons, attention heads, heads and whole MLP layers together (mixed),
    whole MLP layers, whole attention layers; none by default. Levels are compared with the first."""
    percents: Sizes = Sizes()

    def resolved(
        self, attribution: AttributionSettings, selection: SelectionSettings, here: Resolver
    ) -> GranularitySettings:
        """The section with numbers as they stand in tables."""
        path = ("granularity", "levels")
        needed = {one for level in self.levels for one in LEVELS[level].components}
        lacking = needed.difference(attribution.components)
        if lacking and here.sound("attribution", "components"):
            what = f"needs attributions of {' and '.join(sorted(lacking))}"
            here.problem(path, what, "add to attribution.components, or leave levels out")
        sums = [level for level in self.levels if LEVELS[level].sums]
        if sums and ESTIMATORS[attribution.estimator].measures:
            what = f"{sums[0]}: effects that are measured unit by unit do not add up to a layer's"
            here.problem(path, what, "choose another attribution.estimator, or leave it out")
        own = {name: floats(sizes) for name, sizes in self.percents if sizes is not None}
        return self.but(percents=Sizes(**{"neurons": (float(selection.main),), **own}))

    def sizes(self) -> list[tuple[str, float]]:
        """(level, per cent) of all circuits, level by level."""
        return [(level, size) for level in self.levels for size in getattr(self.percents, level)]

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """The pass has more lesions."""
        if stage != "ablation_pass" or not self.levels:
            return {}
        return {"granularity": self.model_dump(mode="json")}
