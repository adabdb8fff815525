"""Confounds stage: the domain effect with and without surface similarity, and within surface formats."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from brodmann.config.statistics import StatisticsSettings
from brodmann.significance.fdr import with_q
from brodmann.statistics.confounds import regress_pairs, stratified
from brodmann.statistics.inventory import Inventory, Matrix
from brodmann.statistics.printed import INTERVAL, P_AND_Q, Printing, percent, shown
from brodmann.statistics.study_tables import Table
from brodmann.statistics.surface import SIMILARITIES
from brodmann.store.progress import progress
from brodmann.store.tables import read_matrix, read_table, write_table
from brodmann.tasks.catalogue import domain_of

log = logging.getLogger(__name__)

DOMAIN = "same_domain"
COLUMNS = (
    *("model", "control", "component", "sel", "measure", "kind", "predictors", "term", "unit", "n"),
    *("n_tasks", "seed", "method", "coefficient", "low", "high", "permutations", "p", "q"),
    "n_movable",
)
_PREDICTORS = {
    "domain": "alone",
    "domain_and_surface": "beside surface",
    "within_formats": "within formats",
}
_REGRESSION = (
    "least squares; p: MRQAP (double semi-partialing), one-sided; 95 % interval: tasks resampled"
)
_STRATIFIED = "mean(within) - mean(cross), domain labels shuffled within surface formats, one-sided"


def write_confounds(
    inventory: Inventory,
    settings: StatisticsSettings,
    outputs: Mapping[str, str],
    *,
    surfaces: Mapping[str, str],
) -> None:
    """Rule ``confounds``. ``surfaces``: model -> its similarities; other models have no prompts here."""
    every = [*inventory.overlaps, *inventory.drops]
    tested = [one for one in every if one.model in surfaces]
    rows: list[dict[str, Any]] = []
    with progress(len(tested), "confounds", "matrix") as bar:
        for one in tested:
            surface = read_table(surfaces[one.model], ("source", "target", *SIMILARITIES))
            rows += _rows(one, read_matrix(one.path()), surface, inventory, settings)
            bar.update()
    write_table(outputs["confounds"], with_q(rows), COLUMNS)


def _rows(
    one: Matrix,
    matrix: pd.DataFrame,
    surface: pd.DataFrame,
    inventory: Inventory,
    settings: StatisticsSettings,
) -> list[dict[str, Any]]:
    directed = bool(one.kind)
    tasks = list(matrix.index)
    values = matrix.to_numpy(dtype=float)
    domains = [domain_of(task) for task in tasks]
    off = ~np.eye(len(tasks), dtype=bool)
    cells = int(np.isfinite(values[off]).sum())
    shared = {
        **{"model": one.model, "control": one.model in inventory.controls},
        **{"component": one.component, "sel": one.sel},
        **{"measure": one.measures[0], "kind": one.kind},
        "unit": "accuracy lost" if directed else "shared units / circuit size",
        "n": cells if directed else cells // 2,
        "n_tasks": len(tasks),
        **settings.shuffling,
    }
    names = np.array(domains)
    same = (names[:, None] == names[None, :]).astype(float) if tasks else np.zeros((0, 0))
    rivals = _similarities(surface, tasks)
    rows = []
    for predictors, chosen in (
        ("domain", {DOMAIN: same}),
        ("domain_and_surface", {DOMAIN: same, **rivals}),
    ):
        terms = regress_pairs(values, chosen, directed=directed, **settings.shuffling)
        own = {**shared, "predictors": predictors, "method": _REGRESSION}
        rows += [{**own, "term": name, **asdict(term)} for name, term in terms.items()]
    formats = dict(zip(surface["source"], surface["source_format"], strict=True))
    strata = [formats.get(task, "") for task in tasks]
    within = stratified(values, domains, strata, **settings.shuffling)
    if tasks and not within.n_movable:
        log.warning("%s: every surface format holds one domain: no test within formats", one.model)
    own = {"predictors": "within_formats", "method": _STRATIFIED, "n_movable": within.n_movable}
    last = {"term": DOMAIN, "coefficient": within.difference, "p": within.p}
    return [*rows, {**shared, **own, **last}]


def _similarities(surface: pd.DataFrame, tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """Each similarity as [tasks, tasks], ones on the diagonal."""
    squares = {}
    for name in SIMILARITIES:
        square = surface.pivot(index="source", columns="target", values=name)
        values = square.reindex(index=tasks, columns=tasks).to_numpy(dtype=float).copy()
        np.fill_diagonal(values, 1.0)
        squares[name] = values
    return squares


confounds_table = Printing(
    "confounds",
    "Same domain beside surface similarity: {what}, {selection}",
    {
        "same domain": ("predictors", lambda name: _PREDICTORS.get(name, name)),
        **{"tasks": ("n_tasks", str), "pairs": ("n", str)},
        "coefficient": ("coefficient", percent),
        **INTERVAL,
        **P_AND_Q,
    },
    "Coefficient: what pairs of one domain have more, in percentage points. p: residuals (within formats: "
    "labels) permuted by tasks, one-sided; interval: tasks resampled.",
    rows=lambda table, selection: shown(table[table["term"] == DOMAIN], selection),
)

TABLES = {"confounds": Table(COLUMNS, printed=confounds_table)}
