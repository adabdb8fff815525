"""What the atlas's linked views show, read from the files of results.

The page computes no statistic: every mean, interval and test stands in ``statistics/``, in a model's folder,
or comes of the functions that the figures use. A *row* is a dict with the columns of its file; NaN is None.
Arrays are numpy's, whose encoding is the writer's. Fields: docs/atlas.md, Data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import control_summary
from brodmann.circuits.enough import group_of
from brodmann.figures.localized import dose_table
from brodmann.store.tables import read_matrix, read_table
from brodmann.tasks.catalogue import domain_of, sort_key

Row = dict[str, Any]

# Of the ablation tables: what is drawn as a control, in this order.
CONTROLS = ("layer_matched", "activation_matched", "random")
_SUMMARY = {"domains": "domain_modularity", "all": "modularity", "untrained": "untrained"}


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Plain values, None for NaN and for infinities, which JSON lacks."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summary(results: Path) -> dict[str, list[Row]]:
    """Of the study: within and across domains, per model and selection, and beside the untrained control."""
    return {
        field: rows_of(read_table(path)) if path.is_file() else []
        for field, name in _SUMMARY.items()
        if (path := results / "statistics" / f"{name}.csv")
    }


# Matrices


def matrices(results: Path, model: str) -> dict[str, Any]:
    """Matrices of tasks against tasks of a model (or of ``average``), their controls and reliability."""
    folder = results / model
    found = {
        **{("overlap", *key): read_matrix(path) for key, path in _overlaps(folder)},
        **{("ablation", *key): read_matrix(path) for key, path in _ablations(folder)},
    }
    lesions = {key: _lesion_tables(path) for key, path in _lesions(folder)}
    tasks = sorted({task for matrix in found.values() for task in matrix.index}, key=sort_key)
    payload: dict[str, Any] = {"tasks": tasks, "overlap": {}, "ablation": {}}
    for (part, *keys), matrix in found.items():
        values = matrix.reindex(index=tasks, columns=tasks).to_numpy(np.float32)
        _put(payload[part], keys, values)
    payload["lesions"] = {}
    for keys, tables in lesions.items():
        _put(payload["lesions"], keys, controls(tables, tasks))
    payload["clusters"] = _clusters(results, model, tasks)
    payload["reliability"] = {}
    for (component, sel), rows in _reliability(folder):
        _put(payload["reliability"], (component, sel), rows)
    return payload


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    *outer, last = keys
    for key in outer:
        tree = tree.setdefault(key, {})
    tree[last] = value


def _overlaps(folder: Path) -> Iterator[tuple[tuple[str, str, str], Path]]:
    """(measure, component, sel) -> file."""
    for path in sorted(folder.glob("overlap/*/*.csv")):
        sel, _, measure = path.stem.rpartition(".")
        if measure not in ("reliability", "stability", "summary", "count") and "pct" in sel:
            yield (measure, path.parent.name, sel), path


def _ablations(folder: Path) -> Iterator[tuple[tuple[str, str, str, str], Path]]:
    """(component, sel, kind, what) -> file."""
    for path in sorted(folder.glob("ablation/*/*.csv")):
        name, _, what = path.stem.rpartition(".")
        sel, _, kind = name.rpartition(".")
        if what in ("accuracy_drop", "score"):
            yield (path.parent.name, sel, kind, what), path


def _lesions(folder: Path) -> Iterator[tuple[tuple[str, str, str], Path]]:
    """(component, sel, kind) -> folder of the tables of tasks."""
    for path in sorted(folder.glob("ablation/*/*/*/")):
        yield (path.parent.parent.name, path.parent.name, path.name), path


def _lesion_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Tested task -> its table: a row for every lesion."""
    files = sorted(folder.glob("*/*.csv"))
    return {f"{path.parent.name}/{path.stem}": read_table(path) for path in files}


def controls(tables: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> dict[str, Any]:
    """The intact model and every control, per tested task; ``matched`` [T, T]: per circuit and tested task.

    Values are means over draws, and of controls that are drawn for a circuit also over circuits.
    """
    empty = pd.Series(np.nan, index=list(tasks))
    n, intact = empty.copy(), empty.copy()
    matched = pd.DataFrame(np.nan, index=list(tasks), columns=list(tasks))
    means = {name: {"drop": empty.copy(), "score": empty.copy()} for name in CONTROLS}
    trials = dict.fromkeys(CONTROLS, 0)
    for task, table in tables.items():
        whole = table[table["condition"] == "intact"]
        if task in n.index and len(whole):
            n[task], intact[task] = whole["n"].iloc[0], whole["accuracy"].iloc[0]
        for name in CONTROLS:
            own = table[table["condition"] == name]
            if own.empty or task not in n.index:
                continue
            trials[name] = max(trials[name], int(own["trial"].nunique()))
            for what, column in means[name].items():
                column[task] = own[what].mean()
            if name == "layer_matched":
                by_source = own.groupby("source")["drop"].mean()
                matched.loc[:, task] = by_source.reindex(list(tasks))
    rows = [
        {
            "condition": name,
            "trials": trials[name],
            "accuracy_drop": own["drop"].to_numpy(np.float32),
            "score": own["score"].to_numpy(np.float32),
        }
        for name, own in means.items()
        if trials[name]
    ]
    return {
        "n": n.fillna(0).to_numpy(np.int32),
        "intact": intact.to_numpy(np.float32),
        "rows": rows,
        "matched": matched.to_numpy(np.float32),
    }


def _clusters(results: Path, model: str, tasks: Sequence[str]) -> dict[str, Any]:
    """component -> measure -> sel -> int32 [T]; -1 for a task that is in no cluster."""
    path = results / "statistics" / "clusters.csv"
    payload: dict[str, Any] = {}
    if not path.is_file():
        return payload
    table = read_table(path)
    for keys, own in table[table["model"] == model].groupby(["component", "measure", "sel"]):
        numbers = own.drop_duplicates("task").set_index("task")["cluster"].reindex(list(tasks))
        _put(payload, [str(key) for key in keys], numbers.fillna(-1).to_numpy(np.int32))
    return payload


def _reliability(folder: Path) -> Iterator[tuple[tuple[str, str], list[Row]]]:
    """(component, sel) -> rows of split halves (and the second seed) beside those of bootstraps."""
    for path in sorted(folder.glob("overlap/*/*.reliability.csv")):
        sel = path.name.removesuffix(".reliability.csv")
        table = read_table(path)
        beside = path.with_name(f"{sel}.stability.csv")
        if beside.is_file():
            again = read_table(beside).drop(columns=["n_items", "n_circuit"], errors="ignore")
            table = table.merge(again, on="task", how="left")
        yield (path.parent.name, sel), rows_of(table)


# Curves


def curves(results: Path, model: str) -> dict[str, Any]:
    """What grows with the number of units: what lesions do, and what circuits do alone."""
    folder = results / model
    return {
        "circuits": _circuit_doses(folder),
        "localizers": {
            path.parent.name: localizer_doses(read_table(path), path.parent.name)
            for path in sorted(folder.glob("localizer/*/lesion.csv"))
        },
        "faithfulness": _faithfulness(folder),
    }


def _circuit_doses(folder: Path) -> list[Row]:
    """Accuracy lost to own, other and random units, per size of circuits: of domains, and of each task."""
    rows: list[Row] = []
    for (component, sel, kind), path in _lesions(folder):
        tables = _lesion_tables(path)
        sign, _, size = sel.partition("-")
        about = {"component": component, "sel": sel, "sign": sign, "kind": kind}
        about["percent"] = float(size.removesuffix("pct"))
        own = [control_summary(tables).assign(task=None)]
        for task, table in tables.items():
            one = control_summary({task: table})
            own.append(one[one["domain"] == domain_of(task)].assign(task=task))
        filled = pd.concat([one[one["n"] > 0] for one in own])
        rows += [{**about, **row} for row in rows_of(filled)]
    return rows


def localizer_doses(lesions: pd.DataFrame, name: str) -> list[Row]:
    """Perplexity, accuracy per domain and accuracy per task, with how many units are silenced."""
    kept = lesions[lesions["condition"].isin(("intact", "lesion", "random"))]
    kinds = kept["kind"].dropna()
    if len(kinds):
        kept = kept[kept["kind"].isna() | (kept["kind"] == kinds.iloc[0])]
    tasks = kept[kept["measure"] == "accuracy"]
    pooled = dose_table(lesions, "", name).assign(task=None)
    columns = ["what", "task", "measure", "condition", "percentage", "seed", "n", "value"]
    both = [pooled, tasks.assign(what=tasks["task"])]
    return rows_of(pd.concat([one.reindex(columns=[*columns, "low", "high"]) for one in both]))


def _faithfulness(folder: Path) -> dict[str, Any]:
    """component -> estimator -> the curves of every order of units on every task, and the areas below."""
    payload: dict[str, Any] = {}
    for path in sorted(folder.glob("faithfulness/*.areas.csv")):
        component, _, estimator = path.name.removesuffix(".areas.csv").partition(".")
        line = path.with_name(f"{component}.{estimator}.csv")
        parts = {"curves": line, "areas": path}
        own = {
            part: rows_of(_grouped(read_table(file))) if file.is_file() else []
            for part, file in parts.items()
        }
        _put(payload, (component, estimator), own)
    return payload


def _grouped(table: pd.DataFrame) -> pd.DataFrame:
    pairs = zip(table["task"], table["order"], strict=True)
    return table.assign(group=[group_of(*pair) for pair in pairs])


# Networks


def nets(results: Path, model: str) -> dict[str, Any]:
    """Networks of a model: sizes, layers, what inhibiting each does, and the tokens that drive it."""
    folder = results / model / "networks"
    sizes, per_layer, edits = (
        read_table(path) if (path := folder / f"{name}.csv").is_file() else pd.DataFrame()
        for name in ("sizes", "layers", "editing")
    )
    rows: list[Row] = []
    for row in rows_of(sizes[sizes["level"] == "group"]) if len(sizes) else []:
        number = int(row["network"])
        kept = {name: row[name] for name in ("dataset", "n_units", "percent", "explained")}
        own = {"network": number, "stability": row["stability"]}
        rows.append({**kept, **own, **_inhibited(edits, row["dataset"], f"network-{number}")})
    driving = [
        read_table(path).assign(dataset=path.parent.name)
        for path in sorted(folder.glob("*/driving.csv"))
    ]
    return {
        "rows": rows,
        "layers": _network_layers(per_layer),
        "driving": rows_of(pd.concat(driving)) if driving else [],
    }


def _inhibited(edits: pd.DataFrame, dataset: str, network: str) -> Row:
    """Perplexity with a network inhibited, and with every draw of as many random units."""
    if edits.empty:
        return {}
    own = edits[(edits["metric"] == "perplexity") & (edits["how"] == "inhibit")]
    own = own[own["dataset"] == dataset]
    silenced = rows_of(own[own["condition"] == network])
    drawn = rows_of(own[(own["condition"] == "random") & (own["control_of"] == network)])
    if not silenced:
        return {}
    names = ("value", "low", "high", "n", "intact", "p", "q", "p_random", "q_random")
    return {
        "silenced": {name: silenced[0].get(name) for name in names},
        "random": [{name: row[name] for name in ("value", "low", "high", "n")} for row in drawn],
    }


def _network_layers(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Dataset -> int32 [networks, layers]: units of each network in each layer."""
    if table.empty:
        return {}
    group = table[table["level"] == "group"]
    found = {}
    for dataset, own in group.groupby("dataset", sort=False):
        square = own.pivot(index="template", columns="layer", values="n_units")
        found[str(dataset)] = square.sort_index().fillna(0).to_numpy(np.int32)
    return found
