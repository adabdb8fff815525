"""Massive activations: units that carry far more than all others where a text begins.

Attention rests on the first token, and some models keep a very large activation there in a few units. Lesions
that happen to hold one of them destroy the model, whatever their other units do (docs/localizers.md). A unit
is massive if the median of its absolute activation at first tokens is more than ``TIMES`` the median over all
units of its layer. Works of the lesion pass, and the light job that says which selections hold such units.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np

from brodmann.config.study import Study
from brodmann.files import canonical_json, digest
from brodmann.localizers.stages.lesion import LesionStage
from brodmann.localizers.stages.localizer import Localized
from brodmann.methods import METHODS
from brodmann.runner.bench import Bench
from brodmann.store.tables import write_table
from brodmann.store.work import Records, Work

TIMES = 100.0
TEXTS = 32  # whose first tokens are looked at
COLUMNS = ("network", "selection", "layer", "unit", "activation", "layer_median", "ratio")
NAME = "massive activations"


def works(stage: LesionStage) -> list[Work[Bench]]:
    """One record: massive activations of the localizers' site, at first tokens of the first one's texts."""
    first = next(iter(stage.localized.values()), None)
    if first is None:
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


def massive(activations: np.ndarray) -> list[dict[str, Any]]:
    """The massive units of ``activations`` [texts, layers, units] at first tokens, layer by layer."""
    typical = np.median(np.abs(activations), axis=0)
    middle = np.median(typical, axis=1)
    return [
        {
            "layer": int(layer),
            "unit": int(unit),
            "activation": float(typical[layer, unit]),
            "layer_median": float(middle[layer]),
        }
        for layer, unit in np.argwhere(typical > TIMES * middle[:, None])
    ]


# The light job


def write_massive(study: Study, *, localizer_manifest: str, manifest: str, output: str) -> None:
    """Rule ``massive``: all massive units, then those that each selection which is lesioned holds."""
    record = Records(manifest, "lesion").get(NAME, f"the stored {NAME}")
    units = json.loads(record)["units"]
    rows = [_row("", "", one) for one in units]
    for network in study.localizer.networks:
        selected = Localized(study, network, localizer_manifest).selected(lesioned=True)
        for name, chosen in selected.items():
            held = set(map(tuple, chosen.pairs))
            inside = [one for one in units if (one["layer"], one["unit"]) in held]
            rows += [_row(network, name, one) for one in inside]
    write_table(output, rows, COLUMNS)


def _row(network: str, selection: str, unit: dict[str, Any]) -> dict[str, Any]:
    middle = unit["layer_median"]
    ratio = unit["activation"] / middle if middle else float("inf")
    return {"network": network, "selection": selection, **unit, "ratio": ratio}
