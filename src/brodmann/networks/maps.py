"""Networks: maps over a model's units, with what is needed to follow them through other texts.

Sign: a map's peak is positive. Order: by explained variance, largest first. Units that were not decomposed
(other layers, another window of layers) are zero in a map and belong to no network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.config.networks import BOTH, POSITIVE
from brodmann.errors import UserError
from brodmann.files import REBUILD, atomic_path
from brodmann.store.tensors import facts_of

THRESHOLD = 3.6
# From this stability on a component is identified: the starts that were tried come to it. Few can agree
# by chance: an optimum that three of four starts end in is that of all of three starts in 4 of 10 cases.
IDENTIFIED = 0.9
_TENSORS = ("maps", "explained", "stability", "filters", "mean", "sd")


@dataclass(frozen=True)
class Networks:
    """Components of one matrix of signals; all arrays float64.

    ``filters``: a component's course over tokens is the product of the standardised signals with its
    filter (FastICA: its source; CanICA and dictionary: least-squares coefficients on all maps that were
    found together). ``mean`` and ``sd`` are those of the signals that were decomposed.
    """

    maps: np.ndarray  # [components, layers, units], z-scored over the units that were decomposed
    explained: np.ndarray  # [components], share of the signals' variance
    stability: np.ndarray  # [components], 0 to 1; NaN where there was but one start
    filters: np.ndarray | None = None  # [components, layers, units]
    mean: np.ndarray | None = None  # [layers, units]
    sd: np.ndarray | None = None  # [layers, units]
    threshold: float = THRESHOLD
    side: str = BOTH
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, units)."""
        return self.maps.shape[1], self.maps.shape[2]

    @property
    def members(self) -> np.ndarray:
        """Which units belong to each network: bool [components, layers, units]."""
        height = self.maps if self.side == POSITIVE else np.abs(self.maps)
        return height > self.threshold

    @property
    def n_units(self) -> np.ndarray:
        """Size of each network [components]."""
        sizes: np.ndarray = self.members.sum((1, 2))
        return sizes

    def courses(self, signals: np.ndarray, *, standardise: str = "own") -> np.ndarray:
        """Time courses [tokens, components] over raw signals [tokens, layers, units] of a text.

        ``standardise``: own - with each unit's mean and SD over these tokens; group - with those of the
        signals that the networks were found in; none - the signals are taken as they are. Networks that were
        found in centred signals (``zscore: false``) are followed in centred ones.
        """
        if self.filters is None:
            raise UserError.at("networks", "kept without filters, so no time course can be had")
        values = np.asarray(signals, dtype=np.float64)
        if standardise == "own":
            values = (values - values.mean(0)) / self._divisor(values.std(0))
        elif standardise == "group":
            mean, sd = self.moments
            values = (values - mean) / self._divisor(sd)
        courses: np.ndarray = (
            values.reshape(len(values), -1) @ self.filters.reshape(len(self), -1).T
        )
        return courses

    @property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, sd) [layers, units] of the signals that were decomposed; an error if they were not kept."""
        if self.mean is None or self.sd is None:
            what = "kept without the mean and SD of the signals that they were found in"
            raise UserError.at("networks", what)
        return self.mean, self.sd

    def _divisor(self, sd: np.ndarray) -> np.ndarray:
        scaled = self.facts.get("zscore", True)
        return np.where(sd > 0, sd, 1.0) if scaled else np.ones_like(sd)

    def save(self, path: str | Path) -> None:
        """Write as safetensors."""
        with atomic_path(path) as temporary:
            temporary.write_bytes(self.pack())

    def pack(self) -> bytes:
        """The file's content."""
        from safetensors.numpy import save

        tensors = {name: getattr(self, name) for name in _TENSORS}
        tensors = {
            name: np.ascontiguousarray(value, dtype=np.float64)
            for name, value in tensors.items()
            if value is not None
        }
        metadata = {"threshold": self.threshold, "side": self.side, "facts": self.facts}
        # One entry: safetensors writes several in any order, and the same networks are to be the same bytes.
        return save(tensors, metadata={"networks": json.dumps(metadata)})

    @classmethod
    def load(cls, path: str | Path) -> Networks:
        """The inverse of ``save``."""
        try:
            return cls.unpack(Path(path).read_bytes())
        except OSError as error:
            raise UserError.at(str(path), f"cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise UserError.at(str(path), "holds no networks", REBUILD) from None

    @classmethod
    def unpack(cls, content: bytes) -> Networks:
        """The inverse of ``pack``."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors: dict[str, Any] = load(content)
        except SafetensorError as error:
            raise ValueError(str(error)) from None
        return cls(**tensors, **facts_of(content, "networks"))


def is_identified(stability: np.ndarray | float) -> np.ndarray:
    """Which components are identified: bool [components]; none where there was but one start (NaN)."""
    return np.asarray(stability, dtype=float) >= IDENTIFIED
