"""What the atlas's linked views show, read from the files of results.

The page computes no statistic: every mean, interval and test stands in ``statistics/``, in a model's folder,
or comes of the functions that the figures use. A *row* is a dict with the columns of its file; NaN is None.
Arrays are numpy's, whose encoding is the writer's. Fields: docs/atlas.md, Data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import control_summary
from brodmann.circuits.enough import group_of
from brodmann.config.attribution import MODERATE, RELIABLE, STABLE
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of

Row = dict[str, Any]

THRESHOLDS = {"stable": STABLE, "reliable": RELIABLE, "moderate": MODERATE}
# Columns that tables of every version have. What else a table holds is shown, too.
COLUMNS = {
    "summary": ("model", "component", "sel", "measure"),
    "clusters": ("model", "component", "measure", "sel", "task", "cluster"),
    "course": ("place", "piece", "network", "course"),
    "lesions": ("source", "condition", "trial", "n", "drop", "score"),
    "localizer": ("condition", "percentage", "seed", "kind", "measure", "task", "n", "value"),
    "faithfulness": ("task", "order", "trial", "sign"),
    "sizes": ("dataset", "level", "network", "n_units", "percent", "explained", "stability"),
    "layers": ("dataset", "level", "template", "layer", "n_units"),
    "editing": ("dataset", "condition", "control_of", "how", "metric", "n", "value", "intact"),
    "driving": ("network", "text", "token", "course"),
}
# Long, and the same in every row of a table.
_UNSEEN = ["method", "unit", "seed", "permutations"]
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


def summary(results: Path) -> dict[str, Any]:
    """Of the study: within and across domains, per model and selection, and beside the untrained control;
    and ``thresholds``: from where on circuits are stable (Jaccard), or reliable (share of units)."""
    rows: dict[str, Any] = {
        field: rows_of(read_table(path, COLUMNS["summary"]).drop(columns=_UNSEEN, errors="ignore"))
        if path.is_file()
        else []
        for field, name in _SUMMARY.items()
        if (path := results / "statistics" / f"{name}.csv")
    }
    return {**rows, "thresholds": dict(THRESHOLDS)}


def of_model(results: Path, model: str) -> Iterator[tuple[str, Any]]:
    """(logical name, content) of the files that a model's views read; without those that hold nothing."""
    made = {"clusters": clusters, "curves": curves, "nets": nets}
    for name, make in made.items():
        if any((content := make(results, model)).values()):
            yield name, content
    for path in sorted((results / model).glob("networks/interpretation/course.*.csv")):
        dataset = path.name.removeprefix("course.").removesuffix(".csv")
        yield f"courses.{dataset}", course(read_table(path, COLUMNS["course"]))


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    *outer, last = keys
    for key in outer:
        tree = tree.setdefault(key, {})
    tree[last] = value


def _lesions(folder: Path) -> Iterator[tuple[tuple[str, str, str], Path]]:
    """(component, sel, kind) -> folder of the tables of tasks."""
    for path in sorted(folder.glob("ablation/*/*/*/")):
        yield (path.parent.parent.name, path.parent.name, path.name), path


def _lesion_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Tested task -> its table: a row for every lesion."""
    files = sorted(folder.glob("*/*.csv"))
    return {
        f"{path.parent.name}/{path.stem}": read_table(path, COLUMNS["lesions"]) for path in files
    }


def clusters(results: Path, model: str) -> dict[str, Any]:
    """component -> measure -> sel -> task -> number of its cluster."""
    path = results / "statistics" / "clusters.csv"
    payload: dict[str, Any] = {}
    if not path.is_file():
        return payload
    table = read_table(path, COLUMNS["clusters"])
    for keys, own in table[table["model"] == model].groupby(["component", "measure", "sel"]):
        numbers = {str(task): int(n) for task, n in zip(own["task"], own["cluster"], strict=True)}
        _put(payload, [str(key) for key in keys], numbers)
    return payload


# Curves


def curves(results: Path, model: str) -> dict[str, Any]:
    """What grows with the number of units: what lesions do, and what circuits do alone."""
    folder = results / model
    return {
        "circuits": _circuit_doses(folder),
        "localizers": {
            path.parent.name: localizer_doses(
                read_table(path, COLUMNS["localizer"]), path.parent.name
            )
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
        about: Row = {"component": component, "sel": sel, "sign": sign, "kind": kind}
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
    # Imported here: it sets matplotlib's look, and who opens an atlas from Python has one of their own.
    from brodmann.figures.localized import dose_table

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
            part: rows_of(_grouped(read_table(file, COLUMNS["faithfulness"])))
            if file.is_file()
            else []
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
        read_table(path, COLUMNS[name])
        if (path := folder / f"{name}.csv").is_file()
        else pd.DataFrame()
        for name in ("sizes", "layers", "editing")
    )
    rows: list[Row] = []
    for row in rows_of(sizes[sizes["level"] == "group"]) if len(sizes) else []:
        number = int(row["network"])
        kept = {name: row[name] for name in ("dataset", "n_units", "percent", "explained")}
        own = {"network": number, "stability": row["stability"]}
        rows.append({**kept, **own, **_inhibited(edits, row["dataset"], f"network-{number}")})
    driving = [
        read_table(path, COLUMNS["driving"]).assign(dataset=path.parent.name)
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


def course(table: pd.DataFrame) -> dict[str, Any]:
    """Networks over the example text: ``texts`` [{name, tokens}], ``networks`` float32 [networks, tokens].

    A piece of text that took several tokens stands at the first one, the others are empty.
    """
    names = list(dict.fromkeys(table["network"]))
    tokens: list[str] = []
    columns: list[np.ndarray] = []
    for _, piece in table.groupby("place", sort=True):
        values = piece["course"].to_numpy(np.float32).reshape(len(names), -1)
        columns.append(values)
        tokens += [str(piece["piece"].iloc[0]), *[""] * (values.shape[1] - 1)]
    joined = np.concatenate(columns, axis=1) if columns else np.zeros((len(names), 0), np.float32)
    return {"texts": [{"name": "example", "tokens": tokens}], "networks": joined}
