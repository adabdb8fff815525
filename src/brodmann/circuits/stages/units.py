"""The strongest units of every circuit, and the tokens that they promote and suppress.

The attribution pass, which has the model loaded, keeps the tokens; a light job sets them beside the scores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from safetensors.numpy import load as unpack

from brodmann.circuits.masks import Selection, strongest
from brodmann.circuits.stages.attribution import ItemList, Stage
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest
from brodmann.methods import METHODS
from brodmann.runner.bench import Bench
from brodmann.store.store import Store
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor
from brodmann.store.work import Records, Work

NEURONS = "neurons"  # no other component's units have a write vector of their own
UNITS, TOKENS = 5, 8
COLUMNS = ("task", "rank", "layer", "unit", "score", "side", "place", "token", "logit")


def name_of(task: str) -> str:
    """What the manifest calls the tokens of a task's strongest units."""
    return f"{task}: what its units promote"


def works(stage: Stage, lists: Sequence[ItemList], store: Store) -> Iterator[Work[Bench]]:
    """A record per task, made of its attribution, which is in the ``store``."""
    for items in lists if NEURONS in stage.settings.components else ():
        if not items.second:
            key = _key(stage, items)
            yield Work.one(name_of(items.task), key, _computed(stage, items, store))


def _key(stage: Stage, items: ItemList) -> str:
    return digest(
        {
            "stage": "promoted",
            "method": METHODS["promoted"],
            "attribution": stage.key(items, NEURONS),
            "sign": stage.study.selection.signs[0],
            **{"units": UNITS, "tokens": TOKENS},
        }
    )


def _places(attribution: np.ndarray, sign: str) -> list[tuple[int, int]]:
    """(layer, unit) of the strongest units of an attribution [layers, units]."""
    flat = np.ascontiguousarray(attribution).reshape(-1)
    return [divmod(int(u), attribution.shape[1]) for u in strongest(flat, sign, UNITS)]


def _computed(stage: Stage, items: ItemList, store: Store) -> Callable[[Bench], bytes]:
    def compute(bench: Bench) -> bytes:
        from brodmann.runner.writing import promoted

        record = store.get(stage.key(items, NEURONS))
        assert record is not None  # put there by this pass or an earlier one
        places = _places(unpack(record)["attribution"], stage.study.selection.signs[0])
        found = [asdict(one) for one in promoted(bench.model, places, TOKENS)]
        return canonical_json({"units": found, "computed_with": bench.made_with})

    return compute


# The light job


def write_units(
    study: Study,
    *,
    model_json: str,
    tasks: Sequence[str],
    attributions: Sequence[str],
    manifest: str,
    output: str,
) -> None:
    """Rule ``units``. ``attributions``: a file per task, [0, 0] of an excluded one."""
    records, rows = Records(manifest, "attribution"), []
    sign = study.selection.signs[0]
    for task, path in zip(tasks, attributions, strict=True):
        scores = read_tensor(path, "attribution")
        if not scores.size:
            continue
        record = json.loads(records.get(name_of(task), f"what the units of {task} promote"))
        size = Selection(sign, study.selection.main).size(scores.size)
        for rank, one in enumerate(record["units"][:size], 1):
            score = float(scores[one["layer"], one["unit"]])
            shared = {"task": task, "rank": rank, "layer": one["layer"], "unit": one["unit"]}
            rows += _token_rows({**shared, "score": score}, one)
    write_table(output, rows, COLUMNS)


def _token_rows(shared: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row per token; a single one without tokens, where a unit has none."""
    rows = [
        {**shared, "side": side, "place": place, "token": json.dumps(token), "logit": change}
        for side in ("promotes", "suppresses")
        for place, (token, change) in enumerate(found[side], 1)
    ]
    return rows or [shared]
