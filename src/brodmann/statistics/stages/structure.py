"""Statistics of the structure: every test on every matrix of the study, as long tables.

One row per model (or ``average``), component, selection, and measure of overlap or kind of ablation. The
``control`` column marks models that are shown but enter no average and no comparison between models.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from brodmann.config.statistics import PAIRWISE, StatisticsSettings
from brodmann.significance.fdr import with_q
from brodmann.statistics import structure_function
from brodmann.statistics.clustering import NEIGHBOURS, Recovery, recover
from brodmann.statistics.consistency import MIN_TASKS, Consistency, consistency
from brodmann.statistics.inventory import AVERAGE, MEASURES, Drop, Inventory, Overlap
from brodmann.statistics.modularity import Cells, Modularity, modularity
from brodmann.store.progress import progress
from brodmann.store.tables import read_matrix, write_table
from brodmann.tasks.catalogue import domain_of

log = logging.getLogger(__name__)

KEYS = (
    *("model", "control", "component", "sel", "measure", "kind"),
    *("unit", "n", "n_models", "seed", "method"),
)
# All models together, in tables that have a row for each model otherwise.
ALL = "all"

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
CLUSTERING = (
    *KEYS,
    *("neighbours", "clusters", "ari", "nmi", "ami", "v_measure", "silhouette", "permutations"),
    *("p", "q"),
)
ASSIGNMENTS = ("model", "component", "sel", "measure", "kind", "task", "domain", "cluster")
CONSISTENCY = (
    *("model", "other", "component", "sel", "measure", "kind", "unit", "n", "n_tasks", "seed"),
    *("method", "tau", "sd", "n_pairs", "most_tasks", "note"),
)
ROBUSTNESS = (
    *("model", "control", "component", "measure", "kind", "sel", "percent", "unit", "n"),
    *("n_models", "seed", "method"),
    *("within", "cross", "ratio", "p", "ari", "nmi", "ami", "v_measure", "silhouette", "ari_p"),
    *("tau", "tau_sd", "n_pairs"),
)
STRUCTURE_FUNCTION = (
    *("model", "control", "component", "sel", "measure", "kind", "unit", "n", "n_tasks", "seed"),
    *("method", "n_models", "coefficient", "se", "df", "low", "high", "p", "q", "slope_sd"),
    *("converged", "note"),
    *("spearman", "spearman_low", "spearman_high", "mantel_p", "mantel_q", "permutations"),
)
# Table -> its columns; that of the confounds has its own.
TABLES = {
    "modularity": MODULARITY,
    "domain_modularity": DOMAINS,
    "clustering": CLUSTERING,
    "clusters": ASSIGNMENTS,
    "consistency": CONSISTENCY,
    "threshold_robustness": ROBUSTNESS,
    "structure_function": STRUCTURE_FUNCTION,
}


@dataclass(frozen=True)
class Matrix:
    """One matrix of the study and what it is."""

    model: str
    control: bool
    component: str
    sel: str
    measure: str  # a measure of overlap, or accuracy_drop
    kind: str  # kind of ablation; empty for overlap
    n_models: int  # that an average is of; else 1
    table: pd.DataFrame

    @property
    def keys(self) -> dict[str, Any]:
        """The columns that say which matrix it is."""
        return {
            "model": self.model,
            "control": self.control,
            "component": self.component,
            "sel": self.sel,
            "measure": self.measure,
            "kind": self.kind,
        }

    @property
    def unit(self) -> str:
        """What a cell counts."""
        units = {
            "containment": "shared units / circuit size",
            "jaccard": "shared units / units of either",
            "doubly_stochastic": "containment, rows and columns scaled to 1",
        }
        return units.get(self.measure, "accuracy lost (share of items)")

    @property
    def domains(self) -> list[str]:
        """Domain of each task."""
        return [domain_of(task) for task in self.table.index]


def matrices(inventory: Inventory) -> list[Matrix]:
    """Read every matrix: overlap measures, then ablations; models first, averages last."""
    found = []
    for one in inventory.all_overlaps:
        for measure in MEASURES:
            found.append(_read(one, measure, "", one.path(measure), inventory))
    for drop in inventory.all_drops:
        found.append(_read(drop, "accuracy_drop", drop.kind, drop.path, inventory))
    return found


def _read(one: Overlap | Drop, measure: str, kind: str, path: str, inventory: Inventory) -> Matrix:
    control = one.model in inventory.controls
    n_models = len(inventory.contributing(one)) if one.model == AVERAGE else 1
    table = read_matrix(path)
    return Matrix(one.model, control, one.component, one.sel, measure, kind, n_models, table)


def write_structure(
    inventory: Inventory, settings: StatisticsSettings, outputs: Mapping[str, str]
) -> None:
    """Rule ``structure``: modularity, domain_modularity, clustering, clusters, consistency and
    threshold_robustness."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in outputs}
    every = matrices(inventory)
    tested: list[tuple[Matrix, Modularity, Recovery]] = []
    options = {"permutations": settings.permutations, "seed": settings.seed}
    with progress(len(every), "testing matrices", "matrix") as bar:
        for matrix in every:
            values = matrix.table.to_numpy(dtype=float)
            found = modularity(values, matrix.domains, **options)
            recovered = recover(values, matrix.domains, **options)
            tested.append((matrix, found, recovered))
            shared = {**matrix.keys, "unit": matrix.unit, "n": len(matrix.table), **options}
            shared["n_models"] = matrix.n_models
            rows["modularity"].append({**shared, **_overall(found)})
            rows["domain_modularity"] += [{**shared, **row} for row in _by_domain(found, matrix)]
            rows["clustering"].append({**shared, **_recovery(recovered)})
            rows["clusters"] += _assignments(matrix, recovered)
            bar.update()
    agreed = list(_consistencies(every, pairwise=settings.consistency == PAIRWISE))
    for matrix, found in agreed:
        rows["consistency"] += _consistency_rows(matrix, found, settings.seed)
    rows["threshold_robustness"] = _robustness(tested, agreed, settings.seed)
    for name, path in outputs.items():
        tested_rows = with_q(rows[name]) if "q" in TABLES[name] else rows[name]
        write_table(path, tested_rows, TABLES[name])


def _cells(name: str, cells: Cells) -> dict[str, Any]:
    return {
        name: cells.mean,
        f"{name}_sd": cells.sd,
        f"{name}_sem": cells.sem,
        f"n_{name}": cells.n,
    }


_SHUFFLED = "mean(within) - mean(cross) of off-diagonal cells, domain labels shuffled, one-sided"


def _overall(found: Modularity) -> dict[str, Any]:
    overall = found.overall
    return {
        "method": _SHUFFLED,
        **_cells("within", overall.within),
        **_cells("cross", overall.cross),
        "difference": overall.difference,
        "ratio": overall.ratio,
        "p": overall.p,
    }


def _by_domain(found: Modularity, matrix: Matrix) -> Iterator[dict[str, Any]]:
    domains = matrix.domains
    for domain, part in found.domains.items():
        yield {
            "domain": domain,
            "method": _SHUFFLED,
            "n_domain": domains.count(domain),
            **_cells("within", part.contrast.within),
            **_cells("cross", part.contrast.cross),
            **_cells("out", part.out),
            **_cells("into", part.into),
            "difference": part.contrast.difference,
            "ratio": part.contrast.ratio,
            "p": part.contrast.p,
        }


def _recovery(found: Recovery) -> dict[str, Any]:
    return {
        "method": "average linkage on the graph of nearest tasks; p: domain labels shuffled, one-sided",
        "neighbours": NEIGHBOURS,
        "clusters": len(set(found.labels)),
        "ari": found.ari,
        "nmi": found.nmi,
        "ami": found.ami,
        "v_measure": found.v_measure,
        "silhouette": found.silhouette,
        "p": found.p,
    }


def _assignments(matrix: Matrix, found: Recovery) -> list[dict[str, Any]]:
    tasks = zip(matrix.table.index, matrix.domains, found.labels, strict=True)
    return [
        {**matrix.keys, "task": task, "domain": domain, "cluster": label}
        for task, domain, label in tasks
    ]


def _consistencies(
    every: Sequence[Matrix], *, pairwise: bool
) -> Iterator[tuple[Matrix, Consistency]]:
    """For each kind of matrix that two models or more have: one of them, and the comparison."""
    groups: dict[tuple, list[Matrix]] = {}
    for matrix in every:
        if not matrix.control and matrix.model != AVERAGE:
            key = (matrix.component, matrix.sel, matrix.measure, matrix.kind)
            groups.setdefault(key, []).append(matrix)
    for group in groups.values():
        if len(group) > 1:
            tables = {matrix.model: matrix.table for matrix in group}
            yield group[0], consistency(tables, directed=bool(group[0].kind), pairwise=pairwise)


def _sd(matrix: Matrix, found: Consistency) -> float:
    """Over model pairs; the published one for ablations divides by n."""
    return found.sd(0 if matrix.kind else 1)


def _consistency_rows(matrix: Matrix, found: Consistency, seed: int) -> list[dict[str, Any]]:
    cells = "all off-diagonal cells" if matrix.kind else "upper triangle"
    tasks = "tasks that both models include" if found.pairwise else "tasks common to all models"
    shared = {**matrix.keys, "unit": "Kendall's tau-b", "seed": seed}
    rows = [
        {
            **shared,
            "method": f"{cells} of the {tasks}",
            "model": one.first,
            "other": one.second,
            "n": one.n,
            "n_tasks": one.n_tasks,
            "tau": one.tau,
            "note": _too_few(one.n_tasks, found.pairwise),
        }
        for one in found.pairs
    ]
    ddof = "n" if matrix.kind else "n - 1"
    fewest, most = found.n_tasks
    summary = {
        "method": f"mean over model pairs, SD with {ddof}; {cells} of the {tasks}",
        "model": ALL,
        "other": ALL,
        "n": len(found.pairs),
        "n_pairs": len(found.pairs),
        "n_tasks": fewest,
        "most_tasks": most,
        "tau": found.mean(),
        "sd": _sd(matrix, found),
        "note": _too_few(fewest, found.pairwise),
    }
    if summary["note"]:
        what = f"{matrix.sel} {matrix.kind or matrix.measure}"
        log.warning("agreement of models, %s: %s", what, summary["note"])
    return [*rows, {**shared, **summary}]


def _too_few(tasks: int, pairwise: bool) -> str:
    """Says so where too few tasks are left to compare models on, and what helps."""
    if tasks >= MIN_TASKS:
        return ""
    if pairwise:
        return f"two models share {tasks} tasks only (fewer than {MIN_TASKS})"
    return (
        f"{tasks} tasks are common to all models (fewer than {MIN_TASKS}); statistics.consistency: pairwise "
        "compares every two models on their own"
    )


def _robustness(
    tested: Sequence[tuple[Matrix, Modularity, Recovery]],
    agreed: Sequence[tuple[Matrix, Consistency]],
    seed: int,
) -> list[dict[str, Any]]:
    """Everything against the size of the circuits; agreement between models on the average's rows."""
    between = {
        (matrix.component, matrix.sel, matrix.measure, matrix.kind): (matrix, found)
        for matrix, found in agreed
    }
    rows = []
    for matrix, found, recovered in tested:
        row = {
            **matrix.keys,
            "percent": float(matrix.sel.partition("-")[2].removesuffix("pct")),
            "unit": matrix.unit,
            "n": len(matrix.table),
            "n_models": matrix.n_models,
            "seed": seed,
            "method": "as in modularity.csv, clustering.csv and consistency.csv",
            "within": found.overall.within.mean,
            "cross": found.overall.cross.mean,
            "ratio": found.overall.ratio,
            "p": found.overall.p,
            "ari": recovered.ari,
            "nmi": recovered.nmi,
            "ami": recovered.ami,
            "v_measure": recovered.v_measure,
            "silhouette": recovered.silhouette,
            "ari_p": recovered.p,
        }
        key = (matrix.component, matrix.sel, matrix.measure, matrix.kind)
        if matrix.model == AVERAGE and key in between:
            one, pairs = between[key]
            row |= {"tau": pairs.mean(), "tau_sd": _sd(one, pairs), "n_pairs": len(pairs.pairs)}
        rows.append(row)
    order = {name: n for n, name in enumerate(dict.fromkeys(row["model"] for row in rows))}
    return sorted(
        rows,
        key=lambda row: (
            order[row["model"]],
            row["component"],
            row["measure"],
            row["kind"],
            row["percent"],
        ),
    )


# Structure and function


def write_structure_function(
    inventory: Inventory, settings: StatisticsSettings, output: str
) -> None:
    """Rule ``structure_function``: does containment predict the accuracy drop?"""
    drops = [one for one in inventory.all_drops if _comparable(one, inventory)]
    rows: list[dict[str, Any]] = []
    pooled: dict[tuple, dict[str, pd.DataFrame]] = {}
    with progress(len(drops), "structure and function", "matrix") as bar:
        for one in drops:
            overlap = read_matrix(one.overlap.path("containment"))
            drop = read_matrix(one.path)
            pairs = structure_function.pair_table(overlap, drop)
            control = one.model in inventory.controls
            n_models = len(inventory.contributing(one)) if one.model == AVERAGE else 1
            own = {"control": control, "n_models": n_models}
            rows.append({**_function_row(one, pairs, overlap, drop, settings), **own})
            if one.model != AVERAGE and not control:
                key = (one.component, one.sel, one.kind)
                pooled.setdefault(key, {})[one.model] = pairs
            bar.update()
    for (component, sel, kind), tables in pooled.items():
        if len(tables) > 1:
            one = Drop(ALL, component, sel, kind)
            rows.append(_pooled_row(one, tables, settings))
    rows = with_q(with_q(rows), p="mantel_p", q="mantel_q")
    write_table(output, rows, STRUCTURE_FUNCTION)


def _comparable(one: Drop, inventory: Inventory) -> bool:
    """Whether there are overlaps to go with the drops; averages must be over the same models."""
    if one.overlap not in inventory.all_overlaps:
        return False
    if one.model != AVERAGE:
        return True
    same = [{own.model for own in inventory.contributing(both)} for both in (one, one.overlap)]
    if same[0] != same[1]:
        log.warning(
            "%s %s: the averages are of different models, hence not compared", one.sel, one.kind
        )
    return same[0] == same[1]


_REGRESSION = "mixed effects, REML: drop ~ overlap (z) + (1|source) + (1|target) + (1|pair)"


def _function_row(
    one: Drop,
    pairs: pd.DataFrame,
    overlap: pd.DataFrame,
    drop: pd.DataFrame,
    settings: StatisticsSettings,
) -> dict[str, Any]:
    """One model, or the average: the regression, and the correlation of ranks."""
    options = {"permutations": settings.permutations, "seed": settings.seed}
    found = structure_function.correlate(overlap, drop, **options)
    return {
        **_regression(one, pairs, structure_function.regress(pairs)),
        "method": f"{_REGRESSION}, t; Spearman with Mantel p, tasks resampled",
        **options,
        "spearman": found.rho,
        "spearman_low": found.low,
        "spearman_high": found.high,
        "mantel_p": found.p,
    }


def _pooled_row(
    one: Drop, tables: Mapping[str, pd.DataFrame], settings: StatisticsSettings
) -> dict[str, Any]:
    """All models together; a correlation of ranks is one model's."""
    fit = structure_function.regress_over_models(tables)
    used = [pairs for pairs in tables.values() if not structure_function.why_not(pairs)]
    return {
        **_regression(one, pd.concat(used or list(tables.values())), fit),
        "control": False,
        "method": f"{_REGRESSION}, all by model; slopes by model, their mean with Hartung-Knapp t",
        "permutations": settings.permutations,
        "seed": settings.seed,
    }


def _regression(
    one: Drop, pairs: pd.DataFrame, fit: structure_function.Regression
) -> dict[str, Any]:
    """What every row has; warns of what was not fitted."""
    if not np.isfinite(fit.coefficient):
        log.warning("%s %s %s: %s", one.model, one.sel, one.kind, fit.note)
    elif fit.note:
        log.warning("%s %s %s: of the fit: %s", one.model, one.sel, one.kind, fit.note)
    return {
        "model": one.model,
        "component": one.component,
        "sel": one.sel,
        "measure": "containment",
        "kind": one.kind,
        "unit": "accuracy lost per SD of overlap",
        "n": len(pairs),
        "n_tasks": len({*pairs["source"], *pairs["target"]}),
        **asdict(fit),
    }
