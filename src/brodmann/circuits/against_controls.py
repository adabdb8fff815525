"""Ablation against controls: what circuits break, and what as many other units break.

A *cell* is one source on one target. The lesions of a target fall into five groups: its ``own`` circuit,
those of the other tasks of its domain (``same_domain``), those of all other tasks (``other_domains``), and
the controls ``layer_matched`` (as many units of the same layers), ``activation_matched`` (of the same layers,
about as active; not in every study) and ``random`` (as many of any layer).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from brodmann.significance.effects import signed_ranks
from brodmann.tasks.catalogue import domain_of, sort_key

GROUPS = ("own", "same_domain", "other_domains", "layer_matched", "activation_matched", "random")
_SOME = frozenset({"activation_matched"})  # groups that are only spoken of where a study has them
ALL = "all"
CELL_COLUMNS = ["target", "source", "group", "drop"]
COLUMNS = ["domain", "group", "n", "mean", "sem"]


def control_cells(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Columns target, source, group, drop: one row per cell, its trials averaged.

    ``tables``: target -> its ablation table (columns source, condition, trial, drop are read; condition
    intact is left out). Random controls have no source: they are one cell per target.
    """
    rows = []
    for target in sorted(tables, key=sort_key):
        table = tables[target]
        # Read from a file, the empty sources are NaN.
        source = table["source"].fillna("").astype(str)
        lesions = table.assign(source=source, drop=table["drop"].astype(float))
        means = lesions.groupby(["source", "condition"], sort=False)["drop"].mean()
        rows += [
            (target, source, _group(target, source, condition), drop)
            for (source, condition), drop in means.items()
            if condition != "intact"
        ]
    return pd.DataFrame(rows, columns=CELL_COLUMNS)


def _group(target: str, source: str, condition: str) -> str:
    if condition != "circuit":
        return condition
    if source == target:
        return "own"
    return "same_domain" if domain_of(source) == domain_of(target) else "other_domains"


def control_summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Columns domain (of the target; ``all`` last), group, n (finite cells), mean and sem of the drop.

    One row for every domain that has cells and every group; mean is NaN for n = 0, sem (SD with ddof 1 over
    sqrt(n)) for n < 2. ``tables`` as for ``control_cells``.
    """
    cells = control_cells(tables)
    domains = list(dict.fromkeys(domain_of(target) for target in cells["target"]))
    groups = [one for one in GROUPS if one not in _SOME.difference(cells["group"])]
    rows = []
    for domain in [*domains, *([ALL] if domains else [])]:
        inside = cells["target"].map(lambda target, name=domain: name in (ALL, domain_of(target)))
        for group in groups:
            drops = cells.loc[inside & (cells["group"] == group), "drop"].dropna().to_numpy()
            rows.append((domain, group, *_summary(drops)))
    return pd.DataFrame(rows, columns=COLUMNS)


def own_against_random(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What each task loses without its own circuit, and without as many random units.

    Columns target, domain, own, layer_matched, activation_matched (if the study has it; both drawn for that
    very circuit), random; trials averaged, NaN where there is none. ``tables`` as for ``control_cells``.
    """
    cells = control_cells(tables)
    about = cells[(cells["source"] == cells["target"]) | (cells["group"] == "random")]
    wide = about.pivot(index="target", columns="group", values="drop")
    absent = {"same_domain", "other_domains", *_SOME.difference(cells["group"])}
    wide = wide.reindex(columns=[group for group in GROUPS if group not in absent])
    wide = wide.loc[sorted(wide.index, key=sort_key)].reset_index()
    wide.columns.name = None
    wide.insert(1, "domain", wide["target"].map(domain_of))
    return wide.dropna(subset=["own"]).reset_index(drop=True)


def paired_p(first: pd.Series, second: pd.Series) -> float:
    """Wilcoxon's signed ranks over tasks, two-sided; NaN without a pair, 1 without a difference."""
    both = pd.concat([first, second], axis=1).dropna().to_numpy(dtype=float)
    return signed_ranks(both[:, 0], both[:, 1]) if len(both) else float("nan")


def _summary(values: np.ndarray) -> tuple[int, float, float]:
    """n, mean, s.e.m."""
    count = len(values)
    mean = float(values.mean()) if count else np.nan
    sem = float(values.std(ddof=1) / np.sqrt(count)) if count > 1 else np.nan
    return count, mean, sem
