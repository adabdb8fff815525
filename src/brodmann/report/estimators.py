"""Evidence: which estimator of units' effects, held against true patching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from brodmann.circuits.trials import COLUMNS, SECONDS, SUMMARY, label
from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.significance.fdr import q_values
from brodmann.significance.intervals import of_mean
from brodmann.statistics.printed import between, decimals, show_p
from brodmann.store.tables import read_table

TITLE = "Which estimator?"
# Columns of the summary that the table shows.
_SHOWN = ("rank_correlation", "gain", "mask_agreement", "reliability", "cpr", "cmd")


def estimators_part(sources: Sources) -> Section | None:
    """See above; None for a study that tries none."""
    study = sources.study
    asked = study.attribution.agreement
    if not asked.tried_tasks:
        return None
    lead: list[str] = []
    figures, tables = [], []
    for component in study.attribution.components:
        for model in study.run_models:
            stem = f"{model}/attribution/{component}.estimators"
            found = read_table(sources.results / f"{stem}.summary.csv", SUMMARY)
            if found.empty:
                continue
            tasks = read_table(sources.results / f"{stem}.csv", COLUMNS)
            found["gain_q"] = q_values(found["gain_p"].to_numpy(dtype=float))
            best = _best(found)
            best |= _kept(found, tasks, best)
            lead += sources.say("estimators.best", sources.called(model), component, best)
            figures += sources.figures("estimators", model, component)
            seconds = read_table(sources.results / f"{stem}.seconds.csv", SECONDS)
            caption = _caption(sources.called(model), component, found, best.get("kept_n"))
            tables.append(_table(caption, found, seconds, f"{stem}.csv"))
    return Section(TITLE, lead, figures, tables) if tables else None


def _best(found: pd.DataFrame) -> dict[str, Any]:
    """The trial of the highest rank correlation, and the one that it is held against."""
    known = found.dropna(subset=["rank_correlation"])
    if known.empty:
        return {}
    best = known.loc[known["rank_correlation"].idxmax()]
    base = known[known["gain"].isna()].iloc[0] if known["gain"].isna().any() else best
    own = {f"best_{key}": value for key, value in best.items()}
    return {
        **own,
        **{f"base_{key}": value for key, value in base.items()},
        "best_name": label(best["estimator"], best["positions"]),
        "base_name": label(base["estimator"], base["positions"]),
    }


def _kept(found: pd.DataFrame, tasks: pd.DataFrame, best: Mapping[str, Any]) -> dict[str, Any]:
    """The trial whose circuits keep most of the tasks (CPR), on how many, and by how much more than the base
    on the same ones; none if none was tested. ``best``: of ``_best``."""
    known = found.dropna(subset=["cpr"])
    if known.empty or not best:
        return {}
    most = known.loc[known["cpr"].idxmax()]
    each = tasks.set_index(["estimator", "positions", "task"])["cpr"].dropna()
    own, base = (
        each.loc[one["estimator"], one["positions"]]
        for one in (most, {name: best[f"base_{name}"] for name in ("estimator", "positions")})
    )
    more = (own - base).dropna().to_numpy()
    low, high = of_mean(more)
    # CPR rewards curves that rise above 1; CMD does not.
    near = known.loc[known["cmd"].idxmin()] if known["cmd"].notna().any() else None
    closest = {} if near is None else {f"near_{key}": value for key, value in near.items()}
    closest |= {} if near is None else {"near_name": label(near["estimator"], near["positions"])}
    return {
        **closest,
        "kept_name": label(most["estimator"], most["positions"]),
        "kept_n": len(own),
        **{f"kept_{name}": most[name] for name in ("cpr", "cpr_low", "cpr_high")},
        **{"kept_more": float(more.mean()), "kept_more_low": low, "kept_more_high": high},
    }


def _caption(model: str, component: str, found: pd.DataFrame, tested: int | None) -> str:
    """``tested``: tasks that circuits were tested on alone; None where none was."""
    areas = "" if tested is None else f", CPR and CMD over {tested}"
    return (
        f"{model}, {component}: estimators against true patching, means over {int(found['n_tasks'].max())} "
        f"tasks{areas} (95 % intervals over resampled tasks; p by Wilcoxon's signed ranks, q over the rows)."
    )


def _table(caption: str, found: pd.DataFrame, seconds: pd.DataFrame, source: str) -> Table:
    """A row per estimator and positions; columns of which nothing is known are left out."""
    each = seconds.groupby(["estimator", "positions"])[["seconds", "n_items"]].sum()
    per_item = each["seconds"] / each["n_items"]
    heads = (
        "estimator",
        "rank correlation",
        "gain",
        "strongest units",
        "reliability",
        "CPR",
        "CMD",
    )
    heads += ("p of the gain", "q of the gain", "s per item")
    rows: list[list[Cell]] = []
    for _, row in found.iterrows():
        pair = row["estimator"], row["positions"]
        cells: list[Cell] = [label(*pair), *(_interval(row, name) for name in _SHOWN)]
        cells += [show_p(row["gain_p"]), show_p(row["gain_q"])]
        cells += [decimals(3)(per_item.get(pair, float("nan")))]
        rows.append(cells)
    known = [n for n in range(len(heads)) if any(row[n] != "–" for row in rows)]
    rows = [[row[n] for n in known] for row in rows]
    return Table(caption, [heads[n] for n in known], rows, source=source)


def _interval(row: pd.Series, name: str) -> str:
    value = decimals(2)(row[name])
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return value if pd.isna(low) else f"{value} {between(2)(low, high)}"
