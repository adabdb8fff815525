"""Circuits in formats of other tools: masks as tensors (safetensors), and graphs of EAP-IG and MIB (JSON).

A graph of EAP-IG (Hanna et al., 2024; the circuit track of MIB reads the same files) has a node for each
attention head (``a3.h5``) and each MLP (``m3``). Its scores here are attributions: of a head its own, of an
MLP the sum over its neurons, which is the first-order effect of patching the whole MLP. Edges have no scores
in brodmann.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brodmann.atlas.circuits import read_mask, read_scores
from brodmann.atlas.maps import localizers, read_localizer
from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError
from brodmann.files import write_json
from brodmann.models.card import ModelCard
from brodmann.sites import COMPONENTS
from brodmann.store.tables import read_table
from brodmann.store.tensors import write_tensors

NEURONS, HEADS, MIXED = "neurons", "heads", "mixed"


def write_masks(study: StudyFolder, model: str, path: str | Path) -> int:
    """All masks of a model: a tensor of truth values [layers, units] each; returns how many.

    ``circuits/{component}/{sel}/{task}`` and ``localizers/{localizer}/{selection}``. The metadata say of
    which weights, and at which site of a block, the units are.
    """
    folder = study.results / model
    card = ModelCard.read(folder / "model.json")
    tensors, sites = (
        dict(_circuits(study, folder, card)),
        {f"circuits/{one}": COMPONENTS[one] for one in study.components},
    )
    for name in study.asked(localizers(folder), "localizer", "networks"):
        found = read_localizer(folder, name)
        sites[f"localizers/{name}"] = found.site
        for selection, units in {**found.selections, **found.random}.items():
            tensors[f"localizers/{name}/{selection}"] = _mask(found.t.shape, units)
    if not tensors:
        raise UserError.at(str(folder), "has no masks")
    said = {"model": model, "source": card.resolved_source, "weights": card.weights_hash}
    write_tensors(path, tensors, {**said, "sites": sites, "brodmann": study.version})
    return len(tensors)


def _circuits(
    study: StudyFolder, folder: Path, card: ModelCard
) -> Iterator[tuple[str, np.ndarray]]:
    for component in study.components:
        shape = card.n_layers, card.units(component)
        for sel in study.selections:
            for task in study.tasks:
                path = folder / "masks" / component / sel / f"{task}.csv"
                if path.is_file():
                    yield (
                        f"circuits/{component}/{sel}/{task}",
                        _mask(shape, read_mask(path, shape[1])[0]),
                    )


def _mask(shape: tuple[int, ...], units: np.ndarray) -> np.ndarray:
    found = np.zeros(shape, dtype=bool)
    found.reshape(-1)[units] = True
    return found


def write_graphs(study: StudyFolder, model: str, folder: str | Path) -> list[Path]:
    """A graph for each task that the model was included with: ``{folder}/{model}/{task}.json``.

    ``in_graph`` are the nodes of the task's circuit of heads and MLPs, if the study has these
    (``granularity.levels: [mixed]``, the first size); else all are.
    """
    own = study.results / model
    card = ModelCard.read(own / "model.json")
    if card.experts is not None:
        what = "a graph needs scores of MLPs; in a mixture of experts those of neurons do not add up to them"
        raise UserError.at(str(own), what, "export its masks")
    scores = {one: read_scores(own, one, study.tasks) for one in (HEADS, NEURONS)}
    if not all(tasks for tasks, _ in scores.values()):
        what = "a graph needs attributions of heads and of neurons"
        fix = "set attribution.components: [neurons, heads] and run the study again"
        raise UserError.at(str(own), what, fix)
    (tasks, heads), (_, neurons) = scores[HEADS], scores[NEURONS]
    # The model's own width of a residual stream; edges that it does not have are none of ours.
    cfg = {
        "n_layers": card.n_layers,
        "n_heads": card.heads_per_layer,
        "parallel_attn_mlp": False,
        "d_model": card.hidden_size,
    }
    circuits = _mixed(own)
    written = []
    for row, task in enumerate(tasks):
        values = {f"a{at}.h{head}": score for (at, head), score in np.ndenumerate(heads[row])}
        values |= {f"m{at}": score for at, score in enumerate(neurons[row].astype(float).sum(1))}
        inside = circuits.get(task, set(values))
        nodes: dict[str, Any] = {"input": {"in_graph": True}}
        for layer in range(card.n_layers):
            for name in (
                *(f"a{layer}.h{head}" for head in range(card.heads_per_layer)),
                f"m{layer}",
            ):
                nodes[name] = {"in_graph": name in inside, "score": float(values[name])}
        nodes["logits"] = {"in_graph": True}
        path = Path(folder, model, f"{task}.json")
        write_json(path, {"cfg": cfg, "nodes": nodes, "edges": {}}, indent=None)
        written.append(path)
    return written


def _mixed(folder: Path) -> dict[str, set[str]]:
    """Task -> names of the nodes of its circuit of heads and MLPs, of the first size; none without these."""
    path = folder / "granularity" / "circuits.csv"
    if not path.is_file():
        return {}
    table = read_table(path, ("level", "percent", "task", "layer", "unit"))
    table = table[table["level"] == MIXED]
    table = table[table["percent"] == table["percent"].min()]
    names = [
        f"m{layer}" if pd.isna(unit) else f"a{layer}.h{int(unit)}"
        for layer, unit in zip(table["layer"], table["unit"], strict=True)
    ]
    return {
        task: set(one)
        for task, one in pd.Series(names, dtype=str).groupby(table["task"].to_numpy())
    }
