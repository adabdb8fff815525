"""Within against across domains: of each matrix, and of each of its domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from brodmann.statistics.modularity import Cells, Contrast
from brodmann.statistics.printed import Q_NOTE, Printed, number, percent, printed, show_p, shown
from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import KEYS, MATRIX, Tested

_MEANS = (
    *("within", "within_sd", "within_sem", "n_within"),
    *("cross", "cross_sd", "cross_sem", "n_cross"),
)
_TEST = ("difference", "ratio", "permutations", "p", "q")
MODULARITY = (*KEYS, *_MEANS, *_TEST)
DOMAINS = (
    *(*MATRIX, "domain", "unit", "n", "n_domain", "seed", "method", *_MEANS),
    *("out", "out_sd", "out_sem", "n_out", "into", "into_sd", "into_sem", "n_into", *_TEST),
)
_SHUFFLED = "mean(within) - mean(cross) of off-diagonal cells, domain labels shuffled, one-sided"
P_NOTE = "p: shuffled domain labels, one-sided."


def modularity_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per matrix."""
    return [{**one.shared, **_contrast(one.modularity.overall)} for one in every]


def domain_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per matrix and domain."""
    return [
        {
            **one.shared,
            "domain": domain,
            "n_domain": one.domains.count(domain),
            **_contrast(part.contrast),
            **_cells("out", part.out),
            **_cells("into", part.into),
        }
        for one in every
        for domain, part in one.modularity.domains.items()
    ]


def _contrast(found: Contrast) -> dict[str, Any]:
    """A test, and the cells that it compares."""
    means = {**_cells("within", found.within), **_cells("cross", found.cross)}
    test = {"difference": found.difference, "ratio": found.ratio, "p": found.p}
    return {"method": _SHUFFLED, **means, **test}


def _cells(name: str, cells: Cells) -> dict[str, Any]:
    spread = {f"{name}_sd": cells.sd, f"{name}_sem": cells.sem}
    return {name: cells.mean, **spread, f"n_{name}": cells.n}


def tested(row: pd.Series) -> tuple[str, str]:
    """p and q; none where all cells are 0: there is no difference that a test could be about."""
    if row["within"] == 0 and row["cross"] == 0:
        return "–", "–"
    return show_p(row["p"]), show_p(row.get("q", float("nan")))


def modularity_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Within and across domains, a row per model."""
    return printed(
        shown(table, selection),
        f"Within and across domains: {{what}}, {selection}",
        ("model", "tasks", "within (%)", "across (%)", "ratio", "p", "q"),
        lambda row: (
            str(row["n"]),
            percent(row["within"]),
            percent(row["cross"]),
            number(row["ratio"], 2),
            *tested(row),
        ),
        name="modularity",
        note=P_NOTE + Q_NOTE.format(name="modularity"),
    )


def domain_table(table: pd.DataFrame, selection: str) -> list[Printed]:
    """Each domain against the others, a row per model and domain."""
    heads = ("model", "domain", "tasks", "within (%)", "across (%)")
    return printed(
        shown(table, selection),
        f"Each domain against the others: {{what}}, {selection}",
        (*heads, "to others (%)", "from others (%)", "p", "q"),
        lambda row: (
            str(row["domain"]),
            str(row["n_domain"]),
            *(percent(row[name]) for name in ("within", "cross", "out", "into")),
            *tested(row),
        ),
        name="domain_modularity",
        note=P_NOTE + Q_NOTE.format(name="domain_modularity"),
    )


TABLES = {
    "modularity": Table(MODULARITY, modularity_rows, modularity_table),
    "domain_modularity": Table(DOMAINS, domain_rows, domain_table),
}
