"""Layer-wise composition: in which layers each domain's strongest units lie, and which are shared.

A unit belongs to a domain if the absolute value of its mean attribution over the domain's tasks is among the
domain's largest. A unit of one domain is owned by it; a unit of several is ``shared``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from brodmann.errors import UserError
from brodmann.tasks.catalogue import domain_of, sort_key

SHARED = "shared"
COLUMNS = ["layer", "owner", "count"]
BINNED_COLUMNS = ["bin", "owner", "count", "layers", "per_layer", "log"]


def composition(
    attributions: Mapping[str, np.ndarray], percent: float, n_units: int | None = None
) -> pd.DataFrame:
    """Units per layer and owner, of one model.

    ``attributions``: task -> float [layers, units], 0 where a place has no unit; ``n_units``: how many have
    one, all if it is left out; ``percent``: the share of a domain's units that are its
    own, i.e. those at or above the (100 - percent)th percentile of |mean attribution|. Units of strength
    zero are nobody's, however many there are. Columns layer, owner, count: a row for every layer and
    owner, owners being the domains present and ``shared``.
    """
    strengths = domain_strengths(attributions)
    if not strengths:
        return pd.DataFrame(columns=COLUMNS)
    chosen = np.stack([_strongest(own, percent, n_units or own.size) for own in strengths.values()])
    alone = chosen.sum(0) == 1
    owned = [found & alone for found in chosen]
    owners = {**dict(zip(strengths, owned, strict=True)), SHARED: chosen.sum(0) > 1}
    counts = {owner: units.sum(1) for owner, units in owners.items()}
    rows = [
        (layer, owner, int(counts[owner][layer]))
        for layer in range(chosen.shape[1])
        for owner in owners
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def domain_strengths(attributions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Domain -> float64 [layers, units], |mean attribution over its tasks|; domains in their order."""
    own: dict[str, list[np.ndarray]] = {}
    for task in sorted(attributions, key=sort_key):
        values = np.asarray(attributions[task], dtype=np.float64)
        if np.isnan(values).any():
            raise UserError.at(task, "the attribution holds NaN")
        own.setdefault(domain_of(task), []).append(values)
    return {domain: np.abs(np.mean(tasks, axis=0)) for domain, tasks in own.items()}


def _strongest(strength: np.ndarray, percent: float, n_units: int) -> np.ndarray:
    """Bool, the shape of ``strength``; where there are fewer units than places, the others are zeros."""
    own = np.sort(strength, axis=None)[strength.size - n_units :]
    threshold = np.percentile(own, 100 - percent)
    # Where most units are silent the percentile is zero, and every unit would reach it.
    strongest: np.ndarray = (strength >= threshold) & (strength > 0)
    return strongest


def binned(tables: Sequence[pd.DataFrame], bins: int = 25) -> pd.DataFrame:
    """Several models' compositions over normalised depth.

    Layer l of a model with L layers falls in bin min(floor(bins * l / (L - 1)), bins - 1), a single layer in
    bin 0. Columns: bin, owner, count (units of all models), layers (of all models in the bin), per_layer
    (count / layers) and log (log10(per_layer + 1)); the last two are NaN where no layer falls in the bin.
    """
    counts: Counter[tuple[int, str]] = Counter()
    layers: Counter[int] = Counter()
    for table in tables:
        depth = int(table["layer"].max()) + 1 if len(table) else 0
        places = [_bin(layer, depth, bins) for layer in range(depth)]
        layers.update(places)
        for layer, owner, count in table[COLUMNS].itertuples(index=False):
            counts[places[layer], owner] += count
    owners = {owner for table in tables for owner in table["owner"]}
    order = sorted(owners, key=lambda name: (name == SHARED, sort_key(f"{name}/")))
    rows = []
    for number, owner in product(range(bins), order):
        mean = counts[number, owner] / layers[number] if layers[number] else np.nan
        rows.append(
            (number, owner, counts[number, owner], layers[number], mean, np.log10(mean + 1))
        )
    return pd.DataFrame(rows, columns=BINNED_COLUMNS)


def _bin(layer: int, depth: int, bins: int) -> int:
    return min(bins * layer // (depth - 1), bins - 1) if depth > 1 else 0
