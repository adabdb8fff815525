"""Which units are edited: networks, sets of them, and what they are compared with.

Units are flat indices (layer * width + unit) of the networks' site, sorted. Of a dataset: each network;
``all``, the units of any of its networks; ``top``, the units with the highest |z| over its networks. Of every
two datasets: union, intersection and symmetric difference of what belongs to any network of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from brodmann.models.population import Population
from brodmann.networks.maps import Networks
from brodmann.runner.experiment import ACTIVATION_MATCHED
from brodmann.runner.matched import activation_matched

ALL, TOP, LOCALIZER, RANDOM = "all", "top", "localizer", "random"
UNION, INTERSECTION, DIFFERENCE = "union", "intersection", "difference"


@dataclass(frozen=True)
class Condition:
    """Units to be edited. ``control_of``: of random units, the condition that has as many."""

    dataset: str
    name: str
    units: np.ndarray
    seed: int | None = None
    control_of: str = ""

    def __len__(self) -> int:
        return len(self.units)

    @property
    def is_network(self) -> bool:
        """Whether it is a single network."""
        return self.name.startswith("network-")


def network_name(number: int) -> str:
    """What a dataset's network is called in tables, by its place from 0."""
    return f"network-{number}"


def network_conditions(networks: Mapping[str, Networks], *, single: bool = True) -> list[Condition]:
    """Networks and sets of them. ``single``: whether each network is one by itself."""
    found, whole = [], {}
    for dataset, own in networks.items():
        members = own.members.reshape(len(own), -1)
        whole[dataset] = np.flatnonzero(members.any(0))
        if single:
            found += [
                Condition(dataset, network_name(n), np.flatnonzero(units))
                for n, units in enumerate(members)
            ]
        found.append(Condition(dataset, ALL, whole[dataset]))
    for one, other in combinations(networks, 2):
        name, pair = f"{one}+{other}", (whole[one], whole[other])
        found.append(Condition(name, UNION, np.union1d(*pair)))
        found.append(Condition(name, INTERSECTION, np.intersect1d(*pair)))
        found.append(Condition(name, DIFFERENCE, np.setxor1d(*pair)))
    return found


def top_condition(dataset: str, networks: Networks, percent: float, lacking: int = 0) -> Condition:
    """Units with the highest |z| over the networks; equal ones by place. Units at 0 were not decomposed.

    ``lacking``: places without a unit, which the share does not count.
    """
    height = np.abs(networks.maps).max(0).reshape(-1)
    return Condition(dataset, TOP, best(height, count_of(percent, height.size - lacking)))


def best(values: np.ndarray, count: int) -> np.ndarray:
    """The places [at most count] of the highest of ``values`` [n] above 0, sorted."""
    order = np.argsort(-values, kind="stable")[:count]
    return np.sort(order[values[order] > 0])


def count_of(percent: float, n_units: int) -> int:
    """k = max(1, int(percent / 100 * units))."""
    return max(1, int(percent / 100 * n_units))


def random_like(
    condition: Condition, there: Population, seeds: Sequence[int], without: Sequence[int] = ()
) -> Iterator[Condition]:
    """As many units, drawn from all others (as many as there are); keyed by seed and number.

    ``without``: units that are not drawn.
    """
    rest = np.setdiff1d(there.units, [*condition.units.tolist(), *without])
    count = min(len(condition), len(rest))
    for seed in seeds if len(condition) else ():
        yield Condition(condition.dataset, RANDOM, _drawn(rest, count, seed), seed, condition.name)


def as_active(
    condition: Condition, levels: np.ndarray, seeds: Sequence[int], without: Sequence[int] = ()
) -> Iterator[Condition]:
    """As many units of the same layers, about as active; fewer where a layer has too few others.

    ``levels`` [layers, width]: see ``runner.matched``. ``without``: units that are not drawn.
    """
    for seed in seeds if len(condition) else ():
        drawn, _ = activation_matched(condition.units.tolist(), levels, seed, without=without)
        units = np.array(drawn, dtype=np.int64)
        yield Condition(condition.dataset, ACTIVATION_MATCHED, units, seed, condition.name)


def random_share(
    percent: float, there: Population, seeds: Sequence[int], without: Sequence[int] = ()
) -> Iterator[Condition]:
    """Random units of all but ``without``, a share of all."""
    rest = np.setdiff1d(there.units, without)
    count = min(count_of(percent, len(there)), len(rest))
    for seed in seeds:
        yield Condition("", RANDOM, _drawn(rest, count, seed), seed, f"{percent!r}pct")


def _drawn(units: np.ndarray, count: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng([seed, count]).choice(units, size=count, replace=False))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Of two sets of units, [n] and [m]; 0 if both are empty."""
    shared = len(np.intersect1d(one, other))
    whole = len(one) + len(other) - shared
    return shared / whole if whole else 0.0


def chance_iou(one: int, other: int, n_units: int) -> float:
    """What random sets of these sizes share on average, as IoU; s / (2 - s) for two of share s."""
    shared = one * other / n_units
    whole = one + other - shared
    return shared / whole if whole else 0.0
