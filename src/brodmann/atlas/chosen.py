"""A set of a model's units, as the atlas from Python chooses and joins them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brodmann.errors import UserError


@dataclass(frozen=True)
class Units:
    """Best first. ``flat``: layer * width + unit; ``scores``: what they were chosen by, or NaN."""

    model: str
    weights: str
    site: str
    width: int
    selection: str
    flat: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.flat)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(layer, unit) of each."""
        return [divmod(one, self.width) for one in self.flat.tolist()]

    def __and__(self, other: Units) -> Units:
        """Those that both have, in this one's order."""
        return self._kept(
            np.isin(self.flat, self._same(other).flat), f"{self.selection} and {other.selection}"
        )

    def __sub__(self, other: Units) -> Units:
        """Those that the other has not."""
        kept = ~np.isin(self.flat, self._same(other).flat)
        return self._kept(kept, f"{self.selection} without {other.selection}")

    def __or__(self, other: Units) -> Units:
        """Those of either: this one's, then the other's."""
        rest = self._same(other) - self
        name = f"{self.selection} or {other.selection}"
        joined = [
            np.concatenate(pair) for pair in ((self.flat, rest.flat), (self.scores, rest.scores))
        ]
        return replace(self, selection=name, flat=joined[0], scores=joined[1])

    def _same(self, other: Units) -> Units:
        if (self.model, self.site) != (other.model, other.site):
            raise UserError.at(
                "brodmann.atlas", "the two sets hold units of different models or sites"
            )
        return other

    def _kept(self, which: np.ndarray, name: str) -> Units:
        return replace(self, selection=name, flat=self.flat[which], scores=self.scores[which])
