"""Rule ``unit_pages``: the file of pages, of records of passes, and that of units' measured effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.comparison.stages.unit_pages import group_name
from brodmann.comparison.stages.unit_places import TextPlaces, of_course, of_unit, places_name
from brodmann.comparison.unit_pages import (
    SILENCED_COLUMNS,
    Driven,
    NetworkPage,
    Pages,
    UnitPage,
    write_pages,
)
from brodmann.config.study import Study
from brodmann.files import read_dicts
from brodmann.models.card import ModelCard
from brodmann.networks.maps import Networks
from brodmann.networks.stages.following import courses_name
from brodmann.runner.unit_tokens import TOKENS, Tokens
from brodmann.sites import SITES
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor
from brodmann.store.work import Records


def write_unit_pages(
    study: Study,
    *,
    model_json: str,
    template_files: Mapping[str, str],
    tokens_manifest: str | None,
    attribution_folder: str,
    attribution_manifest: str,
    output: str,
    silenced: str,
) -> None:
    """Rule ``unit_pages``. ``tokens_manifest``: of the pass that made the model's records of pages; None if
    there is none. ``template_files``: dataset -> networks, of a model that has some."""
    card = ModelCard.read(model_json)
    write_pages(output, _pages(study, card, template_files, tokens_manifest))
    rows = [
        {"component": component, **row}
        for component in study.attribution.components
        for row in _measured_alone(study, component, attribution_folder, attribution_manifest)
    ]
    write_table(silenced, rows, SILENCED_COLUMNS)


def _pages(
    study: Study, card: ModelCard, template_files: Mapping[str, str], manifest: str | None
) -> Pages:
    settings, notes = study.atlas, []
    if not settings.on:
        return Pages(notes=("No unit has a page: atlas.units is 0.",))
    if manifest is None:
        what = (
            "Units have no pages: they are made where circuits are ablated or networks are sought."
        )
        return Pages(notes=(what,))
    records = Records(manifest, Path(manifest).stem)
    tokens = None
    if settings.tokens:
        tokens = Tokens(records.get(TOKENS, "the tokens that units promote"))
    else:
        notes.append("No tokens are listed: atlas.tokens is 0.")
    texts = {}
    if not template_files:
        notes.append("No places in texts are listed: networks.datasets names no texts.")
    elif not settings.places:
        notes.append("No places in texts are listed: atlas.places is 0.")
    else:
        texts = {
            name: TextPlaces.of(study, card, name, records)
            for name in template_files
            if places_name(name) in records
        }
    units = tuple(_unit_pages(tokens, texts, settings.places))
    networks = tuple(
        page
        for name, path in template_files.items()
        for page in _network_pages(study, name, path, tokens, texts.get(name), records)
    )
    without = [one for one in units if not one.promotes]
    if tokens is not None and without:
        sites = ", ".join(dict.fromkeys(SITES[one.site].label for one in without))
        notes.append(
            f"{len(without)} units have no tokens, as they have no single write vector or the model no "
            f"plain LM head: {sites}."
        )
    return Pages(units, networks, tuple(notes))


def _unit_pages(
    tokens: Tokens | None, texts: Mapping[str, TextPlaces], number: int
) -> Iterator[UnitPage]:
    for site in SITES:
        peaks = {name: own for name, read in texts.items() if (own := read.peaks(site)) is not None}
        units = tokens.units(site) if tokens is not None else []
        if not units and peaks:
            units = [(int(a), int(b)) for a, b in next(iter(peaks.values())).units]
        listed = tokens.of(site) if tokens is not None and units else []
        shares = tokens.share(site) if listed and tokens is not None else np.ones(len(units))
        for row, (layer, unit) in enumerate(units):
            promotes, suppresses = listed[row] if listed else ([], [])
            yield UnitPage(
                site,
                layer,
                unit,
                tuple(promotes),
                tuple(suppresses),
                float(shares[row]),
                of_unit(peaks, texts, row, number),
            )


def _network_pages(
    study: Study,
    dataset: str,
    path: str,
    tokens: Tokens | None,
    read: TextPlaces | None,
    records: Records,
) -> Iterator[NetworkPage]:
    """``path``: of the dataset's networks."""
    from safetensors.numpy import load

    networks = Networks.load(path)
    listed = tokens.of(group_name(dataset)) if tokens is not None else []
    courses = None
    if read is not None:
        what = f"courses of the networks of {dataset}"
        courses = load(records.get(courses_name(dataset), what))["standard"]
    for number, size in enumerate(networks.n_units.tolist()):
        promotes, suppresses = listed[number] if listed else ([], [])
        driven = Driven()
        if read is not None and courses is not None and size:
            first = int(study.networks.drop_first)
            driven = of_course(read, courses[:, number], first, study.atlas.places)
        yield NetworkPage(
            dataset,
            number,
            study.networks.site,
            size,
            tuple(promotes),
            tuple(suppresses),
            driven,
        )


# Effects of single units


def _measured_alone(
    study: Study, component: str, folder: str, manifest: str
) -> Iterator[dict[str, Any]]:
    """Rows of silenced.csv: effects of single units that some stage has measured."""
    settings = study.attribution
    if settings.agreement.plain_tasks:
        for row in read_dicts(
            f"{folder}/{component}.agreement.units.csv", ("task", "layer", "unit", "exact")
        ):
            own = {"task": row["task"], "layer": int(row["layer"]), "unit": int(row["unit"])}
            yield {**own, "effect": float(row["exact"]), "source": "agreement"}
    if settings.agreement.tried_tasks:
        yield from _tried_alone(study, component, folder, manifest)
    if settings.estimator == "exact":
        for task in study.tasks.selected:
            scores = read_tensor(f"{folder}/{component}/{task}.safetensors", "attribution")
            # Units that were not patched have a score of 0.
            for layer, unit in np.argwhere(scores):
                own = {"task": task, "layer": int(layer), "unit": int(unit)}
                effect = float(scores[layer, unit])
                yield {**own, "effect": effect, "source": "attribution"}


def _tried_alone(
    study: Study, component: str, folder: str, manifest: str
) -> Iterator[dict[str, Any]]:
    """Of the comparison of estimators: true effects of the circuits' units, and of random ones."""
    from safetensors.numpy import load

    from brodmann.circuits.stages.trials import true_name

    settings, records = study.attribution.agreement, Records(manifest, "attribution")
    for task in settings.tried_tasks:
        # The width of a layer, by which units are numbered; [0, 0] of a task without circuits.
        width = read_tensor(f"{folder}/{component}/{task}.safetensors", "attribution").shape[1]
        for positions in settings.positions if width else ():
            name = true_name(task, component, positions)
            found = load(records.get(name, f"the {name}"))
            for flat, effect in zip(found["unit"].tolist(), found["exact"].tolist(), strict=True):
                own = {"task": task, "layer": flat // width, "unit": flat % width}
                yield {**own, "effect": effect, "source": f"estimators, {positions}"}
