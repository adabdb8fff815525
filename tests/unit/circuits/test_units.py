"""The table of the strongest units of circuits: what a pass kept of them, beside their scores."""

import json

import numpy as np
import pandas as pd

from brodmann.circuits.stages.units import COLUMNS, name_of, write_units
from brodmann.files import canonical_json, digest, write_json
from brodmann.store.store import Store
from brodmann.store.tensors import write_tensors

HOSTILE = '<b>"\n,'


def test_the_tokens_of_the_strongest_units_stand_beside_their_scores(tmp_path):
    tasks = ("language/one", "formal/heads", "social/excluded")
    units = {
        tasks[0]: [
            {
                "layer": 1,
                "unit": 2,
                "promotes": [[HOSTILE, 3.5], ["b", 1]],
                "suppresses": [["c", -2]],
            },
            {"layer": 0, "unit": 1, "promotes": [], "suppresses": []},  # no write vector
        ],
        tasks[1]: [{"layer": 0, "unit": 0, "promotes": [["d", 1]], "suppresses": [["e", -1]]}],
    }
    keys, store = {}, Store(tmp_path / "ablation")
    for task, found in units.items():
        keys[name_of(task)] = digest(task)
        store.put_many({digest(task): canonical_json({"units": found, "computed_with": {}})})
    store.close()
    write_json(tmp_path / "ablation.json", {"keys": keys})
    scores = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
    files = [str(tmp_path / f"{number}.safetensors") for number in range(3)]
    for file, values in zip(files, (scores, scores, np.zeros((0, 0), np.float32)), strict=True):
        write_tensors(file, {"attribution": values}, {})
    output = tmp_path / "units.csv"
    write_units(
        tasks=tasks,
        attributions=files,
        manifest=str(tmp_path / "ablation.json"),
        output=str(output),
    )
    table = pd.read_csv(output)
    assert tuple(table.columns) == COLUMNS
    first = table[table.task == tasks[0]]
    assert list(first["rank"]) == [1, 1, 1, 2] and list(first.side)[:3] == [
        *("promotes", "promotes", "suppresses"),
    ]
    assert [json.loads(token) for token in first.token[:3]] == [HOSTILE, "b", "c"]
    assert list(first.score) == [0.75, 0.75, 0.75, 0.125] and first.side.isna()[first.index[-1]]
    assert list(table.task.unique()) == list(tasks[:2])
