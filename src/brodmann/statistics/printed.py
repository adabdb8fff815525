"""The tables that a paper prints, in Markdown and LaTeX, from the long tables of statistics."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from brodmann.statistics.inventory import AVERAGE

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


# What p and q are, below a table.
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


def number(value: float, digits: int) -> str:
    """``value`` with so many decimals, or a dash."""
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def percent(value: float) -> str:
    """A share in per cent, one decimal."""
    return number(100 * value, 1)


def interval(low: float, high: float, digits: int) -> str:
    """``[low, high]``, or a dash."""
    if pd.isna(low) or pd.isna(high):
        return "–"
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def estimate(row: pd.Series, digits: int = 3) -> tuple[str, ...]:
    """A row's coefficient, its interval, p and q."""
    between = interval(row["low"], row["high"], digits)
    return number(row["coefficient"], digits), between, show_p(row["p"]), show_p(row["q"])


def shown(table: pd.DataFrame, selection: str) -> pd.DataFrame:
    """The rows of overlap (containment) and of ablations at one size."""
    measured = table["measure"].isin(["containment", "accuracy_drop"])
    return without_lonely_average(table[measured & (table["sel"] == selection)])


def without_lonely_average(table: pd.DataFrame) -> pd.DataFrame:
    """The rows without those of an average of one model, which are that model's own."""
    average = table["model"] == AVERAGE
    own = table[~average & ~table["control"].astype(bool)]["model"].nunique()
    return table if own > 1 else table[~average]


def _parts(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(what it is, rows) for each component, measure and kind, in the order of the table."""
    kinds = table["kind"].fillna("")
    parts = []
    for (component, measure, kind), rows in table.assign(kind=kinds).groupby(
        ["component", "measure", "kind"], sort=False
    ):
        what = "overlap (containment)" if measure == "containment" else f"{kind} ablation"
        parts.append((f"{what} of {component}", rows))
    return parts


def model_name(row: pd.Series) -> str:
    """A row's model, controls marked."""
    return f"{row['model']} (control)" if row["control"] else str(row["model"])


def printed(
    table: pd.DataFrame,
    caption: str,
    heads: Sequence[str],
    cells: Callable[[pd.Series], Sequence[str]],
    *,
    name: str,
    note: str,
) -> list[Printed]:
    """A printed table for each part of ``table``; ``{what}`` in the caption says which. ``name``: of the long
    table."""
    return [
        Printed(
            caption.format(what=what),
            tuple(heads),
            tuple((model_name(row), *cells(row)) for _, row in rows.iterrows()),
            note,
            re.sub(r"[^a-z0-9]+", "-", f"{name} {what}".lower()).strip("-"),
        )
        for what, rows in _parts(table)
    ]
