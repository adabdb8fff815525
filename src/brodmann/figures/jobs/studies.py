"""Figure jobs: read tables, draw, and write every figure as PNG and PDF with its data beside it as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from brodmann.circuits.against_controls import control_summary
from brodmann.circuits.stages import ablation, agreement
from brodmann.circuits.stages.overlap import RELIABILITY
from brodmann.figures.ablation import draw_ablation, draw_forecast, pairs
from brodmann.figures.agreement import draw_agreement
from brodmann.figures.chord import chord_links, draw_chord
from brodmann.figures.composition import draw_composition
from brodmann.figures.confounds import draw_confounds
from brodmann.figures.consistency import draw_consistency, draw_structure_function
from brodmann.figures.controls import draw_controls
from brodmann.figures.domains import draw_domains
from brodmann.figures.overlap import draw_overlap
from brodmann.figures.robustness import draw_robustness
from brodmann.figures.style import save_figure
from brodmann.statistics.composition import binned, composition
from brodmann.statistics.consistency import Consistency, Tau, tau_matrix
from brodmann.statistics.inventory import AVERAGE, Drop, Inventory
from brodmann.statistics.printed import without_lonely_average
from brodmann.statistics.stages.structure import ALL
from brodmann.statistics.structure_function import pair_table
from brodmann.statistics.study_tables import read_statistics
from brodmann.store.tables import read_matrix, read_table, write_frame, write_matrix
from brodmann.store.tensors import read_tensor


def save(figure: Figure, stem: str, table: pd.DataFrame) -> None:
    """``stem``.png, .pdf and .csv; a table with names on its rows is a matrix."""
    save_figure(figure, f"{stem}.png", f"{stem}.pdf")
    if table.index.dtype.kind in "iu":
        write_frame(f"{stem}.csv", table)
    else:
        write_matrix(f"{stem}.csv", table)


def overlap_figures(
    matrices: Mapping[str, str],
    reliability: str | None,
    *,
    title: str,
    chord_minimum: float,
    stems: Mapping[str, str],
) -> None:
    """Rule ``overlap_figures``: a heatmap per measure in ``matrices``, and the chord diagram.

    ``reliability``: the table of a model that was run; it gives the diagonals.
    """
    tables = {measure: read_matrix(path) for measure, path in matrices.items()}
    rates = None
    if reliability is not None:
        rates = read_table(reliability, RELIABILITY).set_index("task")["ceiling"]
    for measure, table in tables.items():
        shown = None if rates is None or measure == "doubly_stochastic" else rates.to_dict()
        save(draw_overlap(table, measure, reliability=shown, title=title), stems[measure], table)
    contained = tables["containment"]
    chord = draw_chord(contained, minimum=chord_minimum, title=title)
    save(chord, stems["chord"], chord_links(contained, chord_minimum))


def noise_corrected_figure(matrix: str, reliability: str, *, title: str, stem: str) -> None:
    """Rule ``noise_corrected_figure``: overlap divided by its ceiling, the ceilings on the diagonal."""
    table = read_matrix(matrix)
    rates = read_table(reliability, RELIABILITY).set_index("task")["ceiling"].to_dict()
    save(draw_overlap(table, "noise_corrected", reliability=rates, title=title), stem, table)


def agreement_figure(units: str, summary: str, *, title: str, stem: str) -> None:
    """Rule ``agreement_figure``: estimated against true effects of single units."""
    table = read_table(units, agreement.UNIT_COLUMNS)
    found = read_table(summary, agreement.COLUMNS)
    save(draw_agreement(table, found, title=title), stem, table)


def ablation_figure(drops: str, *, title: str, stem: str) -> None:
    """Rule ``ablation_heatmap``: accuracy lost."""
    table = read_matrix(drops)
    save(draw_ablation(table, title=title), stem, table)


def effect_figures(
    drops: str,
    scores: str,
    forecast: str,
    lesions: Mapping[str, str],
    *,
    title: str,
    stems: Mapping[str, str],
) -> None:
    """Rule ``effect_figures``: forecast against measured, and circuits against random lesions."""
    table = pairs(read_matrix(forecast), read_matrix(scores), read_matrix(drops))
    save(draw_forecast(table, title=title), stems["forecast"], table)
    summary = control_summary(
        {task: read_table(path, ablation.COLUMNS) for task, path in lesions.items()}
    )
    save(draw_controls(summary, title=title), stems["controls"], summary)


def composition_figure(
    models: Mapping[str, Mapping[str, str]],
    controls: Sequence[str],
    *,
    percent: float,
    title: str,
    stem: str,
) -> None:
    """Rule ``composition_figure``. ``models``: model -> task -> attribution file.

    Models that are no controls are pooled; each control has a panel of its own.
    """
    tables = {}
    for model, files in models.items():
        tensors = {task: read_tensor(path, "attribution") for task, path in files.items()}
        # An excluded task has an empty tensor.
        found = {task: values for task, values in tensors.items() if values.size}
        if found:
            tables[model] = composition(found, percent)
    own = [name for name in tables if name not in controls]
    panels = {}
    if own:
        label = own[0] if len(own) == 1 else f"average of {len(own)} models"
        panels[label] = binned([tables[name] for name in own])
    for name in tables:
        if name in controls:
            panels[f"{name} (control)"] = binned([tables[name]])
    rows = [table.assign(panel=panel) for panel, table in panels.items()]
    data = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["panel"])
    save(draw_composition(panels, title=title), stem, data)


def study_figures(
    inventory: Inventory,
    statistics: Mapping[str, str],
    *,
    component: str,
    overlap_sel: str,
    drop_sel: str,
    kind: str,
    stems: Mapping[str, str],
) -> None:
    """Rule ``study_figures``: what compares models, domains and sizes. ``statistics``: table -> file."""
    tables = {name: read_statistics(path) for name, path in statistics.items()}
    tables = {name: table[table["component"] == component] for name, table in tables.items()}
    labels = {name: f"{name} (control)" for name in inventory.controls}
    chosen = {
        False: lambda table: table[
            (table["measure"] == "containment") & (table["sel"] == overlap_sel)
        ],
        True: lambda table: table[
            (table["measure"] == "accuracy_drop")
            & (table["sel"] == drop_sel)
            & (table["kind"] == kind)
        ],
    }
    for drop, name, ylabel in (
        (False, "domains_overlap", "shared units / circuit size"),
        (True, "domains_ablation", "accuracy lost"),
    ):
        panels, data = _domain_panels(chosen[drop](tables["domain_modularity"]), labels, drop)
        save(draw_domains(panels, ylabel=ylabel, title=""), stems[name], data)
    for drop, name in ((False, "consistency_overlap"), (True, "consistency_ablation")):
        tau = _tau(chosen[drop](tables["consistency"]))
        title = "accuracy lost" if drop else "overlap"
        save(draw_consistency(tau, title=title, label="Kendall's tau"), stems[name], tau)
    sizes = tables["threshold_robustness"]
    sizes = sizes[(sizes["measure"] == "containment") & _same_sign(sizes["sel"], overlap_sel)]
    sizes = without_lonely_average(sizes)[
        ["model", "control", "percent", "within", "cross", "ratio", "ari"]
    ]
    sizes = sizes.reset_index(drop=True)
    save(draw_robustness(sizes, title=""), stems["robustness"], sizes)
    effects = _domain_effects(tables["confounds"], chosen)
    save(draw_confounds(effects, title=""), stems["confounds"], effects)
    cells = _cells(inventory, tables["structure_function"], component, drop_sel, kind)
    save(draw_structure_function(cells, title=""), stems["structure_function"], cells)


def _same_sign(selections: pd.Series, selection: str) -> pd.Series:
    return selections.str.startswith(selection.partition("-")[0] + "-")


def _domain_panels(
    table: pd.DataFrame, labels: Mapping[str, str], drop: bool
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The average (or the only model) and each control: bars per domain; and all of it as one table."""
    names = dict.fromkeys(table["model"])
    shown = sorted((n for n in names if n == AVERAGE or n in labels), key=lambda n: n != AVERAGE)
    rows = []
    for _, row in table[table["model"].isin(shown)].iterrows():
        groups = (("within", "within"), ("out", "to_others"))
        # Overlap has no direction.
        for column, pair in (*groups, ("into", "from_others")) if drop else groups:
            rows.append(
                {
                    "model": row["model"],
                    "domain": row["domain"],
                    "pairs": pair,
                    "mean": row[column],
                    "sem": row[f"{column}_sem"],
                    "n": row[f"n_{column}"],
                }
            )
    data = pd.DataFrame(rows, columns=["model", "domain", "pairs", "mean", "sem", "n"])
    count = len([name for name in names if name != AVERAGE and name not in labels])
    panels = {}
    for name in shown:
        label = labels.get(
            name, f"average of {count} models" if count > 1 else _only(names, labels)
        )
        own = data[data["model"] == name].drop(columns="model").reset_index(drop=True)
        panels[label] = own
    return panels, data


def _only(names: Sequence[str], labels: Mapping[str, str]) -> str:
    """The one model that an average is made of."""
    return next((name for name in names if name != AVERAGE and name not in labels), AVERAGE)


def _tau(table: pd.DataFrame) -> pd.DataFrame:
    """Models by models, from the rows of consistency.csv."""
    pairs_only = table[table["model"] != ALL]
    found = [
        Tau(row["model"], row["other"], row["tau"], np.nan, int(row["n"]))  # the table has no p
        for _, row in pairs_only.iterrows()
    ]
    models = dict.fromkeys([*pairs_only["model"], *pairs_only["other"]])
    return tau_matrix(list(models), Consistency(tuple(found), ()))


def _domain_effects(confounds: pd.DataFrame, chosen: Mapping) -> pd.DataFrame:
    """The same-domain coefficient, alone and beside surface similarity, for overlap and drop."""
    parts = []
    for drop, outcome in ((False, "overlap"), (True, "drop")):
        rows = chosen[drop](confounds)
        rows = rows[(rows["term"] == "same_domain") & (rows["predictors"] != "within_formats")]
        parts.append(rows.assign(outcome=outcome))
    columns = ["model", "control", "outcome", "predictors", "coefficient", "low", "high", "p"]
    return pd.concat(parts, ignore_index=True)[columns]


def _cells(
    inventory: Inventory, statistics: pd.DataFrame, component: str, sel: str, kind: str
) -> pd.DataFrame:
    """source, target, overlap and drop of every model, with its correlation as text."""
    parts = []
    for one in inventory.drops:
        if (one.component, one.sel, one.kind) != (component, sel, kind):
            continue
        if one.overlap not in inventory.overlaps:
            continue
        cells = pair_table(read_matrix(one.overlap.path("containment")), read_matrix(one.path))
        parts.append(cells.assign(model=one.model, rho=_rho(statistics, one)))
    columns = ["model", "source", "target", "overlap", "drop", "rho"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _rho(statistics: pd.DataFrame, one: Drop) -> str:
    """Spearman's rho of a model, as it stands in the figure."""
    own = statistics[
        (statistics["model"] == one.model)
        & (statistics["sel"] == one.sel)
        & (statistics["kind"] == one.kind)
    ]
    value = own["spearman"].iloc[0] if len(own) else np.nan
    return "" if pd.isna(value) else f"rho = {value:.2f}"
