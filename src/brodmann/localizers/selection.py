"""Which units make a network: the most selective ones, the least, those of a range of percentiles, or none
of these (random controls).

k = int(percentage / 100 * units), at least 1; or the number of units that is asked for. Equal t is ordered
by layer, then by unit. Units that are constant over all texts are never selected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brodmann.config.localizer import MOST_SELECTIVE, Size, parse_range
from brodmann.errors import UserError
from brodmann.localizers.selectivity import Selectivity
from brodmann.runner.matched import activation_matched, levels_of
from brodmann.store import masks
from brodmann.store.masks import ExpertOf, Origin


@dataclass(frozen=True)
class Units:
    """Units as flat indices (layer * width + unit), in order of selection, and their t."""

    units: np.ndarray  # int64 [n]
    t: np.ndarray  # float64 [n]
    width: int

    def __len__(self) -> int:
        return len(self.units)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(layer, unit) of each."""
        return [divmod(unit, self.width) for unit in self.units.tolist()]


def select(
    found: Selectivity,
    size: Size,
    *,
    range: str = MOST_SELECTIVE,
    seed: int = 42,
    without: Sequence[int] = (),
    n_units: int | None = None,
) -> Units:
    """The units of a range of percentiles of t; ``seed`` draws them where there is a choice.

    Bounds are inclusive percentiles over the units that are not constant. ``without``: flat units that are
    not ranked; a size is a share of all units nevertheless, of ``n_units`` where some places have none.
    """
    low, high = parse_range(range)
    t, eligible = _flat(found, without)
    count = size.count(n_units or t.size)
    if low == high:
        if count > len(eligible):
            raise _too_few(count, len(eligible), "respond to anything")
        values = t[eligible]
        order = np.argsort(-values if high else values, kind="stable")[:count]
        return _units(found, eligible[order])
    bounds = np.percentile(t[eligible], [low, high]) if len(eligible) else (0.0, 0.0)
    inside = eligible[(t[eligible] >= bounds[0]) & (t[eligible] <= bounds[1])]
    if count > len(inside):
        raise _too_few(count, len(inside), f"lie in the range {range}")
    drawn = np.random.default_rng(seed).choice(inside, size=count, replace=False)
    return _best_first(found, drawn)


def random_units(
    found: Selectivity, selected: Units, seed: int, without: Sequence[int] = ()
) -> Units:
    """As many units, drawn from all others (constant ones and those that are left out apart)."""
    _, eligible = _flat(found, without)
    rest = np.setdiff1d(eligible, selected.units)
    if len(selected) > len(rest):
        raise _too_few(len(selected), len(rest), "are left for a random control")
    drawn = np.random.default_rng(seed).choice(rest, size=len(selected), replace=False)
    return _best_first(found, drawn)


def matched_units(
    found: Selectivity,
    selected: Units,
    activations: np.ndarray,
    seed: int,
    without: Sequence[int] = (),
) -> Units:
    """As many units of the same layers, about as active; fewer where a layer has too few others.

    ``activations`` [layers, units]: mean absolute ones.
    """
    constant = np.flatnonzero(found.constant.reshape(-1)).tolist()
    drawn, _ = activation_matched(
        selected.units.tolist(), levels_of(activations), seed, without={*constant, *without}
    )
    return _best_first(found, np.array(drawn, dtype=np.int64))


def units_of(found: Selectivity, units: Sequence[int]) -> Units:
    """Given flat units, the most selective first."""
    return _best_first(found, np.array(units, dtype=np.int64))


def _flat(found: Selectivity, without: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """t of all units, and which of them respond at all and are not left out."""
    if np.isnan(found.t).any():
        raise UserError.at("selectivity", "t holds NaN", "delete the file: it is computed anew")
    eligible = np.flatnonzero(~found.constant.reshape(-1))
    left_out = np.array(without, dtype=np.int64)
    return found.t.reshape(-1), eligible[~np.isin(eligible, left_out)]


def _units(found: Selectivity, units: np.ndarray) -> Units:
    return Units(units.astype(np.int64), found.t.reshape(-1)[units], found.t.shape[1])


def _best_first(found: Selectivity, drawn: np.ndarray) -> Units:
    drawn = np.sort(drawn)
    return _units(found, drawn[np.argsort(-found.t.reshape(-1)[drawn], kind="stable")])


def _too_few(count: int, there: int, what: str) -> UserError:
    return UserError.at(
        "localizer",
        f"{count} units are to be selected, but only {there} {what}",
        "lower localizer.percentages or num_units, or widen localizer.range",
    )


def write_units(
    path: str | Path,
    chosen: Units,
    origin: Origin,
    selection: str,
    expert_of: ExpertOf | None = None,
) -> None:
    """A selection as a mask file, in order of selection."""
    rows = ((*pair, f"{t:.17g}") for pair, t in zip(chosen.pairs, chosen.t.tolist(), strict=True))
    masks.write(path, "t", rows, origin, selection, expert_of)
