"""Within against across domains: of each matrix, and of each of its domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from brodmann.statistics.modularity import Cells
from brodmann.statistics.printed import (
    Q_NOTE,
    Printed,
    number,
    percent,
    printed,
    show_p,
    shown,
)
from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import KEYS, Tested

MODULARITY = (
    *KEYS,
    *("within", "within_sd", "within_sem", "n_within", "cross", "cross_sd", "cross_sem", "n_cross"),
    *("difference", "ratio", "permutations", "p", "q"),
)
DOMAINS = (
    *("model", "control", "component", "sel", "measure", "kind", "domain"),
    *("unit", "n", "n_domain", "seed", "method"),
    *("within", "within_sd", "within_sem", "n_within", "cross", "cross_sd", "cross_sem", "n_cross"),
    *("out", "out_sd", "out_sem", "n_out", "into", "into_sd", "into_sem", "n_into"),
    *("difference", "ratio", "permutations", "p", "q"),
)
_SHUFFLED = "mean(within) - mean(cross) of off-diagonal cells, domain labels shuffled, one-sided"
P_NOTE = "p: shuffled domain labels, one-sided."


def modularity_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per matrix."""
    rows = []
    for one in every:
        found = one.modularity.overall
        rows.append(
            {
                **one.shared,
                "method": _SHUFFLED,
                **_cells("within", found.within),
                **_cells("cross", found.cross),
                "difference": found.difference,
                "ratio": found.ratio,
                "p": found.p,
            }
        )
    return rows


def domain_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per matrix and domain."""
    return [
        {
            **one.shared,
            "domain": domain,
            "method": _SHUFFLED,
            "n_domain": one.domains.count(domain),
            **_cells("within", part.contrast.within),
            **_cells("cross", part.contrast.cross),
            **_cells("out", part.out),
            **_cells("into", part.into),
            "difference": part.contrast.difference,
            "ratio": part.contrast.ratio,
            "p": part.contrast.p,
        }
        for one in every
        for domain, part in one.modularity.domains.items()
    ]


def _cells(name: str, cells: Cells) -> dict[str, Any]:
    return {
        name: cells.mean,
        f"{name}_sd": cells.sd,
        f"{name}_sem": cells.sem,
        f"n_{name}": cells.n,
    }


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
