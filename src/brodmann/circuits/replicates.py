"""Attributions of other item lists, drawn from the same items: how sure is a circuit?

*Halves*: the items dealt into two random halves, several times. *Bootstraps*: items drawn with
replacement. Both deal whole groups, so that items which share content never stand on both sides. All are
weighted means of the items' contributions, summed up while these pass by: R x items weights, one matrix
product per batch, no second run of the model.

Of a replicate only the strongest units are kept, in order: enough for every mask.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from brodmann.circuits.masks import LAST_PLACE, Mask, Selection, strongest
from brodmann.config.selection import KEPT_PERCENT

if TYPE_CHECKING:
    import torch

# Scores that a device ranks at once, by integers of eight bytes.
_MOST_AT_ONCE = 1 << 24


def half_weights(groups: Sequence[str], splits: int, seed: object) -> np.ndarray:
    """float32 [2 * splits, items]: rows 2s and 2s + 1 are the means over the two halves of split s.

    Where there is one group only, its items are dealt out; of one item there are no halves (no rows).
    """
    members = _members(groups)
    rows = []
    if len(members) < 2:
        return np.zeros((0, len(groups)), dtype=np.float32)
    for split in range(splits):
        dice = random.Random(f"halves/{seed}/{split}")
        order = list(members.values())
        dice.shuffle(order)
        sides: tuple[list[int], list[int]] = ([], [])
        for own in order:  # to the smaller side: groups differ in size
            min(sides, key=len).extend(own)
        rows += [_mean_of(side, len(groups)) for side in sides]
    return np.array(rows, dtype=np.float32).reshape(2 * splits, len(groups))


def bootstrap_weights(
    groups: Sequence[str], count: int, seed: object, size: int | None = None
) -> np.ndarray:
    """float32 [count, items]: means over ``size`` groups, or as many as there are, drawn with replacement."""
    members = list(_members(groups).values())
    rows = []
    for number in range(count):
        dice = random.Random(f"bootstrap/{seed}/{number}")
        drawn = Counter(int(dice.random() * len(members)) for _ in range(size or len(members)))
        weights = np.zeros(len(groups))
        for place, times in drawn.items():
            weights[members[place]] = times
        rows.append(weights / weights.sum())
    return np.array(rows, dtype=np.float32).reshape(count, len(groups))


def _members(groups: Sequence[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        members[group].append(number)
    if len(members) > 1:
        return members
    return {str(number): [number] for number in range(len(groups))}


def _mean_of(chosen: Sequence[int], n_items: int) -> np.ndarray:
    weights = np.zeros(n_items)
    weights[list(chosen)] = 1 / max(1, len(chosen))
    return weights


class Accumulator:
    """Sums items' contributions, on a device: the mean over all items, and each replicate's."""

    def __init__(
        self, weights: np.ndarray, shape: tuple[int, int], device: torch.device | str = "cpu"
    ) -> None:
        """``weights`` [replicates, items]; ``shape`` (layers, units)."""
        import torch

        self.weights = weights
        self.shape = shape
        self.n_items = 0
        self._device = torch.device(device)
        self._weights = torch.as_tensor(weights, dtype=torch.float32, device=device)
        n_units = shape[0] * shape[1]
        self._total = torch.zeros(n_units, dtype=torch.float64, device=device)
        self._replicates = torch.zeros(len(weights), n_units, device=device)

    @staticmethod
    def size(replicates: int, shape: tuple[int, int]) -> int:
        """Bytes of the sums."""
        return (4 * replicates + 8) * shape[0] * shape[1]

    def add(self, numbers: Sequence[int], values: np.ndarray | torch.Tensor) -> None:
        """Add the contributions float32 [items, layers, units] of the items ``numbers``."""
        import torch

        flat = torch.as_tensor(values, dtype=torch.float32, device=self._device)
        flat = flat.reshape(len(numbers), self.shape[0] * self.shape[1])
        self._total += flat.sum(0, dtype=torch.float64)
        # In place: a product of its own would be as large as all replicates, at every call.
        self._replicates.addmm_(self._weights[:, list(numbers)], flat)
        self.n_items += len(numbers)

    @property
    def is_finite(self) -> bool:
        """Whether every sum is."""
        return bool(self._total.isfinite().all())

    @property
    def mean(self) -> np.ndarray:
        """Attribution [layers, units], float32."""
        mean: np.ndarray = (self._total / max(1, self.n_items)).float().cpu().numpy()
        return mean.reshape(self.shape)

    @property
    def replicates(self) -> torch.Tensor:
        """Attributions float32 [replicates, layers * units], where they were summed."""
        return self._replicates


@dataclass(frozen=True)
class Strongest:
    """The strongest units of each replicate, best first (of equal ones that with the lower index); -1 where a
    replicate has no more of the sign.

    ``units[sign]``: int32 [replicates, kept], flat indices; ``scores[sign]``: float32, the same shape.
    ``n_units``: how many there are in all, which sizes of masks are shares of.
    """

    units: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    n_units: int

    @classmethod
    def of(
        cls,
        attributions: np.ndarray | torch.Tensor,
        percent: float = KEPT_PERCENT,
        threads: int = 1,
    ) -> Strongest:
        """Of attributions [replicates, all places]: on the host as many at a time as there are ``threads``,
        elsewhere where they are, if there is room."""
        n_units = attributions.shape[1]
        kept = Selection("positive", percent).size(n_units)
        if not isinstance(attributions, np.ndarray):
            if attributions.device.type != "cpu" and (there := strongest_there(attributions, kept)):
                return cls(*there, n_units)
            attributions = attributions.cpu().numpy()
        units: dict[str, np.ndarray] = {}
        scores: dict[str, np.ndarray] = {}
        with ThreadPoolExecutor(threads) as pool:
            for sign in ("positive", "negative"):
                units[sign] = np.full((len(attributions), kept), -1, dtype=np.int32)
                scores[sign] = np.zeros((len(attributions), kept), dtype=np.float32)
                found = pool.map(partial(strongest, sign=sign, count=kept), attributions)
                for row, best in enumerate(found):
                    units[sign][row, : len(best)] = best
                    scores[sign][row, : len(best)] = attributions[row, best]
        return cls(units, scores, n_units)

    @classmethod
    def stored(cls, tensors: Mapping[str, np.ndarray], name: str, n_units: int) -> Strongest:
        """The inverse of ``tensors``."""
        units, scores = (
            {sign: tensors[f"{name}.{sign}.{part}"] for sign in ("positive", "negative")}
            for part in ("units", "scores")
        )
        return cls(units, scores, n_units)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """As they are stored: NAME.SIGN.units and NAME.SIGN.scores [replicates, kept]."""
        tensors = {}
        for sign in self.units:
            tensors[f"{name}.{sign}.units"] = self.units[sign]
            tensors[f"{name}.{sign}.scores"] = self.scores[sign]
        return tensors

    def __len__(self) -> int:
        return len(self.units["positive"])

    def mask(self, replicate: int, selection: Selection) -> Mask:
        """A replicate's mask. The width of layers is not known here: units are flat."""
        k = selection.size(self.n_units)
        signs = ("positive", "negative") if selection.sign == "absolute" else (selection.sign,)
        units = np.concatenate([self.units[sign][replicate, :k] for sign in signs])
        scores = np.concatenate([self.scores[sign][replicate, :k] for sign in signs])
        there = units >= 0
        units, scores = units[there].astype(np.int64), scores[there]
        if len(signs) > 1:  # those of one sign are in this order
            # By strength, then by place: as in a mask of all units.
            order = np.lexsort((units, -np.abs(scores)))[:k]
            units, scores = units[order], scores[order]
        return Mask(units, scores, self.n_units)


def strongest_of_rows(scores: torch.Tensor, sign: str, count: int) -> torch.Tensor:
    """``masks.strongest`` of each row of float32 [rows, units] by one sign: int64 [rows, count], -1 where a
    row has no more of the sign. Computed where the scores are."""
    import torch

    if bool(scores.isnan().any()):
        raise ValueError("scores hold NaN")
    strength = scores if sign == "positive" else -scores
    places = torch.arange(scores.shape[1], device=scores.device)
    # As there: strength and place in one integer, so that equal scores are cut by place.
    keys = strength.contiguous().view(torch.int32).long() << 32 | (LAST_PLACE - places)
    keys = torch.where(strength > 0, keys, -1)
    best = keys.topk(min(count, scores.shape[1]), dim=1).values
    return torch.where(best < 0, -1, LAST_PLACE - (best & LAST_PLACE))


def strongest_there(
    attributions: torch.Tensor, count: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
    """``units`` and ``scores`` of ``Strongest``, found on the device of the attributions; None if it has not
    enough memory."""
    from brodmann.runner.memory import out_of_memory

    units: dict[str, list[np.ndarray]] = {"positive": [], "negative": []}
    scores: dict[str, list[np.ndarray]] = {"positive": [], "negative": []}
    try:
        for some in attributions.split(max(1, _MOST_AT_ONCE // attributions.shape[1])):
            for sign in units:
                found = strongest_of_rows(some, sign, count)
                own = some.gather(1, found.clamp(min=0)).masked_fill(found < 0, 0)
                units[sign].append(found.int().cpu().numpy())
                scores[sign].append(own.cpu().numpy())
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None
    return _joined(units), _joined(scores)


def _joined(parts: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    return {sign: np.concatenate(own) for sign, own in parts.items()}
