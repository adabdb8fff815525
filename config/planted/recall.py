"""How much of what was planted do circuits find? ``python config/planted/recall.py RESULTS MODEL`` says it.

A circuit's neurons are held against those that its world owns: ``precision`` is the share of the circuit
that is its world's, ``recall`` the share of the world's neurons that the circuit has, and ``mass`` the share
of all absolute attribution that is on the world's neurons. A quarter of the neurons is a world's: precision
and mass by chance are 0.25.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

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
    mass: float


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
        found, size = int(own[layers, units].sum()), np.abs(scores)
        mass = float(size[own].sum() / size.sum())
        yield Recall(place, form, len(units), found / len(units), found / int(own.sum()), mass)


def table(found: dict[str, list[Recall]]) -> str:
    """A Markdown table with a row per name: means over circuits, and the smallest of each."""
    lines = ["| | circuits | size | precision | recall | mass |", "| --- " * 6 + "|"]
    for name, rows in found.items():
        cells = [f"{len(rows)}", f"{np.mean([row.size for row in rows]):.0f}"]
        for key in ("precision", "recall", "mass"):
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
