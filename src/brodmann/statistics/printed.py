"""The tables that a paper prints, in Markdown and LaTeX, from the long tables of statistics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from brodmann.numerals import minus
from brodmann.statistics.inventory import AVERAGE

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
}

# What q is, below a table.
Q_NOTE = " q: false discovery rate (Benjamini-Hochberg) over all rows of statistics/{name}.csv."


@dataclass(frozen=True)
class Printed:
    """One table: caption, column heads, rows of text (numbers already rounded), and what a reader of p and
    q must know."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    label: str  # to refer to it in LaTeX

    def markdown(self) -> str:
        """A pipe table under its caption."""
        lines = [self.heads, ("---",) * len(self.heads), *self.rows]
        cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
        body = "\n".join("| " + " | ".join(line) + " |" for line in cells)
        return f"{self.caption}\n\n{body}\n\n{self.note}\n"

    def latex(self) -> str:
        """A table for the booktabs package."""
        lines = [" & ".join(map(latex_text, line)) + r" \\" for line in (self.heads, *self.rows)]
        columns = "l" + "r" * (len(self.heads) - 1)
        return "\n".join(
            [
                r"\begin{table}",
                rf"  \caption{{{latex_text(f'{self.caption}. {self.note}')}}}",
                rf"  \label{{tab:{self.label}}}",
                rf"  \begin{{tabular}}{{{columns}}}",
                r"    \toprule",
                f"    {lines[0]}",
                r"    \midrule",
                *[f"    {line}" for line in lines[1:]],
                r"    \bottomrule",
                r"  \end{tabular}",
                r"\end{table}",
                "",
            ]
        )


def latex_text(text: str) -> str:
    """``text`` with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


def show_p(p: float) -> str:
    """A p-value as papers print it."""
    if pd.isna(p):
        return "–"
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"


def decimals(digits: int) -> Callable[[float], str]:
    """Shows a value with so many decimals, or a dash."""
    return lambda value: "–" if pd.isna(value) else minus(f"{value:z.{digits}f}")


def percent(value: float) -> str:
    """A share in per cent, one decimal."""
    return decimals(1)(100 * value)


def between(digits: int) -> Callable[[float, float], str]:
    """Shows ``[low, high]``, or a dash."""

    def show(low: float, high: float) -> str:
        missing = pd.isna(low) or pd.isna(high)
        return "–" if missing else minus(f"[{low:z.{digits}f}, {high:z.{digits}f}]")

    return show


def points_between(low: float, high: float) -> str:
    """Shows the interval of a difference of shares, in percentage points."""
    return between(1)(100 * low, 100 * high)


# Head -> what is shown below it: columns of the long table, and how.
Columns = Mapping[str, tuple[Any, ...]]
P_AND_Q: Columns = {"p": ("p", show_p), "q": ("q", show_p)}
INTERVAL: Columns = {"95 % interval": ("low", "high", points_between)}


def shown(table: pd.DataFrame, selection: str) -> pd.DataFrame:
    """The rows of overlap (containment) and of ablations at one size."""
    measured = table["measure"].isin(["containment", "accuracy_drop"])
    return without_lonely_average(table[measured & (table["sel"] == selection)])


def without_lonely_average(table: pd.DataFrame) -> pd.DataFrame:
    """The rows without those of an average of one model, which are that model's own."""
    average = table["model"] == AVERAGE
    own = table[~average & ~table["control"].astype(bool)]["model"].nunique()
    return table if own > 1 else table[~average]


@dataclass(frozen=True)
class Printing:
    """How a paper prints the long table ``name``: a table for each component, measure and kind of ablation.

    ``caption``: with places for what it is of, the selection and its sign. ``rows`` chooses those of a
    selection. Below the table stands ``note``, and what q is, if there is one. ``only_drops``: heads of
    columns that tell directions apart, which overlap does not have.
    """

    name: str
    caption: str
    columns: Columns
    note: str
    rows: Callable[[pd.DataFrame, str], pd.DataFrame] = shown
    only_drops: tuple[str, ...] = ()

    def __call__(self, table: pd.DataFrame, selection: str) -> list[Printed]:
        """At one size of circuits, in the order of the table."""
        chosen = self.rows(table, selection).fillna({"kind": ""})
        return [
            self._part(selection, of, rows.to_dict("records"))
            for of, rows in chosen.groupby(["component", "measure", "kind"], sort=False)
        ]

    def _part(self, selection: str, of: Any, rows: list[dict[str, Any]]) -> Printed:
        component, measure, kind = of
        what = "overlap (containment)" if measure == "containment" else f"{kind} ablation"
        what = f"{what} of {component}"
        sign = selection.partition("-")[0]
        heads = [head for head in self.columns if kind or head not in self.only_drops]
        return Printed(
            self.caption.format(what=what, selection=selection, sign=sign),
            ("model", *heads),
            tuple((_model(row), *self._cells(row, heads)) for row in rows),
            self.note + (Q_NOTE.format(name=self.name) if "q" in self.columns else ""),
            re.sub(r"[^a-z0-9]+", "-", f"{self.name} {what}".lower()).strip("-"),
        )

    def _cells(self, row: Mapping[str, Any], heads: Sequence[str]) -> list[str]:
        cells = (self.columns[head] for head in heads)
        return [show(*(row[name] for name in names)) for *names, show in cells]


def _model(row: Mapping[str, Any]) -> str:
    """A row's model, controls marked."""
    return f"{row['model']} (control)" if row["control"] else str(row["model"])
