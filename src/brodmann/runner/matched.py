"""Random controls that are as active as what they are compared with.

They are units of the same layers, drawn among those whose mean absolute activation is nearest.

Units that are more active than others do more harm when they are silenced. A control of as many units in each
layer leaves that out of account; this one does not.

Activations are compared by *levels*, whole numbers of steps of 5 %: so that rounding, which differs between
processors, seldom decides which units are nearest, and never which of two equal ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from brodmann.tasks.dice import Dice

# A unit is drawn among so many of those that are nearest to it; of equally near ones all count.
NEAREST = 10
_STEP = 0.05
# What is less active than this is silent.
_SILENT = 1e-12


def levels_of(activations: np.ndarray) -> np.ndarray:
    """int64, of mean absolute activations of any shape: their logarithms in steps of 5 %."""
    levels: np.ndarray = np.rint(np.log(np.maximum(activations, _SILENT)) / _STEP).astype(np.int64)
    return levels


def activation_matched(
    units: Sequence[int], levels: np.ndarray, *seed: object, without: Collection[int] = ()
) -> tuple[list[int], int]:
    """As many units of each layer, as active as these and none of these; and how many are missing.

    ``units``, ``without`` (which are not drawn) and what is returned are flat indices (layer * width + unit);
    ``levels`` [layers, width]. The most active unit is matched first: it has fewest that are like it. A layer
    with too few other units gives all of them. ``seed`` names the draw.
    """
    width = levels.shape[1]
    own: dict[int, list[int]] = defaultdict(list)
    for unit in sorted(set(units)):
        own[unit // width].append(unit % width)
    taken = np.zeros(levels.size, dtype=bool)
    taken[[*units, *without]] = True
    free = ~taken.reshape(levels.shape)
    dice, drawn, missing = Dice("activation_matched", *seed), [], 0
    for layer in sorted(own):
        there, here = free[layer], levels[layer]
        for unit in sorted(own[layer], key=lambda one: (-here[one], one)):
            left = np.flatnonzero(there)
            if not len(left):
                missing += 1
                continue
            distance = np.abs(here[left] - here[unit])
            place = min(NEAREST, len(left)) - 1
            chosen = dice.choice(left[distance <= np.partition(distance, place)[place]])
            there[chosen] = False
            drawn.append(layer * width + int(chosen))
    return sorted(drawn), missing
