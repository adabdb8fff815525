"""The tables that a paper prints, in Markdown and LaTeX, from the long tables of statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brodmann.files import write_text
from brodmann.pipeline.inventory import AVERAGE
from brodmann.pipeline.statistics import TABLES
from brodmann.pipeline.tables import read_table

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


@dataclass(frozen=True)
class Printed:
    """One table: caption, column heads, rows of text (numbers already rounded)."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """A pipe table under its caption."""
        lines = [self.heads, ("---",) * len(self.heads), *self.rows]
        cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
        body = "\n".join("| " + " | ".join(line) + " |" for line in cells)
        return f"{self.caption}\n\n{body}\n"

    def latex(self) -> str:
        """A table for the booktabs package."""
        lines = [" & ".join(map(latex_text, line)) + r" \\" for line in (self.heads, *self.rows)]
        columns = "l" + "r" * (len(self.heads) - 1)
        return "\n".join(
            [
                r"\begin{table}",
                rf"  \caption{{{latex_text(self.caption)}}}",
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


def _number(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return _number(100 * value, 1)


def write_printed(inputs: Sequence[str], outputs: Sequence[str], selection: str) -> None:
    """Rule ``printed_tables``: for every {table}.csv a {table}.md and a {table}.tex."""
    makers = {
        "modularity": modularity_table,
        "domain_modularity": domain_table,
        "threshold_robustness": robustness_table,
    }
    for path in inputs:
        name = Path(path).stem
        printed = makers[name](read_table(path, TABLES[name]), selection)
        for output in outputs:
            if Path(output).stem == name:
                text = "\n".join(
                    one.latex() if output.endswith(".tex") else one.markdown() for one in printed
                )
                write_text(output, text)


def _shown(table: pd.DataFrame, selection: str) -> pd.DataFrame:
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


def _name(row: pd.Series) -> str:
    return f"{row['model']} (control)" if row["control"] else str(row["model"])


def _printed(
    table: pd.DataFrame,
    caption: str,
    heads: Sequence[str],
    cells: Callable[[pd.Series], Sequence[str]],
) -> list[Printed]:
    """A printed table for each part of ``table``; ``{what}`` in the caption says which."""
    return [
        Printed(
            caption.format(what=what),
            tuple(heads),
            tuple((_name(row), *cells(row)) for _, row in rows.iterrows()),
        )
        for what, rows in _parts(table)
    ]


def modularity_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Within and across domains, a row per model."""
    return _printed(
        _shown(table, selection),
        f"Within and across domains: {{what}}, {selection}",
        ("model", "tasks", "within (%)", "across (%)", "ratio", "p", "q"),
        lambda row: (
            str(row["n"]),
            _percent(row["within"]),
            _percent(row["cross"]),
            _number(row["ratio"], 2),
            show_p(row["p"]),
            show_p(row["q"]),
        ),
    )


def domain_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Each domain against the others, a row per model and domain."""
    heads = ("model", "domain", "tasks", "within (%)", "across (%)")
    return _printed(
        _shown(table, selection),
        f"Each domain against the others: {{what}}, {selection}",
        (*heads, "to others (%)", "from others (%)", "p", "q"),
        lambda row: (
            str(row["domain"]),
            str(row["n_domain"]),
            *(_percent(row[name]) for name in ("within", "cross", "out", "into")),
            show_p(row["p"]),
            show_p(row["q"]),
        ),
    )


def robustness_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Everything against circuit size, a row per model and size; ``selection`` gives the sign."""
    sign = selection.partition("-")[0]
    measured = table["measure"].isin(["containment", "accuracy_drop"])
    heads = ("model", "size (%)", "within (%)", "across (%)", "ratio", "p", "ARI", "NMI", "AMI")
    scores = ("ari", "nmi", "ami", "v_measure", "silhouette")
    return _printed(
        without_lonely_average(table[measured & table["sel"].str.startswith(f"{sign}-")]),
        f"Size of the circuits: {{what}}, {sign} scores",
        (*heads, "V", "silhouette", "p (ARI)", "tau"),
        lambda row: (
            f"{row['percent']:g}",
            _percent(row["within"]),
            _percent(row["cross"]),
            _number(row["ratio"], 2),
            show_p(row["p"]),
            *(_number(row[name], 3) for name in scores),
            show_p(row["ari_p"]),
            _number(row["tau"], 3),
        ),
    )
