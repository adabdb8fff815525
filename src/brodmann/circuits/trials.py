"""How estimators compare over tasks: means with intervals, and each one beside the usual estimator."""

from __future__ import annotations

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import paired_p
from brodmann.circuits.agreement import Agreement
from brodmann.circuits.estimators import ESTIMATORS
from brodmann.significance.intervals import interval

# Of a task, an estimator and its positions.
COLUMNS = (
    *("task", "estimator", "positions", "n_items", *Agreement.__dataclass_fields__),
    *("reliability", "cpr", "cmd"),
)
SECONDS = ("task", "estimator", "positions", "n_items", "n_units", "seconds")
# What is averaged over tasks.
MEASURES = ("rank_correlation", "sign_agreement", "mask_agreement", "reliability", "cpr", "cmd")
SUMMARY = (
    *("estimator", "positions", "n_tasks"),
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
    *("gain", "gain_low", "gain_high", "gain_p"),
)
AT = {"last": "last token", "differing": "tokens that differ", "all": "all tokens"}
_USUAL = ("patching", "last")
_RESAMPLES = 2000


def trial_name(label: str, component: str, trial: str) -> str:
    """What the manifest calls the attribution by a trial (``relp at all``) on a list of items."""
    return f"{label}, {component}: {trial}"


def label(estimator: str, positions: str) -> str:
    """What an estimator at some positions is called."""
    return f"{ESTIMATORS[estimator].label}, {AT[positions]}"


def summarised(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Columns ``SUMMARY``: a row per estimator and positions, in the table's order (``COLUMNS``).

    Means over tasks with 95 % intervals over resampled tasks, the same lists of tasks for every row.
    ``n_tasks``: those whose rank correlation is known.
    ``gain``: rank correlation above that of attribution patching at the last token (without it, of the first
    row) on the same tasks; p by Wilcoxon's signed ranks.
    """
    pairs = list(dict.fromkeys(zip(table["estimator"], table["positions"], strict=True)))
    tasks = list(dict.fromkeys(table["task"]))
    dice = np.random.default_rng(seed)
    lists = dice.integers(0, max(1, len(tasks)), (_RESAMPLES, len(tasks)))
    of = {
        pair: own.set_index("task").reindex(tasks)
        for pair, own in table.groupby(["estimator", "positions"], sort=False)
    }
    base = _USUAL if _USUAL in of else next(iter(pairs), None)
    rows = []
    for pair in pairs:
        own = of[pair]
        row: dict[str, object] = {"estimator": pair[0], "positions": pair[1]}
        row["n_tasks"] = int(own["rank_correlation"].notna().sum())
        for name in MEASURES:
            row |= _mean(name, own[name].to_numpy(dtype=float), lists)
        if pair != base:
            first, other = own["rank_correlation"], of[base]["rank_correlation"]
            row |= _mean("gain", (first - other).to_numpy(dtype=float), lists)
            row["gain_p"] = paired_p(first, other)
        rows.append(row)
    return pd.DataFrame(rows, columns=list(SUMMARY))


def _mean(name: str, values: np.ndarray, lists: np.ndarray) -> dict[str, float]:
    """The mean of those that are known, with its interval; none for fewer than two."""
    known = np.isfinite(values)
    found = {name: float(values[known].mean()) if known.any() else np.nan}
    low = high = np.nan
    if known.sum() > 1:
        drawn, there = values[lists], known[lists]
        counts = there.sum(1)
        sums = np.where(there, drawn, 0.0).sum(1)
        means = sums[counts > 0] / counts[counts > 0]
        low, high = interval(means)
    return {**found, f"{name}_low": low, f"{name}_high": high}
