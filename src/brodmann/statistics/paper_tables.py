"""The printed tables as files, and those of effects: same domain beside surface, overlap against ablation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from brodmann.files import write_text
from brodmann.statistics.printed import (
    Q_NOTE,
    Printed,
    domain_table,
    modularity_table,
    number,
    printed,
    robustness_table,
    show_p,
    shown,
    without_lonely_average,
)
from brodmann.statistics.study_tables import read_statistics

_PREDICTORS = {
    "domain": "alone",
    "domain_and_surface": "beside surface",
    "within_formats": "within formats",
}


def write_printed(
    inputs: Sequence[str], outputs: Sequence[str], selection: str, ablated: str
) -> None:
    """Rule ``printed_tables``: for every {table}.csv a {table}.md and a {table}.tex.

    ``selection``: of the circuits that are compared; ``ablated``: of those that are silenced.
    """
    makers = {
        "modularity": lambda table: _sizes(modularity_table, table, selection, ablated),
        "domain_modularity": lambda table: _sizes(domain_table, table, selection, ablated),
        "threshold_robustness": lambda table: robustness_table(table, selection),
        "confounds": lambda table: _sizes(confounds_table, table, selection, ablated),
        "structure_function": lambda table: structure_function_table(table, ablated),
    }
    for path in inputs:
        name = Path(path).stem
        found = makers[name](read_statistics(path))
        for output in outputs:
            if Path(output).stem == name:
                text = "\n".join(
                    one.latex() if output.endswith(".tex") else one.markdown() for one in found
                )
                write_text(output, text)


def _sizes(maker, table: pd.DataFrame, selection: str, ablated: str) -> list[Printed]:
    """Overlap at its size, ablations at theirs."""
    drops = table["measure"] == "accuracy_drop"
    return [*maker(table[~drops], selection), *maker(table[drops], ablated)]


def confounds_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Same domain alone, beside surface similarity, and with labels shuffled within formats."""
    rows = shown(table[table["term"] == "same_domain"], selection)
    return printed(
        rows,
        f"Same domain beside surface similarity: {{what}}, {selection}",
        ("model", "same domain", "tasks", "pairs", "coefficient", "95 % interval", "p", "q"),
        lambda row: (
            _PREDICTORS.get(row["predictors"], str(row["predictors"])),
            str(row["n_tasks"]),
            str(row["n"]),
            number(row["coefficient"], 3),
            _interval(row["low"], row["high"], 3),
            show_p(row["p"]),
            show_p(row["q"]),
        ),
        name="confounds",
        note="Coefficient: what pairs of one domain have more. p: residuals (within formats: labels) "
        "permuted by tasks, one-sided; interval: tasks resampled."
        + Q_NOTE.format(name="confounds"),
    )


def structure_function_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Overlap against accuracy lost, a row per model, without intervals of fits that did not converge."""
    own = table[table["sel"] == selection].copy()
    own.loc[~own["converged"].astype(bool), ["low", "high", "p", "q"]] = float("nan")
    own = without_lonely_average(own)
    return printed(
        own.assign(measure="accuracy_drop"),
        f"Overlap against accuracy lost: {{what}}, {selection}",
        (
            *("model", "pairs", "per SD of overlap", "95 % interval", "p", "q"),
            *("rho", "rho, 95 % interval", "Mantel p", "Mantel q"),
        ),
        lambda row: (
            str(row["n"]),
            number(row["coefficient"], 3),
            _interval(row["low"], row["high"], 3),
            show_p(row["p"]),
            show_p(row["q"]),
            number(row["spearman"], 2),
            _interval(row["spearman_low"], row["spearman_high"], 2),
            show_p(row["mantel_p"]),
            show_p(row["mantel_q"]),
        ),
        name="structure_function",
        note="Mixed-effects regression; all: the mean of the models' slopes, which vary at random "
        "(t with as many degrees of freedom as models less one); "
        "–: not fitted, or not converged (note in the CSV file). "
        "rho: Spearman, tasks resampled, Mantel one-sided."
        + Q_NOTE.format(name="structure_function"),
    )


def _interval(low: float, high: float, digits: int) -> str:
    if pd.isna(low) or pd.isna(high):
        return "–"
    return f"[{low:.{digits}f}, {high:.{digits}f}]"
