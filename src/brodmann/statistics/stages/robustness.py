"""Everything against the size of the circuits."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brodmann.statistics.inventory import AVERAGE
from brodmann.statistics.printed import Printing, decimals, show_p, without_lonely_average
from brodmann.statistics.stages.clustering import scores
from brodmann.statistics.stages.consistency import agreed, spread
from brodmann.statistics.stages.modularity import CONTRAST, P_NOTE, RATIO, tested
from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import Tested

ROBUSTNESS = (
    *("model", "control", "component", "measure", "kind", "sel", "percent", "unit", "n"),
    *("n_models", "seed", "method"),
    *("within", "cross", "ratio", "p", "ari", "nmi", "ami", "v_measure", "silhouette", "ari_p"),
    *("tau", "tau_sd", "n_pairs"),
)
# The V-measure is NMI.
_SCORES = {"ARI": "ari", "NMI": "nmi", "AMI": "ami", "silhouette": "silhouette"}


def robustness_rows(every: tuple[Tested, ...]) -> list[dict[str, Any]]:
    """A row per matrix, by size; agreement between models on the average's rows."""
    between = {matrix.group: (matrix, found) for matrix, found in agreed(every)}
    rows = []
    for one in every:
        overall = one.modularity.overall
        row = {
            **one.shared,
            "percent": float(one.sel.partition("-")[2].removesuffix("pct")),
            "method": "as in modularity.csv, clustering.csv and consistency.csv",
            "within": overall.within.mean,
            "cross": overall.cross.mean,
            "ratio": overall.ratio,
            "p": overall.p,
            **scores(one),
            "ari_p": one.recovery.p,
        }
        if one.model == AVERAGE and one.group in between:
            first, found = between[one.group]
            row |= {"tau": found.mean(), "tau_sd": spread(first, found)}
            row["n_pairs"] = len(found.pairs)
        rows.append(row)
    order = {name: n for n, name in enumerate(dict.fromkeys(row["model"] for row in rows))}
    by = ("component", "measure", "kind", "percent")
    return sorted(rows, key=lambda row: (order[row["model"]], *(row[name] for name in by)))


def _of_sign(table: pd.DataFrame, selection: str) -> pd.DataFrame:
    """Every size of the selection's sign."""
    measured = table["measure"].isin(["containment", "accuracy_drop"])
    own = table[measured & table["sel"].str.startswith(f"{selection.partition('-')[0]}-")]
    return tested(without_lonely_average(own))


robustness_table = Printing(
    "threshold_robustness",
    "Size of the circuits: {what}, {sign} scores",
    {
        **{"size (%)": ("percent", "{:g}".format), **CONTRAST, **RATIO, "p": ("p", show_p)},
        **{head: (name, decimals(3)) for head, name in _SCORES.items()},
        **{"p (ARI)": ("ari_p", show_p), "tau": ("tau", decimals(3))},
    },
    f"{P_NOTE} p (ARI): the same shuffles against the clusters. p are not corrected.",
    rows=_of_sign,
)
TABLES = {
    "threshold_robustness": Table(ROBUSTNESS, robustness_rows, robustness_table, size="overlap"),
}
