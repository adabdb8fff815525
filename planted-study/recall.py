"""How much of what was planted do circuits find? ``python planted-study/recall.py RESULTS MODEL`` says it.

A circuit's neurons are held against those that its world owns: ``precision`` is the share of the circuit
that is its world's, ``recall`` the share of the world's neurons that the circuit has, and ``auc`` the chance
that a neuron of the world has a larger absolute attribution than one of another world (0.5 if scores say
nothing, ties count half). A quarter of the neurons is a world's: precision by chance is 0.25.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy.stats import rankdata

from brodmann.store import masks

sys.path.insert(0, str(Path(__file__).resolve().parent))
import world

WORLDS = list(world.WORLDS)


@dataclass(frozen=True)
class Recall:
    """Of one task's circuit."""

    world: str
    form: str
    size: int
    precision: float
    recall: float
    auc: float


def owners(shape: tuple[int, int]) -> np.ndarray:
    """The number of the world that owns each neuron, [layers, neurons]."""
    return np.broadcast_to(np.array(world.owners(shape[1])), shape)


def recalls(results: Path, model: str, sel: str) -> Iterator[Recall]:
    """Of every circuit of the selection that a model has, in a study's folder of results."""
    for path in sorted((results / model / "masks" / "neurons" / sel).glob("*/*.csv")):
        place, form = path.parent.name, path.stem
        stored = results / model / "attribution" / "neurons" / place / f"{form}.safetensors"
        scores = load_file(stored)["attribution"]
        own = owners(scores.shape) == WORLDS.index(place)
        layers, units = np.array(masks.read(path).units, dtype=int).reshape(-1, 2).T
        if not len(units):
            continue  # the task is excluded
        found = int(own[layers, units].sum())
        yield Recall(
            place, form, len(units), found / len(units), found / int(own.sum()), area(scores, own)
        )


def area(scores: np.ndarray, own: np.ndarray) -> float:
    """P(|score| of an own unit > that of another), ties half: the area under the ROC curve."""
    ranks = rankdata(np.abs(scores).ravel())[own.ravel()]
    positive, negative = int(own.sum()), int((~own).sum())
    return float((ranks.sum() - positive * (positive + 1) / 2) / (positive * negative))


def table(found: dict[str, list[Recall]]) -> str:
    """A Markdown table with a row per name: means over circuits, and the smallest of each."""
    lines = ["| | circuits | size | precision | recall | AUC |", "| --- " * 6 + "|"]
    for name, rows in found.items():
        cells = [f"{len(rows)}", f"{np.mean([row.size for row in rows]):.0f}"]
        for key in ("precision", "recall", "auc"):
            values = [getattr(row, key) for row in rows]
            cells.append(f"{np.mean(values):.3f} ({min(values):.3f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table of the sizes that were made."""
    parser = argparse.ArgumentParser(description=__doc__.partition("?")[0])
    parser.add_argument("results", type=Path, help="the folder results/ of a study of this model")
    parser.add_argument("model")
    options = parser.parse_args()
    sizes = sorted(
        path.name for path in (options.results / options.model / "masks/neurons").iterdir()
    )
    print(table({sel: list(recalls(options.results, options.model, sel)) for sel in sizes}))


if __name__ == "__main__":
    main()
