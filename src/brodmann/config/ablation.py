"""``ablation:``: every circuit on every task."""

from __future__ import annotations

from typing import Any, Literal

from brodmann.config.resolve import Resolver
from brodmann.config.section import Count, DistinctSome, Percent, Section, Truth, Whole, floats
from brodmann.config.selection import SelectionSettings
from brodmann.config.stages import ABLATION

FREE, HELD = "free", "held"


class AblationSettings(Section):
    """Every circuit on every task."""

    kinds: DistinctSome[Literal["corrupted", "zero", "mean"]] = ("corrupted",)
    """What silenced units are set to - their activations on the corrupted prompt, zero, or their mean
    (docs/circuits.md)."""
    routing: Literal["free", "held"] = "free"
    """Of mixtures of experts: whether tokens are sent to experts anew under a lesion, or keep the experts,
    and their weights, that they have without (docs/models.md#mixtures-of-experts)."""
    percents: DistinctSome[Percent] | None = None
    """Sizes of the circuits that are ablated; null is selection.main."""
    max_items: Count | None = None
    """Items of each target task on which lesions are measured, drawn with ablation.seed; null takes all used
    items."""
    layer_matched_trials: Whole = 3
    """Random lesions for each source and target, with as many units in each layer as the source's circuit."""
    activation_matched_trials: Whole = 0
    """Random lesions for each source and target, with as many units in each layer that are about as active on
    the target's prompts; a second control."""
    random_trials: Whole = 3
    """Random lesions of any layers for each target and size of circuit."""
    seed: Whole = 0
    """Seed of the random lesions and of the items drawn for max_items."""
    forecast_only: Truth = False
    """Only forecast the effects from the attributions; no lesion is run."""

    def resolved(self, selection: SelectionSettings, here: Resolver) -> AblationSettings:
        """The section with its percents: those of the main circuit, if it has none of its own."""
        if self.percents is None:
            return self.but(percents=(selection.main,))
        if here.sound("selection"):
            selection.refuse_others(floats(self.percents), ("ablation", "percents"), here)
        return self.but(percents=floats(self.percents))

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Of ablations alone."""
        return {"measurement": self.measurement()} if stage in ABLATION else {}

    def measurement(self) -> dict[str, Any]:
        """What decides the measured numbers, beside the circuits."""
        unused = set() if self.activation_matched_trials else {"activation_matched_trials"}
        unused |= {"routing"} if self.routing == FREE else set()
        own = self.model_dump(mode="json", exclude={"forecast_only", *unused})
        return {**own, "percents": own["percents"] or []}
