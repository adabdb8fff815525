"""Within against across domains: of each matrix, and of each of its domains."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pandas as pd

from brodmann.statistics.modularity import Cells, Contrast
from brodmann.statistics.printed import P_AND_Q, Columns, Printing, decimals, percent, shown
from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import KEYS, MATRIX, Tested


def _spread(*names: str) -> tuple[str, ...]:
    """The columns that tell of sets of cells."""
    return tuple(c for name in names for c in (name, f"{name}_sd", f"{name}_sem", f"n_{name}"))


_MEANS = _spread("within", "cross")
_TEST = ("difference", "ratio", "permutations", "p", "q")
# Of intervals.
_ENDS = tuple(
    f"{name}_{end}" for name in ("within", "cross", "out", "into") for end in ("low", "high")
)
MODULARITY = (*KEYS, *_MEANS, *_TEST)
DOMAINS = (
    *(*MATRIX, "domain", "unit", "n", "n_domain", "seed", "method", *_MEANS),
    *(*_spread("out", "into"), *_TEST, *_ENDS),
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
            **dict(zip(_ENDS, chain.from_iterable(part.intervals.values()), strict=True)),
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
    return dict(zip(_spread(name), (cells.mean, cells.sd, cells.sem, cells.n), strict=True))


def tested(table: pd.DataFrame) -> pd.DataFrame:
    """Without p and q where all cells are 0: there is no difference that a test could be about."""
    zero = (table["within"] == 0) & (table["cross"] == 0)
    return table.assign(**{name: table[name].mask(zero) for name in ("p", "q") if name in table})


def _shown(table: pd.DataFrame, selection: str) -> pd.DataFrame:
    return tested(shown(table, selection))


CONTRAST: Columns = {"within (%)": ("within", percent), "across (%)": ("cross", percent)}
RATIO: Columns = {"ratio": ("ratio", decimals(2))}

modularity_table = Printing(
    "modularity",
    "Within and across domains: {what}, {selection}",
    {"tasks": ("n", str), **CONTRAST, **RATIO, **P_AND_Q},
    P_NOTE,
    rows=_shown,
)
domain_table = Printing(
    "domain_modularity",
    "Each domain against the others: {what}, {selection}",
    {
        **{"domain": ("domain", str), "tasks": ("n_domain", str), **CONTRAST},
        **{"to others (%)": ("out", percent), "from others (%)": ("into", percent), **P_AND_Q},
    },
    P_NOTE,
    rows=_shown,
    only_drops=("to others (%)", "from others (%)"),
)
TABLES = {
    "modularity": Table(MODULARITY, modularity_rows, modularity_table),
    "domain_modularity": Table(DOMAINS, domain_rows, domain_table),
}
