"""Agreement stage: the usual estimators held against true patching, unit by unit; records, then tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from brodmann.circuits.agreement import Agreement, agreement
from brodmann.circuits.estimators import COMPARED, compared, estimator
from brodmann.circuits.masks import Selection, select_units
from brodmann.circuits.replicates import Accumulator
from brodmann.circuits.stages.attribution import ItemList, Session, Stage
from brodmann.circuits.stages.files import TaskFiles
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest, write_text
from brodmann.methods import METHODS
from brodmann.runner.bench import Bench
from brodmann.store.store import Store
from brodmann.store.work import OnStep, Records, Work

COLUMNS = ("task", "estimator", *Agreement.__dataclass_fields__)
# Those of the estimators that are compared in every study; the study's own may be another.
UNIT_COLUMNS = ("task", "layer", "unit", "in_mask", *COMPARED, "exact")


def comparison_name(items: ItemList, component: str) -> str:
    """What the manifest calls the comparison on a list."""
    return f"{items.label}, {component}: estimators"


def comparison_key(stage: Stage, items: ItemList, component: str) -> str:
    """Hash of everything that it depends on."""
    settings = stage.settings
    return digest(
        {
            "of": stage.basis(items, component),
            **stage.population(component).in_keys(),
            "method": METHODS["agreement"],
            "units": settings.agreement.units,
            "items": settings.agreement.items,
            "main": stage.study.selection.main_name,
            "steps": settings.ig_steps,
            "seed": settings.seed,
        }
    )


def comparison_work(stage: Stage, items: ItemList, store: Store) -> Work[Bench]:
    """Of all kinds of unit. ``store``: of attributions, which are read."""
    names = {comparison_name(items, own): own for own in stage.settings.components}

    def compute(bench: Bench, lacking: Sequence[str], _: OnStep) -> Iterator[dict[str, bytes]]:
        session = Session(bench, stage)
        for name in lacking:
            yield {name: _measured(session, items, names[name], store)}

    keys = {name: comparison_key(stage, items, own) for name, own in names.items()}
    return Work(f"{items.label}: estimators", keys, compute, items.label, steps=lambda *_: 0)


def _measured(session: Session, items: ItemList, component: str, store: Store) -> bytes:
    """Estimates and the truth, of the main mask's units and of random ones."""
    stage, settings, task = session.stage, session.stage.settings, items.items.task
    record = store.get(stage.key(items, component))
    assert record is not None  # put there by this pass or an earlier one
    attribution = unpack(record)["attribution"]
    shape, selection = attribution.shape, stage.study.selection
    main, there = Selection(selection.signs[0], selection.main), stage.population(component)
    strong = select_units(attribution, main, n_units=len(there)).units
    dice = np.random.default_rng([settings.seed, *canonical_json(task)])
    rest = np.setdiff1d(there.units, strong)
    drawn = dice.choice(rest, size=min(settings.agreement.units, len(rest)), replace=False)
    units = np.concatenate([strong, np.sort(drawn)])
    some = list(session.bench.encoded(items)[: settings.agreement.items])
    columns = {"unit": units.astype(np.int64), "in_mask": np.isin(units, strong)}
    for one in compared(settings):
        attributor = session.attributor((component,), one)
        sums = Accumulator(np.zeros((0, len(some)), np.float32), shape)
        for part in attributor.contributions(task, some):
            sums.add(part.numbers, part.values[component])
        columns[one.name] = sums.mean.reshape(-1)[units]
    places = [(int(unit) // shape[1], int(unit) % shape[1]) for unit in units]
    attributor = session.attributor((component,), estimator(settings, "patching"))
    columns["exact"] = attributor.exact_effects(some, component, places).mean(0).numpy()
    columns["in_mask"] = columns["in_mask"].astype(np.int8)
    return pack(columns, metadata={"facts": json.dumps({"n_items": len(some)})})


def write_agreement(
    study: Study,
    *,
    files: TaskFiles,
    component: str,
    manifest: str,
    table: str,
    units: str,
) -> None:
    """Rule ``agreement``: per task and estimator how it agrees with the truth; and every unit's values."""
    stage = Stage(study, files.model_json)
    records = Records(manifest, "attribution")
    names = [one.name for one in compared(stage.settings)]
    summaries, parts = [], []
    for items, baseline in files:
        own = stage.list_of(items, baseline)
        if own is None:
            continue
        what = f"the stored comparison of estimators on {items.task}"
        found = unpack(records.get(comparison_name(own, component), what))
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
