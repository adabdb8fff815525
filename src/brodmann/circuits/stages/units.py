"""The strongest units of every circuit, and the tokens that they promote and suppress.

The ablation pass, which has the circuits and loads the model, keeps the tokens; a light job sets them beside
the scores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from brodmann.files import canonical_json, digest
from brodmann.methods import METHODS
from brodmann.runner.bench import Bench
from brodmann.store.masks import EXPERT
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor
from brodmann.store.work import Records, Work

if TYPE_CHECKING:
    from brodmann.circuits.stages.ablation import Circuits
    from brodmann.models.card import ModelCard

NEURONS = "neurons"  # no other component's units have a write vector of their own
UNITS, TOKENS = 5, 8
COLUMNS = ("task", "rank", "layer", "unit", "score", "side", "place", "token", "logit")


def name_of(task: str) -> str:
    """What the manifest calls the tokens of a task's strongest units."""
    return f"{task}: what its units promote"


def works(card: ModelCard, circuits: Circuits) -> Iterator[Work[Bench]]:
    """A record per task, of the first units of its circuit."""
    for task, units in circuits.units.items():
        places = [divmod(unit, circuits.there.width) for unit in units[:UNITS]]
        key = digest(
            {
                "stage": "promoted",
                "method": METHODS["promoted"],
                "model": card.identity(),
                "architecture": card.architecture,
                "units": places,
                "tokens": TOKENS,
            }
        )
        yield Work.one(name_of(task), key, partial(_promoted, places=places))


def _promoted(bench: Bench, places: Sequence[tuple[int, int]]) -> bytes:
    from brodmann.runner.writing import promoted

    found = [asdict(one) for one in promoted(bench.model, places, TOKENS)]
    if (experts := bench.model.experts) is not None:
        for one in found:
            own = experts.of(one["layer"], one["unit"])
            one[EXPERT] = None if own is None else own[0]
    return canonical_json({"units": found, "computed_with": bench.made_with})


# The light job


def write_units(
    *, tasks: Sequence[str], attributions: Sequence[str], manifest: str, output: str
) -> None:
    """Rule ``units``. ``attributions``: a file per task, [0, 0] of an excluded one."""
    records = Records(manifest, "ablation")
    rows: list[dict[str, Any]] = []
    for task, path in zip(tasks, attributions, strict=True):
        scores = read_tensor(path, "attribution")
        if not scores.size:
            continue
        record = json.loads(records.get(name_of(task), f"what the units of {task} promote"))
        for rank, one in enumerate(record["units"], 1):
            score = float(scores[one["layer"], one["unit"]])
            shared = {"task": task, "rank": rank, "layer": one["layer"], "unit": one["unit"]}
            shared |= {EXPERT: one[EXPERT]} if EXPERT in one else {}
            rows += _token_rows({**shared, "score": score}, one)
    write_table(
        output, rows, (*COLUMNS, *((EXPERT,) if any(EXPERT in row for row in rows) else ()))
    )


def _token_rows(shared: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row per token; a single one without tokens, where a unit has none."""
    rows = [
        {**shared, "side": side, "place": place, "token": json.dumps(token), "logit": change}
        for side in ("promotes", "suppresses")
        for place, (token, change) in enumerate(found[side], 1)
    ]
    return rows or [shared]
