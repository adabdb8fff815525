"""How faithful circuits of growing size are to the whole model, and areas that say it in one number. Light.

    faithfulness = (metric - corrupted) / (intact - corrupted)

where *metric* is that of the model in which everything outside the circuit is silenced, *intact* that of the
whole model on the clean prompt and *corrupted* that on the corrupted one: 1 where the circuit does what the
model does. Areas are those of the benchmark MIB (Mueller et al. 2025), by trapezoids over the sizes as shares
of all units: CPR, under the curve; CMD, between the curve and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.circuits.inclusion import MIN_CONTRAST
from brodmann.significance.intervals import of_ratio

# A circuit that reaches this faithfulness is called enough.
ENOUGH = 0.9


def cpr(shares: np.ndarray, faithfulness: np.ndarray) -> np.ndarray:
    """Area under a curve [..., sizes] over the sizes' ``shares`` [sizes] of all units, 0 to 1."""
    return np.asarray(np.trapezoid(faithfulness, shares, axis=-1))


def cmd(shares: np.ndarray, faithfulness: np.ndarray) -> np.ndarray:
    """Area between a curve [..., sizes] and 1, whichever of the two is above: 0 is best."""
    return np.asarray(np.trapezoid(np.abs(1 - faithfulness), shares, axis=-1))


@dataclass(frozen=True)
class Answers:
    """What the intact model makes of a task's items, float64 [items], on the clean and corrupted prompts.

    ``weights`` float [resamples, items]: each a mean over a resampled list; none where all items share their
    content. ``unnormalised``: of a control model without a contrast; its metrics are given undivided.
    """

    clean: np.ndarray
    corrupted: np.ndarray
    weights: np.ndarray
    unnormalised: bool

    def normalised(self, metric: np.ndarray) -> float:
        """The faithfulness of a circuit whose metric is ``metric`` [items]."""
        if self.unnormalised:
            return float(metric.mean())
        floor = float(self.corrupted.mean())
        return (float(metric.mean()) - floor) / (float(self.clean.mean()) - floor)

    def resampled(self, metric: np.ndarray) -> np.ndarray:
        """The same over resampled items [resamples]: of metric and contrast alike, so that what items have in
        common cancels. NaN where a list has no contrast, and of a single item, which cannot vary."""
        if len(metric) < 2:
            return np.full(len(self.weights), np.nan)
        found = self.weights @ metric
        if self.unnormalised:
            return np.asarray(found)
        floor = self.weights @ self.corrupted
        contrast = self.weights @ self.clean - floor
        contrast = np.where(contrast > MIN_CONTRAST, contrast, np.nan)
        return np.asarray((found - floor) / contrast)


@dataclass(frozen=True)
class Curve:
    """Circuits that begin one order, from small to large.

    ``percents`` and ``counts`` [sizes]: of all units; ``faithfulness`` [sizes]; ``resampled`` [resamples,
    sizes].
    """

    percents: np.ndarray
    counts: np.ndarray
    faithfulness: np.ndarray
    resampled: np.ndarray

    @classmethod
    def of(
        cls,
        percents: Sequence[float],
        counts: Sequence[int],
        metrics: Sequence[np.ndarray],
        answers: Answers,
    ) -> Curve:
        """``metrics``: of each size, [items]."""
        return cls(
            np.array(percents, dtype=float),
            np.array(counts),
            np.array([answers.normalised(own) for own in metrics]),
            np.stack([answers.resampled(own) for own in metrics], axis=-1),
        )

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """Of each size."""
        return [of_ratio(own) for own in self.resampled.T]

    def areas(self) -> dict[str, float]:
        """CPR and CMD with their intervals over resampled items."""
        shares, found = self.percents / 100, dict[str, float]()
        for name, area in (("cpr", cpr), ("cmd", cmd)):
            low, high = of_ratio(area(shares, self.resampled))
            value = float(area(shares, self.faithfulness))
            found |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return found

    @property
    def enough(self) -> int | None:
        """The place of the smallest size that is ``ENOUGH``; None if none is."""
        reached = np.flatnonzero(self.faithfulness >= ENOUGH)
        return int(reached[0]) if len(reached) else None
