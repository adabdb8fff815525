"""Overlap against ablation: does what circuits share predict what their lesions break?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from brodmann.config.statistics import StatisticsSettings
from brodmann.significance.fdr import with_q
from brodmann.statistics import structure_function as science
from brodmann.statistics.inventory import ALL, AVERAGE, Inventory, Matrix
from brodmann.statistics.printed import (
    INTERVAL,
    P_AND_Q,
    Printing,
    between,
    decimals,
    percent,
    points_between,
    show_p,
    without_lonely_average,
)
from brodmann.statistics.study_tables import Table
from brodmann.store.progress import progress
from brodmann.store.tables import read_matrix, write_table

log = logging.getLogger(__name__)

STRUCTURE_FUNCTION = (
    *("model", "control", "component", "sel", "measure", "kind", "unit", "n", "n_tasks", "seed"),
    *("method", "n_models", "coefficient", "se", "df", "low", "high", "p", "q", "slope_sd"),
    *("converged", "note"),
    *("spearman", "spearman_low", "spearman_high", "mantel_p", "mantel_q", "permutations"),
    *("least_squares", "resampled_low", "resampled_high", "n_alike", "without_alike"),
)


def write_structure_function(
    inventory: Inventory, settings: StatisticsSettings, outputs: Mapping[str, str]
) -> None:
    """Rule ``structure_function``: does containment predict the accuracy drop?"""
    drops = [one for one in inventory.all_drops if _comparable(one, inventory)]
    rows: list[dict[str, Any]] = []
    pooled: dict[tuple[str, ...], dict[str, pd.DataFrame]] = {}
    with progress(len(drops), "structure and function", "matrix") as bar:
        for one in drops:
            overlap, drop = read_matrix(one.overlap.path()), read_matrix(one.path())
            pairs = science.pair_table(overlap, drop)
            control = one.model in inventory.controls
            n_models = len(inventory.contributing(one)) if one.model == AVERAGE else 1
            own = {"control": control, "n_models": n_models}
            rows.append({**_function_row(one, pairs, overlap, drop, settings), **own})
            if one.model != AVERAGE and not control:
                pooled.setdefault(one.group, {})[one.model] = pairs
            bar.update()
    for group, tables in pooled.items():
        if len(tables) > 1:
            rows.append(_pooled_row(Matrix(ALL, *group), tables, settings))
    rows = with_q(with_q(rows), p="mantel_p", q="mantel_q")
    write_table(outputs["structure_function"], rows, STRUCTURE_FUNCTION)


def _comparable(one: Matrix, inventory: Inventory) -> bool:
    """Whether there are overlaps to go with the drops; averages must be over the same models."""
    if one.overlap not in inventory.all_overlaps:
        return False
    if one.model != AVERAGE:
        return True
    same = [{own.model for own in inventory.contributing(both)} for both in (one, one.overlap)]
    if same[0] != same[1]:
        log.warning(
            "%s %s: the averages are of different models, hence not compared", one.sel, one.kind
        )
    return same[0] == same[1]


_REGRESSION = "mixed effects, REML: drop ~ overlap (z) + (1|source) + (1|target) + (1|pair)"


def _function_row(
    one: Matrix,
    pairs: pd.DataFrame,
    overlap: pd.DataFrame,
    drop: pd.DataFrame,
    settings: StatisticsSettings,
) -> dict[str, Any]:
    """One model, or the average: the regression, and the correlation of ranks."""
    found = science.correlate(overlap, drop, **settings.shuffling)
    return {
        **_regression(one, pairs, science.regress(pairs)),
        "method": f"{_REGRESSION}, t; Spearman with Mantel p, tasks resampled",
        **settings.shuffling,
        "spearman": found.rho,
        "spearman_low": found.low,
        "spearman_high": found.high,
        "mantel_p": found.p,
        **asdict(science.support([pairs], settings.seed)),
    }


def _pooled_row(
    one: Matrix, tables: Mapping[str, pd.DataFrame], settings: StatisticsSettings
) -> dict[str, Any]:
    """All models together; a correlation of ranks is one model's."""
    fit = science.regress_over_models(tables)
    used = [pairs for pairs in tables.values() if not science.why_not(pairs)]
    return {
        **_regression(one, pd.concat(used or list(tables.values())), fit),
        "control": False,
        "method": f"{_REGRESSION}, all by model; slopes by model, their mean with Hartung-Knapp t",
        **settings.shuffling,
        **asdict(science.support(list(tables.values()), settings.seed)),
    }


def _regression(one: Matrix, pairs: pd.DataFrame, fit: science.Regression) -> dict[str, Any]:
    """What every row has; warns of what was not fitted."""
    if not np.isfinite(fit.coefficient):
        log.warning("%s %s %s: %s", one.model, one.sel, one.kind, fit.note)
    elif fit.note:
        log.warning("%s %s %s: of the fit: %s", one.model, one.sel, one.kind, fit.note)
    return {
        **asdict(one),
        "measure": "containment",
        "unit": "accuracy lost per SD of overlap",
        "n": len(pairs),
        "n_tasks": len({*pairs["source"], *pairs["target"]}),
        **asdict(fit),
    }


def _shown(table: pd.DataFrame, selection: str) -> pd.DataFrame:
    """A row per model, without intervals of fits that did not converge."""
    own = table[table["sel"] == selection].copy()
    own.loc[~own["converged"].astype(bool), ["low", "high", "p", "q"]] = float("nan")
    return without_lonely_average(own).assign(measure="accuracy_drop")


structure_function_table = Printing(
    "structure_function",
    "Overlap against accuracy lost: {what}, {selection}",
    {
        **{"pairs": ("n", str), "per SD of overlap": ("coefficient", percent)},
        **INTERVAL,
        "least squares": ("least_squares", percent),
        "tasks resampled": ("resampled_low", "resampled_high", points_between),
        "without alike": ("without_alike", percent),
        **{**P_AND_Q, "rho": ("spearman", decimals(2))},
        "rho, 95 % interval": ("spearman_low", "spearman_high", between(2)),
        **{"Mantel p": ("mantel_p", show_p), "Mantel q": ("mantel_q", show_p)},
    },
    "Slopes are in percentage points of accuracy. Mixed-effects regression; all: the mean of the models' "
    "slopes, which vary at random "
    "(t with Satterthwaite's degrees of freedom, column df in the CSV file); "
    "–: not fitted, or not converged (note in the CSV file). "
    "Least squares: the slope without intercepts of tasks; tasks resampled: its interval. "
    f"Without alike: of pairs of circuits that share less than {100 * science.ALIKE:g} %. "
    "rho: Spearman, tasks resampled, Mantel one-sided.",
    rows=_shown,
)

TABLES = {
    "structure_function": Table(
        STRUCTURE_FUNCTION, printed=structure_function_table, size="ablation"
    ),
}
