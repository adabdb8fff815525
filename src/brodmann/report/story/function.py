"""Sentences on function: what silencing circuits costs, and whether overlap predicts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import paired_p
from brodmann.report.story.findings import Findings
from brodmann.report.story.wording import called, interval, listed, nothing_shared, p_text, share
from brodmann.statistics.inventory import ALL

_CONTROLS = {
    "layer_matched": "random units of the same layers",
    "random": "random units of any layer",
}


def own_sentences(table: pd.DataFrame, name: str, *, split: bool) -> Iterator[str]:
    """Own circuit against random units. ``table``: of ``circuits.against_controls.own_against_random``.

    Only where items are ``split`` are circuits tested on other items than they were found on. Elsewhere
    own circuits win by construction, so that a p would say nothing.
    """
    controls = [column for column in _CONTROLS if table[column].notna().any()]
    if table.empty or not controls:
        return
    parts = [f"as many {_CONTROLS[column]} {share(table[column].mean())}" for column in controls]
    first = controls[0]
    test = own_test(table["own"], table[first], split=split)
    yield (
        f"{name}: silencing a task's own circuit costs it {share(table['own'].mean())} accuracy, "
        f"{listed(parts)} (means of {len(table)} tasks; own circuit against {_CONTROLS[first]}: {test})."
    )
    domains = [
        f"{domain} {share(rows['own'].mean())} against {share(rows[first].mean())}"
        for domain, rows in table.groupby("domain", sort=False)
    ]
    worst = table[controls].max(axis=1)
    equal = table[table["own"] <= worst]["target"].tolist()
    which = f"no more than random units for {listed(equal)}" if equal else "more for every task"
    yield (
        f"{name}, own circuit against {_CONTROLS[first]} by domain: "
        f"{'; '.join(domains)}. The own circuit costs {which}."
    )


def own_test(own: pd.Series, random: pd.Series, *, split: bool) -> str:
    """The test of own circuits against random units, or why there is none."""
    if not split:
        return "not tested, as circuits were found on the items that they are tested on"
    return f"{p_text(paired_p(own, random))}, Wilcoxon's signed ranks over tasks"


def ablation_sentences(findings: Findings) -> Iterator[str]:
    """What a circuit's loss costs tasks of its own domain and of others."""
    for _, row in findings.spoken("modularity", drop=True).iterrows():
        if pd.isna(row["within"]) or pd.isna(row["cross"]):
            yield f"{called(row)}: no pairs within and across domains can be compared."
            continue
        if nothing_shared(row):
            yield f"{called(row)}: silencing another task's circuit costs no task any accuracy ({row['n']} tasks)."
            continue
        ratio = "" if pd.isna(row["ratio"]) else f" (ratio {row['ratio']:.1f})"
        yield (
            f"{called(row)}: silencing another task's circuit costs {share(row['within'])} accuracy if the task is of "
            f"the same domain and {share(row['cross'])} if it is not{ratio}; {p_text(row['p'])}, {row['n']} tasks."
        )


@dataclass(frozen=True)
class Cells:
    """Off-diagonal cells of a drop matrix: how many there are, and how many are not 0."""

    measured: int
    not_zero: int

    @classmethod
    def of(cls, drops: pd.DataFrame) -> Cells:
        """Count them."""
        values = drops.to_numpy(dtype=float)
        cells = values[~np.eye(len(values), dtype=bool)]
        cells = cells[np.isfinite(cells)]
        return cls(len(cells), int((cells != 0).sum()))


def function_sentences(
    findings: Findings, cells: Mapping[str, Cells], max_items: int | None
) -> Iterator[str]:
    """Does overlap predict ablation? ``cells``: of the models' drop matrices."""
    for _, row in findings.spoken("structure_function", drop=True).iterrows():
        name = called(row)
        if pd.isna(row["coefficient"]):
            yield f"{name}: overlap against ablation was not fitted: {row['note']}."
            continue
        note = row["note"] if isinstance(row["note"], str) else ""
        text = f"{name}: one SD of overlap goes with {_fitted(row)}"
        if not pd.isna(row["spearman"]):
            text += (
                f"; Spearman's rho {row['spearman']:.2f} [{row['spearman_low']:.2f}, {row['spearman_high']:.2f}], "
                f"Mantel {p_text(row['mantel_p'])}"
            )
        text += "."
        if row["model"] in cells:
            found = cells[row["model"]]
            of = "" if max_items is None else f", at most {max_items} items a task"
            text += f" {found.not_zero} of {found.measured} pairs' losses are not 0{of}."
        if not row["converged"]:
            text += " The fit did not converge: take no number from it."
        if note:
            text += f" Of the fit: {_sentences(note)}"
        yield text


def _fitted(row: pd.Series) -> str:
    """The coefficient; without its interval where the fit did not converge."""
    fitted = f"{int(row['n'])} pairs, mixed-effects regression"
    if row["model"] == ALL:
        fitted = (
            f"mean of {int(row['n_models'])} models' slopes, whose own SD is {row['slope_sd']:.3f}; {fitted}, "
            f"t with {row['df']:.3g} degrees of freedom"
        )
    if not row["converged"]:
        return f"{row['coefficient']:.3f} more accuracy lost ({fitted})"
    level = "" if pd.isna(row["low"]) else ", 95 % interval"
    return f"{interval(row)} more accuracy lost ({fitted}{level})"


def _sentences(note: str) -> str:
    """Notes that were joined by semicolons, each as a sentence."""
    return " ".join(f"{part.strip().rstrip('.')}." for part in note.split(";") if part.strip())
