"""Circuits of fewer items than a task has: how many does a circuit need (``attribution.stability``)?

They are made where a list's attribution is, of the same contributions: each resampled list is one more row of
weights, after those of halves and bootstraps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.circuits.replicates import Strongest
from brodmann.circuits.stability import counts_of, curve_weights
from brodmann.config.attribution import AttributionSettings
from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.methods import METHODS

if TYPE_CHECKING:
    import torch


def curve_name(label: str, component: str) -> str:
    """What the manifest calls a list's circuits of fewer items."""
    return f"{label}, {component}: numbers of items"


@dataclass(frozen=True)
class FewerItems:
    """``main``: size of the circuits, in per cent. ``groups``, below: the group of each item of a list."""

    settings: AttributionSettings
    main: float

    @classmethod
    def of(cls, study: Study) -> FewerItems:
        """As the study asks for them."""
        return cls(study.attribution, study.selection.main)

    @property
    def asked(self) -> bool:
        """Whether it does."""
        return bool(self.settings.stability.items)

    def key(self, basis: Mapping[str, Any], groups: Sequence[str]) -> str:
        """Hash of everything that they depend on. ``basis``: what decides the attribution."""
        return digest(
            {
                **basis,
                "stage": "stability",
                "stability": METHODS["stability"],
                "groups": groups,
                "seed": self.settings.seed,
                "main": self.main,
                **self.settings.curve(),
            }
        )

    def weights(self, groups: Sequence[str], seed: object) -> np.ndarray:
        """float32 [lists, items]: of the numbers of items that the list suffices for, from few to many."""
        curve = self.settings.curve()
        return curve_weights(groups, curve["items"], curve["draws"], seed)

    def split(
        self, groups: Sequence[str], replicates: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All replicates [replicates, units] as others, and those of fewer items, which are the last."""
        place = len(replicates) - len(self._counts(groups)) * self.settings.stability.draws
        return replicates[:place], replicates[place:]

    def tensors(self, groups: Sequence[str], replicates: torch.Tensor) -> dict[str, np.ndarray]:
        """The circuits of these lists [lists, units], by their number of items."""
        draws = self.settings.stability.draws
        tensors: dict[str, np.ndarray] = {}
        for number, count in enumerate(self._counts(groups)):
            own = replicates[number * draws : (number + 1) * draws]
            tensors |= Strongest.of(own, self.main).tensors(str(count))
        return tensors

    def _counts(self, groups: Sequence[str]) -> list[int]:
        return counts_of(groups, self.settings.stability.items)
