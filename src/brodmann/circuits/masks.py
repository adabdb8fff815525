"""Circuits as masks: the units with the strongest attribution, over all layers together.

k = max(1, int(number of units * percent / 100)), of the units that exist (``models.population``). *positive*
takes only scores > 0, *negative* only scores < 0, most negative first, *absolute* the largest magnitudes that
are not 0. So a mask may hold fewer than k units, but never more. Equal scores are ordered by layer, then by
unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brodmann.config.selection import selection_name
from brodmann.errors import UserError
from brodmann.files import REBUILD, read_rows
from brodmann.store import masks
from brodmann.store.masks import ExpertOf, Origin

SIGNS = ("positive", "negative", "absolute")
_STRENGTH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "positive": np.asarray,
    "negative": np.negative,
    "absolute": np.abs,
}
LAST_PLACE = (1 << 31) - 1
HEADER = ("layer", "unit", "score")
# No model has as many: a larger number is damage.
MOST_LAYERS = 100_000


@dataclass(frozen=True)
class Selection:
    """Which units of an attribution make the circuit."""

    sign: str
    percent: float

    @property
    def name(self) -> str:
        """``positive-0.1pct``: the {sel} of paths."""
        return selection_name(self.sign, self.percent)

    def size(self, n_units: int) -> int:
        """k: how many units a mask may hold."""
        return max(1, int(n_units * self.percent / 100))


@dataclass(frozen=True)
class Mask:
    """Units as flat indices (layer * units per layer + unit), best first, with their scores."""

    units: np.ndarray  # int64 [n]
    scores: np.ndarray  # float32 [n]
    width: int  # units per layer

    def __len__(self) -> int:
        return len(self.units)

    @property
    def layers(self) -> np.ndarray:
        """The layer of each unit [n]."""
        return self.units // self.width


def strongest(scores: np.ndarray, sign: str, count: int) -> np.ndarray:
    """Flat indices [at most count] of the units of the sign, best first; ``scores`` [layers * units]."""
    strength = _STRENGTH[sign](scores)
    if np.isnan(strength).any():
        raise ValueError("scores hold NaN")
    places = np.flatnonzero(strength > 0)
    strength = strength[places]
    if strength.dtype != np.float32:
        chosen: np.ndarray = places[np.lexsort((places, -strength))][:count]
        return chosen
    # Strength and place in one integer, the larger the better: positive floats and their bits are in the same
    # order. No two are equal, so ties are cut by place, and many of them do not slow the partition down.
    keys = strength.view(np.int32).astype(np.int64) << 32 | (LAST_PLACE - places)
    if count < len(keys):
        keys = np.partition(keys, len(keys) - count)[len(keys) - count :]
    keys.sort()
    chosen = LAST_PLACE - (keys[::-1] & LAST_PLACE)
    return chosen


def strength_of(scores: np.ndarray, sign: str) -> np.ndarray:
    """How strong each unit is by the sign, in the shape of ``scores``; 0 for those that it does not take."""
    strength: np.ndarray = np.maximum(_STRENGTH[sign](scores), 0)
    return strength


def select_units(
    attribution: np.ndarray,
    selection: Selection,
    where: str = "attribution",
    n_units: int | None = None,
) -> Mask:
    """The mask of an attribution [layers, units]; ``where`` names it if it holds NaN.

    ``n_units``: how many of its places have a unit; all, if it is left out. The others are 0.
    """
    flat = np.ascontiguousarray(attribution).reshape(-1)
    try:
        units = strongest(flat, selection.sign, selection.size(n_units or flat.size))
    except ValueError:
        raise UserError.at(
            where, "the attribution holds NaN", "delete the file: it is computed anew"
        ) from None
    return Mask(units, flat[units], attribution.shape[1] if attribution.size else 1)


def write_mask(
    path: str | Path,
    mask: Mask,
    origin: Origin,
    selection: Selection,
    expert_of: ExpertOf | None = None,
) -> None:
    """A mask as CSV, best first."""
    # Nine digits give a float32 back to the bit.
    rows = (
        (*divmod(unit, mask.width), f"{score:.9g}")
        for unit, score in zip(mask.units.tolist(), mask.scores.tolist(), strict=True)
    )
    masks.write(path, HEADER[2], rows, origin, selection.name, expert_of)


def read_mask(path: str | Path, width: int, origin: Origin) -> Mask:
    """The mask in a CSV file, which must be of ``origin``; ``width``: units per layer."""
    header, *rows = read_rows(path)
    if tuple(header[:3]) != HEADER:
        what = f"not a mask: its header must begin with {','.join(HEADER)}"
        raise UserError.at(str(path), what, REBUILD)
    found = masks.origin_of(path, header, rows)
    if found is not None and not (found.is_of(origin) and found.site == origin.site):
        what = f"is a mask of {found.label}, {found.site}, not of {origin.label}, {origin.site}"
        raise UserError.at(str(path), what, REBUILD)
    try:
        units = [_flat(int(row[0]), int(row[1]), width) for row in rows]
        scores = [float(row[2]) for row in rows]
    except ValueError:
        what = "not a mask: a line is not layer,unit,score"
        raise UserError.at(str(path), what, REBUILD) from None
    if len(set(units)) < len(units) or not np.isfinite(scores).all():
        raise UserError.at(str(path), "not a mask: a unit stands twice or has no score", REBUILD)
    return Mask(np.array(units, dtype=np.int64), np.array(scores, dtype=np.float32), width)


def _flat(layer: int, unit: int, width: int) -> int:
    if layer < 0 or not 0 <= unit < width or layer > MOST_LAYERS:
        raise ValueError
    return layer * width + unit


def selections(signs: Iterable[str], percents: Iterable[float]) -> list[Selection]:
    """Every combination, signs outermost."""
    percents = list(percents)
    return [Selection(sign, float(percent)) for sign in signs for percent in percents]
