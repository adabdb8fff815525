"""Random lesions to compare a circuit's with: as many units, drawn by a seed that names what they are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from brodmann.models.population import Population
from brodmann.tasks.dice import Dice


def layer_matched(
    circuit: Sequence[int], there: Population, *seed: object
) -> tuple[list[int], int]:
    """As many units of each layer as the circuit has there, none of the circuit; and how many are missing.

    Units are flat indices of those that are ``there``. A layer with too few other units gives all of them.
    ``seed`` names the draw: (seed, model, source, target, trial).
    """
    width = there.width
    taken: dict[int, set[int]] = defaultdict(set)
    for unit in circuit:
        layer = unit // width
        taken[layer].add(there.number(unit) - there.number(layer * width))
    dice = Dice("layer_matched", *seed)
    drawn: list[int] = []
    missing = 0
    for layer in sorted(taken):
        before = there.number(layer * width)
        own = sorted(taken[layer])
        others = there.units_of(layer) - len(own)
        count = min(len(own), others)
        missing += len(own) - count
        places = dice.permutation(others)
        drawn += [there.nth(before + _beside(own, next(places))) for _ in range(count)]
    return sorted(drawn), missing


def _beside(taken: Sequence[int], place: int) -> int:
    """The unit at ``place`` of those that are not ``taken`` (in order): a layer may have too many to list."""
    for unit in taken:
        if unit > place:
            break
        place += 1
    return place


def truly_random(count: int, there: Population, *seed: object) -> list[int]:
    """``count`` different units of any layer. ``seed``: (seed, model, target, count, trial)."""
    drawn = Dice("random", *seed).permutation(len(there))
    return sorted(there.nth(next(drawn)) for _ in range(min(count, len(there))))


def size_matched(circuit: Sequence[int], there: Population, *seed: object) -> list[int]:
    """As many units as the circuit has, none of it; all others, where these are fewer.

    ``seed``: (seed, model, level, target, trial).
    """
    others = len(there) - len(circuit)
    drawn, taken = (
        Dice("size_matched", *seed).permutation(others),
        sorted(map(there.number, circuit)),
    )
    numbers = (_beside(taken, next(drawn)) for _ in range(min(len(taken), others)))
    return sorted(map(there.nth, numbers))


def mass_matched(circuit: Sequence[int], strength: np.ndarray, *seed: object) -> list[int]:
    """Units outside the circuit, drawn until they hold as much strength as it does; all, if it is not enough.

    ``strength`` [all units]: of the target's scores, 0 or more. Units without any are not drawn: at first
    order a lesion then costs the same as the circuit, only spread over other units.
    """
    rest = strength.astype(np.float64)
    wanted = float(rest[list(circuit)].sum())
    rest[list(circuit)] = 0
    others = np.flatnonzero(rest > 0)
    order = others[list(Dice("mass_matched", *seed).permutation(len(others)))]
    held = np.cumsum(rest[order])
    # Up to rounding: a sum of the same numbers in another order must not take one unit more.
    enough = int(np.searchsorted(held, wanted * (1 - 1e-9)))
    return sorted(order[: enough + 1].tolist())
