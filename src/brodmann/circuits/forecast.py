"""A first-order forecast of ablations: what attributions alone say a lesion would do.

A target's attribution is what each unit's clean activation is worth for the target's metric. Taking the
units of a source's circuit away should cost the sum over them: the forecast of the normalised metric's drop.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import spearmanr


def forecast(
    circuits: Mapping[str, np.ndarray], attributions: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Rows sources, columns targets. ``circuits``: flat units; ``attributions``: [layers, units]."""
    flat = {task: values.reshape(-1).astype(np.float64) for task, values in attributions.items()}
    values = [
        [float(flat[target][units].sum()) for target in attributions] for units in circuits.values()
    ]
    return pd.DataFrame(values, list(circuits), list(attributions))


def rank_correlation(
    first: pd.DataFrame, second: pd.DataFrame, diagonal: bool
) -> tuple[float, int]:
    """Spearman over the cells that both have, and their number; with or without own-task cells."""
    second = second.reindex(index=first.index, columns=first.columns)
    a, b = first.to_numpy(dtype=float), second.to_numpy(dtype=float)
    use = np.isfinite(a) & np.isfinite(b)
    if not diagonal:
        use &= np.array(first.index)[:, None] != np.array(first.columns)[None, :]
    if use.sum() < 3 or len(set(a[use])) < 2 or len(set(b[use])) < 2:
        return float("nan"), int(use.sum())
    return float(spearmanr(a[use], b[use])[0]), int(use.sum())
