"""Agreement stage: the stored comparison of estimators as tables and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from safetensors.numpy import load as unpack

from brodmann.circuits.agreement import Agreement, agreement
from brodmann.circuits.estimators import COMPARED, compared
from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.stages.attribution import Stage
from brodmann.config.study import Study
from brodmann.files import write_text
from brodmann.store.work import Records
from brodmann.tasks.items import read_items

COLUMNS = ("task", "estimator", *Agreement.__dataclass_fields__)
# Those of the estimators that are compared in every study; the study's own may be another.
UNIT_COLUMNS = ("task", "layer", "unit", "in_mask", *COMPARED, "exact")


def write_agreement(
    study: Study,
    *,
    model_json: str,
    component: str,
    item_files: Sequence[str],
    baseline_files: Sequence[str],
    manifest: str,
    table: str,
    units: str,
) -> None:
    """Rule ``agreement``: per task and estimator how it agrees with the truth; and every unit's values."""
    stage = Stage(study, model_json)
    records = Records(manifest, "attribution")
    names = [one.name for one in compared(stage.settings)]
    summaries, parts = [], []
    for items_file, baseline_file in zip(item_files, baseline_files, strict=True):
        items = read_items(items_file)
        own = stage.list_of(items, Baseline.read(baseline_file))
        if own is None:
            continue
        what = f"the stored comparison of estimators on {items.task}"
        found = unpack(records.get(own.compared(component), what))
        width = stage.shape(component)[1]
        parts.append(
            pd.DataFrame(
                {
                    "task": items.task,
                    "layer": found["unit"] // width,
                    "unit": found["unit"] % width,
                    "in_mask": found["in_mask"],
                    **{name: found[name].astype(np.float64) for name in (*names, "exact")},
                }
            )
        )
        for name in names:
            one = agreement(found[name], found["exact"], found["in_mask"].astype(bool))
            summaries.append({"task": items.task, "estimator": name, **asdict(one)})
    _write(table, pd.DataFrame(summaries, columns=list(COLUMNS)))
    empty = pd.DataFrame(columns=["task", "layer", "unit", "in_mask", *names, "exact"])
    _write(units, pd.concat(parts, ignore_index=True) if parts else empty)


def _write(path: str, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, float_format="%.8g", lineterminator="\n"))
