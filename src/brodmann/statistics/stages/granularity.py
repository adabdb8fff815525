"""How specific circuits are at each level and size, of every model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from brodmann.circuits.granularity import CIRCUIT, MASS
from brodmann.circuits.stages.granularity import LESIONS
from brodmann.config.study import Study
from brodmann.significance.fdr import with_q
from brodmann.statistics.granularity import GROUPS, Costs, Specificity, labelled, specificity
from brodmann.statistics.modularity import modularity
from brodmann.statistics.resampling import BOOTSTRAPS, times_drawn
from brodmann.store.tables import read_table, write_table

# Measure -> column of the lesions' table, and what a cell counts.
MEASURES = {
    "accuracy_drop": ("drop", "accuracy lost (share of items)"),
    "score_drop": ("score_drop", "metric lost (share of the clean-corrupted contrast)"),
}
_ESTIMATES = (*GROUPS, "difference", "ratio", "own_ratio", "relative")
COLUMNS = (
    *("model", "control", "level", "percent", "measure", "kind", "unit", "n", "n_items"),
    *("k", "mass", "k_mass_matched"),
    *(f"{name}{end}" for name in _ESTIMATES for end in ("", "_low", "_high")),
    *("p", "q", "draws", "bootstraps", "permutations", "seed", "method"),
)
_METHOD = (
    "means over pairs of tasks; intervals: percentiles over resampled tasks; p: domain labels shuffled, "
    "mean(within) - mean(across), one-sided; relative: ratio over that of the first level, same tasks drawn"
)


def write_granularity(study: Study, *, files: Mapping[str, str], output: str) -> None:
    """Rule ``granularity_statistics``. ``files``: model -> its lesions."""
    rows: list[dict[str, Any]] = []
    for model, path in files.items():
        rows += _rows(study, model, read_table(path, LESIONS))
    write_table(output, with_q(rows), COLUMNS)


def _rows(study: Study, model: str, lesions: pd.DataFrame) -> Iterator[dict[str, Any]]:
    shuffling = study.statistics.shuffling
    for measure, (column, unit) in MEASURES.items():
        first: Specificity | None = None
        for (level, percent), own in lesions.groupby(["level", "percent"], sort=False):
            costs = Costs.of(own, column)
            found = specificity(costs, times_drawn(len(costs.tasks), shuffling["seed"]))
            first = first or found
            estimates = [
                (name, getattr(found, name)) for name in ("difference", "ratio", "own_ratio")
            ]
            yield {
                "model": model,
                "control": model in study.controls,
                "level": level,
                "percent": percent,
                "measure": measure,
                "kind": study.ablation.kinds[0],
                "unit": unit,
                "n": costs.n,
                **_sizes(own),
                **labelled([*found.groups.items(), *estimates, ("relative", found.over(first))]),
                "p": _p(costs, shuffling),
                "draws": study.ablation.random_trials,
                "bootstraps": BOOTSTRAPS,
                **shuffling,
                "method": _METHOD,
            }


def _p(costs: Costs, shuffling: Mapping[str, int]) -> float:
    """Of domain labels that are shuffled."""
    permutations, seed = shuffling["permutations"], shuffling["seed"]
    found = modularity(costs.matrix, costs.domains, permutations=permutations, seed=seed)
    return found.overall.p


def _sizes(lesions: pd.DataFrame) -> dict[str, float]:
    """Means over tasks, of their own circuits and of the random units that are as strong."""
    circuits = lesions[lesions["condition"] == CIRCUIT]
    own = circuits[circuits["source"] == circuits["target"]]
    strong = lesions[lesions["condition"] == MASS]
    return {
        "n_items": float(own["n"].mean()),
        "k": float(own["k"].mean()),
        "mass": float(own["mass"].mean()),
        "k_mass_matched": float(strong["k"].mean()),
    }
