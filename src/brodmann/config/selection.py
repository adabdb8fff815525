"""``selection:``: which units make a circuit, and what circuits are called in paths."""

from __future__ import annotations

from typing import Any, Literal

from brodmann.config.resolve import Resolver
from brodmann.config.section import DistinctSome, Percent, Section, floats
from brodmann.config.stages import ABLATION, ATTRIBUTION

# Replicates of attributions (halves, bootstraps) keep this much of the units, or what the largest mask needs.
KEPT_PERCENT = 5.0


def selection_name(sign: str, percent: float) -> str:
    """``positive-0.1pct``."""
    return f"{sign}-{float(percent)!r}pct"


def selection_words(selection: str, units: str) -> str:
    """``0.1 % of neurons, positive`` of ``positive-0.1pct``; of localizers' also ``top-1.0pct``,
    ``range-90-100-1.0pct`` and ``top-172units``."""
    which, _, size = selection.rpartition("-")
    share, is_share = size.removesuffix("pct"), size.endswith("pct")
    number = (
        f"{float(share):g} % of {units}" if is_share else f"{size.removesuffix('units')} {units}"
    )
    low, _, high = which.removeprefix("range-").partition("-")
    words = {
        "top": "the most selective",
        "least": "the least selective",
        "with-massive": "massive activations among them",
    }
    ranked = f"percentiles {low} to {high}"
    return f"{number}, {ranked if which.startswith('range-') else words.get(which, which)}"


class SelectionSettings(Section):
    """Which units make a circuit."""

    signs: DistinctSome[Literal["positive", "negative", "absolute"]] = ("positive",)
    """positive takes units that help the clean answer, negative those that hinder it, absolute both."""
    percents: DistinctSome[Percent] = (0.05, 0.1, 1.0, 5.0)
    """Sizes of the circuits, in per cent of all units."""
    main: Percent = 0.1
    """The size that figures show and that is ablated; one of percents."""

    def resolved(self, here: Resolver) -> SelectionSettings:
        """The section with numbers as they stand in names."""
        percents = floats(self.percents)
        if here.sound("selection", "main") and here.sound("selection", "percents"):
            self.refuse_others((self.main,), ("selection", "main"), here, repr(self.main))
        return self.but(percents=percents, main=float(self.main))

    def refuse_others(
        self, sizes: tuple[float, ...], path: tuple[str, ...], here: Resolver, shown: str = ""
    ) -> None:
        """Sizes must be among those of the circuits."""
        for size in sizes:
            if size not in self.percents:
                what = f"{shown or repr(size)} is not one of selection.percents"
                here.problem(path, what, f"they are {', '.join(map(repr, floats(self.percents)))}")

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Replicates keep what the largest circuit needs; ablations have lesions of each sign."""
        found: dict[str, Any] = {}
        if stage in ATTRIBUTION:
            found["kept"] = self.kept
        if (
            stage in ("attribution_pass", "agreement", "trials")
            and study.attribution.agreement.tasks
        ):
            found["main"] = self.main_name
        if stage in ABLATION:
            found["signs"] = list(self.signs)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The {sel} of paths, in the order of ``masks.selections``: signs times percents."""
        return tuple(
            selection_name(sign, percent) for sign in self.signs for percent in self.percents
        )

    @property
    def kept(self) -> float:
        """Per cent of the units that replicates must keep for masks of every size."""
        return max(KEPT_PERCENT, *self.percents)

    @property
    def main_name(self) -> str:
        """The selection that figures show: the main size of the first sign."""
        return selection_name(self.signs[0], self.main)
