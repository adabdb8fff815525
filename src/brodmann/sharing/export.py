"""Circuits in formats of other tools: masks as tensors (safetensors), and graphs of EAP-IG and MIB (JSON).

A graph of EAP-IG (Hanna et al., 2024; the circuit track of MIB reads the same files) has a node for each
attention head (``a3.h5``) and each MLP (``m3``). Its scores here are attributions: of a head its own, of an
MLP the sum over its neurons, which is the first-order effect of patching the whole MLP. Edges have no scores
in brodmann. A circuit has all edges between its nodes: these tools take a node without edges out of a graph.
They expect the same nodes in every layer: a hybrid's layers without heads or MLP have some of score 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_READS = ("<q>", "<k>", "<v>")


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
        for sel in study.mask_selections:
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


def write_graphs(
    study: StudyFolder, model: str, folder: str | Path, *, parallel: bool = False
) -> list[Path]:
    """A graph for each task that the model was included with: ``{folder}/{model}/{task}.json``.

    ``in_graph`` are the nodes of the task's circuit of heads and MLPs, if the study has these
    (``granularity.levels: [mixed]``, the first size), and all edges between them; else none are.
    ``parallel``: the attention and the MLP of a block read the same stream.
    """
    own = study.results / model
    card = ModelCard.read(own / "model.json")
    if card.experts is not None:
        what = "a graph needs scores of MLPs; in a mixture of experts those of neurons do not add up to them"
        raise UserError.at(str(own), what, "export its masks")
    scores = {
        one: dict(zip(*read_scores(own, one, study.tasks), strict=True)) for one in (HEADS, NEURONS)
    }
    tasks = [task for task in scores[HEADS] if task in scores[NEURONS]]
    if not tasks:
        what = "a graph needs attributions of heads and of neurons"
        fix = "set attribution.components: [neurons, heads] and run the study again"
        raise UserError.at(str(own), what, fix)
    cfg = {
        "n_layers": card.n_layers,
        "n_heads": card.heads_per_layer,
        "parallel_attn_mlp": parallel,
        "d_model": card.hidden_size,
    }
    circuits = _mixed(own)
    written = []
    for task in tasks:
        inside = circuits.get(task, set())
        ends = {"in_graph": bool(inside)}
        nodes: dict[str, Any] = {"input": ends}
        mlps = scores[NEURONS][task].astype(float).sum(1)
        for layer, heads in enumerate(scores[HEADS][task]):
            own_scores = {f"a{layer}.h{head}": score for head, score in enumerate(heads)}
            for name, score in {**own_scores, f"m{layer}": mlps[layer]}.items():
                nodes[name] = {"in_graph": name in inside, "score": float(score)}
        nodes["logits"] = ends
        kept = [name for name in nodes if name in inside]
        edges = {name: {"score": 0.0, "in_graph": True} for name in _edges(kept, parallel)}
        path = Path(folder, model, f"{task}.json")
        write_json(path, {"cfg": cfg, "nodes": nodes, "edges": edges}, indent=None)
        written.append(path)
    return written


def _edges(nodes: Sequence[str], parallel: bool) -> Iterator[str]:
    """Names of all edges between these heads and MLPs, the input and the logits; none of no nodes.

    ``nodes``: in the model's order. A head reads by its queries, keys and values.
    """
    if not nodes:
        return
    layers = [int(name[1:].partition(".")[0]) for name in nodes]
    for number, child in enumerate(nodes):
        is_head = "." in child
        before = [
            name
            for name, layer in zip(nodes[:number], layers[:number], strict=True)
            if layer < layers[number] or not (is_head or parallel)
        ]
        for parent in ("input", *before):
            yield from (f"{parent}->{child}{read}" for read in (_READS if is_head else ("",)))
    yield from (f"{parent}->logits" for parent in ("input", *nodes))


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
