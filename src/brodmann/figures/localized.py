"""What figures of localized networks show, read from the results of all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from brodmann.comparison.written import COLUMNS as WRITTEN
from brodmann.config.selection import selection_words
from brodmann.figures.localizer import (
    draw_depth,
    draw_dose,
    draw_network_overlap,
    draw_selectivity,
    draw_written,
)
from brodmann.figures.panels import square_of
from brodmann.figures.registry import Asked, Files, called
from brodmann.figures.style import domain_label
from brodmann.localizers import localizer_name
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.store import masks
from brodmann.store.tables import read_table
from brodmann.store.tensors import read_tensor
from brodmann.tasks.catalogue import domain_of


@dataclass(frozen=True)
class Network:
    """One network of one model: t of all units [layers, units], and the selected units."""

    model: str
    label: str  # of the model, controls marked
    network: str
    t: np.ndarray
    units: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """For headings."""
        return f"{self.label}: {localizer_name(self.network)}"

    @property
    def per_layer(self) -> np.ndarray:
        """Selected units in per cent of each layer's units."""
        counts = np.bincount([layer for layer, _ in self.units], minlength=len(self.t))
        return 100 * counts / self.t.shape[1]

    @property
    def threshold(self) -> float:
        """t of the least selective selected unit."""
        return min((float(self.t[unit]) for unit in self.units), default=float("nan"))


def read_networks(files: Files, asked: Asked) -> list[Network]:
    """Every network of every model, with the units of the selection that is shown."""
    found = []
    pairs = product(asked["models"], asked["networks"])
    for (model, network), path in zip(pairs, files["selectivity"], strict=True):
        units = masks.read(Path(path).with_name(f"{asked['selection']}.csv")).units
        t = read_tensor(path, "t")
        found.append(Network(model, called(model, asked["controls"]), network, t, units))
    return found


def _title(asked: Asked) -> str:
    return selection_words(asked["selection"], "units") if asked["selection"] else ""


def of_depth(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Where selected units are."""
    networks = read_networks(files, asked)
    depth = {one.name: one.per_layer for one in networks}
    return draw_depth(depth, title=_title(asked)), _depth_table(networks)


def of_selectivity(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """How selective units are."""
    networks = read_networks(files, asked)
    shown = {one.name: (one.network, one.t, one.threshold) for one in networks}
    return draw_selectivity(shown, title="Selectivity of all units"), _histograms(networks)


def of_overlap(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """How far the networks of each model overlap."""
    overlaps = _overlaps(read_networks(files, asked))
    squares = {}
    for label, own in overlaps.groupby("label", sort=False):
        squares[label] = square_of(own, "network", "other", "jaccard")
    return draw_network_overlap(squares, title=_title(asked)), overlaps


def of_doses(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Perplexity and accuracy against how many units are silenced."""
    pairs = product(asked["models"], asked["networks"])
    parts = [
        dose_table(read_table(path, LESIONS), called(model, asked["controls"]), network)
        for (model, network), path in zip(pairs, files["lesions"], strict=True)
    ]
    doses = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["panel"])
    return draw_dose(doses, title="Perplexity and accuracy with units silenced"), doses


def of_written(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """What circuits write on localized units."""
    tables = []
    pairs = product(asked["writing"], asked["networks"])
    for (model, network), path in zip(pairs, files["written"], strict=True):
        own = {"model": model, "network": network, "label": called(model, asked["controls"])}
        tables.append(read_table(path, WRITTEN).assign(**own))
    columns = ["model", "network", "label", "task", "domain", "n", "share", "chance", "ratio"]
    columns += ["p", "q"]
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    joined = joined[columns]
    names = [localizer_name(network) for network in joined["network"]]
    drawn = joined.assign(
        panel=[f"{a}: {b} localizer" for a, b in zip(joined["label"], names, strict=True)]
    )
    return draw_written(drawn, title="What circuits of neurons write on localized units"), joined


def _depth_table(networks: Sequence[Network]) -> pd.DataFrame:
    rows = [
        (one.model, one.network, layer, value)
        for one in networks
        for layer, value in enumerate(one.per_layer)
    ]
    return pd.DataFrame(rows, columns=["model", "network", "layer", "percent"])


def _histograms(networks: Sequence[Network]) -> pd.DataFrame:
    rows = []
    for one in networks:
        counts, edges = np.histogram(one.t[np.isfinite(one.t)], bins=80)
        bins = zip(edges, edges[1:], counts.tolist(), strict=False)
        rows += [(one.model, one.network, *own, one.threshold) for own in bins]
    columns = ["model", "network", "t_from", "t_to", "units", "threshold"]
    return pd.DataFrame(rows, columns=columns)


def _overlaps(networks: Sequence[Network]) -> pd.DataFrame:
    """Jaccard index of every two networks of a model, with themselves included."""
    rows = []
    for one, other in product(networks, repeat=2):
        if other.model == one.model:
            a, b = set(one.units), set(other.units)
            jaccard = len(a & b) / len(a | b) if a | b else np.nan
            names = one.model, one.label, one.network, other.network
            rows.append((*names, len(a & b), jaccard))
    columns = ["model", "label", "network", "other", "shared", "jaccard"]
    return pd.DataFrame(rows, columns=columns)


def dose_table(lesions: pd.DataFrame, label: str, network: str) -> pd.DataFrame:
    """What ``draw_dose`` draws, of one network's lesion.csv: perplexity, and accuracy per domain.

    Accuracies of a domain's tasks are pooled over their items, with Wilson's interval. Of several kinds of
    lesion the first is taken.
    """
    lesions = lesions[lesions["condition"].isin(("intact", "lesion", "random"))]
    kinds = lesions["kind"].dropna()
    if len(kinds):
        lesions = lesions[lesions["kind"].isna() | (lesions["kind"] == kinds.iloc[0])]
    name = localizer_name(network)
    perplexity = lesions[lesions["measure"] == "perplexity"]
    parts = [perplexity.assign(what="perplexity")]
    tasks = lesions[lesions["measure"] == "accuracy"]
    tasks = tasks.assign(domain=[domain_of(str(task)) for task in tasks["task"]])
    keys = ["condition", "percentage", "seed", "measure"]
    for domain, own in tasks.groupby("domain", sort=False):
        pooled = [
            dict(zip(keys, key, strict=True)) | _pooled(rows)
            for key, rows in own.groupby(keys, sort=False, dropna=False)
        ]
        parts.append(pd.DataFrame(pooled).assign(what=f"{domain_label(domain)} tasks"))
    table = pd.concat(parts, ignore_index=True).assign(network=network, label=label)
    table["panel"] = [f"{label}\n{name}: {what}" for what in table["what"]]
    columns = ["panel", "network", "measure", "condition", "percentage", "seed", "n", "value"]
    return table.reindex(columns=[*columns, "low", "high", "label", "what"])


def _pooled(rows: pd.DataFrame) -> dict[str, float]:
    n = int(rows["n"].sum())
    if not n:
        return {"n": 0, "value": np.nan, "low": np.nan, "high": np.nan}
    right = round(float((rows["value"] * rows["n"]).sum()))
    interval = binomtest(right, n).proportion_ci(method="wilson")
    return {"n": n, "value": right / n, "low": interval.low, "high": interval.high}
