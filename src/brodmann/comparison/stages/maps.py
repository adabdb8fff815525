"""Agreement: circuits, localized units and networks of one model, in the spaces that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from brodmann.comparison.map_agreement import (
    DRAWS,
    LAYERS,
    UNITS,
    WRITTEN,
    Outcome,
    layer_agreement,
    layer_shares,
    unit_agreement,
)
from brodmann.models.population import Population
from brodmann.networks import conditions as sets
from brodmann.networks.stages.use import UseStage, stored, units_digest
from brodmann.runner.bench import Bench
from brodmann.sites import COMPONENTS, SITES
from brodmann.store.tables import write_table
from brodmann.store.work import Work
from brodmann.tasks.catalogue import domain_of

COLUMNS = (
    *("space", "method", "map", "other_method", "other_map", "n", "n_other"),
    *("observed", "chance", "ratio", "draws", "seed", "p", "q", "note"),
)
SHARE_COLUMNS = ("method", "map", "n_units", "layer", "share")
CIRCUITS, LOCALIZER, NETWORKS = "circuit", "localizer", "network"
NEURONS = COMPONENTS["neurons"]


@dataclass(frozen=True)
class Map:
    """A set of units of one method. ``site``: what the units are; ``there``: all of these."""

    method: str
    name: str
    site: str
    units: np.ndarray
    there: Population

    @property
    def residual(self) -> bool:
        """Whether its units are dimensions of the residual stream."""
        return SITES[self.site].residual

    @property
    def shares(self) -> np.ndarray:
        """Of its units, in each layer."""
        return layer_shares(self.units, self.there.width, self.there.layers)


class Agreement:
    """The works of this part: what neurons write on the units of networks."""

    def __init__(self, stage: UseStage) -> None:
        self.stage = stage

    def networks(self) -> list[Map]:
        """All networks of a dataset together, then each."""
        stage, found = self.stage, []
        for one in sets.network_conditions(stage.networks):
            if one.dataset in stage.networks:
                name = f"{one.dataset} {one.name}"
                found.append(Map(NETWORKS, name, stage.settings.site, one.units, stage.there))
        return sorted(found, key=lambda own: not own.name.endswith(f" {sets.ALL}"))

    def key(self, own: Map) -> str:
        """Hash of what the written shares on a map's units depend on."""
        return self.stage.key("written", units=units_digest(own.units), width=own.there.width)

    def works(self) -> list[Work[Bench]]:
        """One per network, where networks are of the residual stream."""
        return [
            Work.one(written_name(own), self.key(own), partial(self._written, own=own))
            for own in self.networks()
            if own.residual and self.stage.card.neurons_per_layer
        ]

    def _written(self, bench: Bench, own: Map) -> bytes:
        from safetensors.numpy import save

        from brodmann.runner.writing import written_share

        return save({"share": written_share(bench.model, self.stage.pairs(own.units))})


def written_name(own: Map) -> str:
    """What the manifest calls the written shares on a map's units."""
    return f"what neurons write on {own.name}"


def write_agreement(
    stage: UseStage,
    *,
    manifest: str,
    localizer_manifest: str | None,
    mask_files: Mapping[str, str],
    output: str,
    shares_output: str,
) -> None:
    """Rule ``network_agreement``. ``mask_files``: task -> circuit of neurons; none if there are none."""
    from brodmann.significance.fdr import with_q

    agreement, seed = Agreement(stage), stage.settings.seed
    networks = agreement.networks()
    circuits = _circuits(stage, mask_files)
    localized = _localized(stage, localizer_manifest)
    maps = [*circuits, *localized, *networks]
    rows: list[dict[str, Any]] = []
    for one, other in _pairs(maps):
        rows += _units(one, other, seed)
        rows.append(_layers(one, other, seed))
    rows += _written_rows(agreement, circuits, networks, manifest)
    rows += _missing(circuits, localized, networks)
    write_table(output, with_q(rows), COLUMNS)
    write_table(shares_output, _shares(maps), SHARE_COLUMNS)


def _circuits(stage: UseStage, mask_files: Mapping[str, str]) -> list[Map]:
    """The circuits of each domain's tasks, together."""
    from brodmann.circuits.masks import read_mask

    there, origin = Population.at(stage.card, NEURONS), stage.card.origin(NEURONS)
    found: dict[str, list[np.ndarray]] = {}
    for task, path in mask_files.items():
        found.setdefault(domain_of(task), []).append(read_mask(path, there.width, origin).units)
    return [
        Map(CIRCUITS, domain, NEURONS, np.unique(np.concatenate(units)), there)
        for domain, units in found.items()
    ]


def _localized(stage: UseStage, manifest: str | None) -> list[Map]:
    """The most selective units of each localizer, its first size."""
    from brodmann.localizers.stages.localizer import Localized

    if manifest is None:
        return []
    settings = stage.study.localizer
    there, found = Population.at(stage.card, settings.site), []
    for network in settings.networks:
        own = Localized(stage.study, stage.card, network, manifest).main
        found.append(Map(LOCALIZER, network, settings.site, np.sort(own.units), there))
    return found


def _pairs(maps: Sequence[Map]) -> list[tuple[Map, Map]]:
    """Every two of different methods."""
    return [(one, other) for one, other in combinations(maps, 2) if one.method != other.method]


def _row(space: str, one: Map, other: Map, seed: int, found: Outcome | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "space": space,
        "method": one.method,
        "map": one.name,
        "other_method": other.method,
        "other_map": other.name,
        "n": len(one.units),
        "n_other": len(other.units),
        "seed": seed,
    }
    if found is None:
        return {**row, "note": "one of the two is empty"}
    values = {"observed": found.observed, "chance": found.chance, "ratio": found.ratio}
    return {**row, **values, "draws": found.draws, "p": found.p}


def _units(one: Map, other: Map, seed: int) -> list[dict[str, Any]]:
    if one.residual != other.residual:
        return []
    found = unit_agreement(one.units, other.units, one.there, seed=seed)
    return [_row(UNITS, one, other, seed, found)]


def _layers(one: Map, other: Map, seed: int) -> dict[str, Any]:
    layers = [layer for layer in range(other.there.layers) if other.there.units_of(layer)]
    found = layer_agreement(one.shares, other.shares, layers, seed=seed)
    return _row(LAYERS, one, other, seed, found)


def _written_rows(
    agreement: Agreement, circuits: Sequence[Map], networks: Sequence[Map], manifest: str
) -> list[dict[str, Any]]:
    from safetensors.numpy import load

    from brodmann.comparison.written import written_rows

    rows, seed = [], agreement.stage.settings.seed
    for own in networks if circuits else ():
        if not own.residual:
            continue
        name = written_name(own)
        share = load(stored(manifest).get(name, name))["share"]
        masks = {f"{one.name}/": one.units for one in circuits}
        for one, row in zip(circuits, written_rows(share, masks, seed=seed), strict=True):
            found = None
            if "p" in row and len(own.units):
                found = Outcome(row["share"], row["chance"], row["p"], DRAWS)
            rows.append(_row(WRITTEN, one, own, seed, found))
    return rows


def _missing(
    circuits: Sequence[Map], localized: Sequence[Map], networks: Sequence[Map]
) -> list[dict[str, Any]]:
    """A row that says so for each method without a map."""
    notes = {
        CIRCUITS: (circuits, "left out: no circuits of neurons are configured"),
        LOCALIZER: (localized, "left out: no localizer is configured"),
        NETWORKS: (networks, "left out: no dataset has networks"),
    }
    return [{"method": method, "note": note} for method, (own, note) in notes.items() if not own]


def _shares(maps: Sequence[Map]) -> list[dict[str, Any]]:
    return [
        {
            "method": own.method,
            "map": own.name,
            "n_units": len(own.units),
            "layer": layer,
            "share": float(share),
        }
        for own in maps
        for layer, share in enumerate(own.shares)
    ]
