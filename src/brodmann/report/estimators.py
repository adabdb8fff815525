"""Evidence: which estimator of units' effects, held against true patching."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brodmann.circuits.trials import COLUMNS, SECONDS, SUMMARY, label
from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
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
            best = _best(found) | _kept(found, tasks)
            lead += sources.say("estimators.best", sources.called(model), component, best)
            figures += sources.figures("estimators", model, component)
            seconds = read_table(sources.results / f"{stem}.seconds.csv", SECONDS)
            tables.append(_table(sources.called(model), component, found, seconds, f"{stem}.csv"))
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


def _kept(found: pd.DataFrame, tasks: pd.DataFrame) -> dict[str, Any]:
    """The trial whose circuits keep most of their tasks (CPR), and on how many; none if none was tested."""
    known = found.dropna(subset=["cpr"])
    if known.empty:
        return {}
    best = known.loc[known["cpr"].idxmax()]
    same = tasks[["estimator", "positions"]] == best[["estimator", "positions"]]
    return {
        "kept_name": label(best["estimator"], best["positions"]),
        "kept_n": int(tasks[same.all(axis=1)]["cpr"].notna().sum()),
        **{f"kept_{name}": best[name] for name in ("cpr", "cpr_low", "cpr_high")},
    }


def _table(
    model: str, component: str, found: pd.DataFrame, seconds: pd.DataFrame, source: str
) -> Table:
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
    heads += ("p of the gain", "s per item")
    rows: list[list[Cell]] = []
    for _, row in found.iterrows():
        pair = row["estimator"], row["positions"]
        cells: list[Cell] = [label(*pair), *(_interval(row, name) for name in _SHOWN)]
        cells += [show_p(row["gain_p"]), decimals(3)(per_item.get(pair, float("nan")))]
        rows.append(cells)
    known = [n for n in range(len(heads)) if any(row[n] != "–" for row in rows)]
    rows = [[row[n] for n in known] for row in rows]
    tasks = int(found["n_tasks"].max())
    caption = (
        f"{model}, {component}: estimators against true patching, means over {tasks} tasks (95 % "
        "intervals over resampled tasks; p by Wilcoxon's signed ranks)."
    )
    return Table(caption, [heads[n] for n in known], rows, source=source)


def _interval(row: pd.Series, name: str) -> str:
    value = decimals(2)(row[name])
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return value if pd.isna(low) else f"{value} {between(2)(low, high)}"
