"""Which selections of localizers hold massive activations (``runner.massive``).

Works of the lesion pass, and the light job that writes the table (docs/localizers.md). Where a study leaves
such units out, they are those of the model's card, which selections have been made without.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np

from brodmann.config.massive import KEEP
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest
from brodmann.localizers.stages.lesion import LesionStage
from brodmann.localizers.stages.localizer import Localized
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.runner.bench import Bench
from brodmann.runner.massive import TIMES, massive
from brodmann.store.tables import write_table
from brodmann.store.work import Records, Work

TEXTS = 32  # whose first tokens are looked at
COLUMNS = ("network", "selection", "layer", "unit", "activation", "layer_median", "ratio")
NAME = "massive activations"


def works(stage: LesionStage) -> list[Work[Bench]]:
    """One record: massive activations of the localizers' site, at first tokens of the first one's texts."""
    first = next(iter(stage.localized.values()), None)
    if first is None or stage.settings.massive != KEEP:
        return []
    texts = list(first.contrast.positive[:TEXTS])
    key = digest(
        {
            "stage": "massive",
            "method": METHODS["massive"],
            "model": stage.card.identity(),
            "architecture": stage.card.architecture,
            "site": stage.settings.site,
            "texts": texts,
            "times": TIMES,
        }
    )
    return [Work.one(NAME, key, partial(_found, site=stage.settings.site, texts=texts))]


def _found(bench: Bench, site: str, texts: list[str]) -> bytes:
    rows = [ids[:1] for ids in bench.texts(texts)]
    parts = [values for _, values in bench.activations(site).pooled(rows, "last-token")]
    units = massive(np.concatenate(parts))
    return canonical_json({"units": units, "computed_with": bench.made_with})


# The light job


def write_massive(
    study: Study, *, model_json: str, localizer_manifest: str, manifest: str, output: str
) -> None:
    """Rule ``massive``: all massive units, then those that each selection which is lesioned holds."""
    card = ModelCard.read(model_json)
    if study.localizer.massive == KEEP:
        record = Records(manifest, "lesion").get(NAME, f"the stored {NAME}")
        # Earlier records have the active units of layers whose median unit is silent, too.
        units = [one for one in json.loads(record)["units"] if one["layer_median"] > 0]
    else:
        units = card.massive_at(study.localizer.site)
    rows = [_row("", "", one) for one in units]
    for network in study.localizer.networks:
        selected = Localized(study, card, network, localizer_manifest).selected(lesioned=True)
        for name, chosen in selected.items():
            held = set(map(tuple, chosen.pairs))
            inside = [one for one in units if (one["layer"], one["unit"]) in held]
            rows += [_row(network, name, one) for one in inside]
    write_table(output, rows, COLUMNS)


def _row(network: str, selection: str, unit: dict[str, Any]) -> dict[str, Any]:
    ratio = unit["activation"] / unit["layer_median"]
    return {"network": network, "selection": selection, **unit, "ratio": ratio}
