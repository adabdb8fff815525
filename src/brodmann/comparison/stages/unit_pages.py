"""Which units have pages, and the records of these: of passes that run anyway.

The tokens that units promote are a record of the pass over networks' use, which knows the units of all three
maps; where a model has no networks, of the ablation pass, which knows its circuits. The places where units
are highest are read in the run in which networks are followed over texts: a record per dataset
(``unit_places``). ``unit_files`` writes what the records say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from brodmann.circuits.masks import read_mask
from brodmann.comparison.stages.unit_places import begin, end, places_name
from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.models.card import ModelCard
from brodmann.networks.maps import Networks
from brodmann.networks.stages.following import Companion
from brodmann.runner.unit_tokens import Together, Unit, basis, in_turn, pairs, tokens_work
from brodmann.sites import SITES
from brodmann.store.work import Work

if TYPE_CHECKING:
    from brodmann.runner.bench import Bench


def group_name(dataset: str) -> str:
    """What the record of tokens calls the networks of a dataset."""
    return f"networks of {dataset}"


class UnitPages:
    """Which units have pages, and the records of these.

    ``masks``: component -> task -> file of its main circuit. ``localizer_manifest``: None without localizers.
    """

    def __init__(
        self,
        study: Study,
        card: ModelCard,
        networks: Mapping[str, Networks],
        masks: Mapping[str, Mapping[str, str]],
        localizer_manifest: str | None,
    ) -> None:
        self.study, self.card, self.networks = study, card, networks
        self.settings = study.atlas
        self._masks, self._localizer = masks, localizer_manifest

    @cached_property
    def units(self) -> dict[str, list[Unit]]:
        """Site -> its units: in turn those of circuits, of localizers and of networks, best first."""
        found = {}
        for site in SITES:
            kinds = self._circuits(site), self._localized(site), self._members(site)
            own = in_turn(in_turn(lists) for lists in kinds)[: self.settings.units]
            if own:
                found[site] = own
        return found

    def _circuits(self, site: str) -> list[list[Unit]]:
        component = SITES[site].component
        files = self._masks.get(component, {})
        width = self.card.units(component) if files else 0
        origin = self.card.origin(site)
        return [pairs(read_mask(path, width, origin).units, width) for path in files.values()]

    def _localized(self, site: str) -> list[list[Unit]]:
        from brodmann.localizers.stages.localizer import Localized

        settings = self.study.localizer
        if self._localizer is None or settings.site != site:
            return []
        every = (
            Localized(self.study, self.card, name, self._localizer) for name in settings.networks
        )
        return [one.main.pairs for one in every]

    def _members(self, site: str) -> list[list[Unit]]:
        if self.study.networks.site != site:
            return []
        return [
            [unit for unit, _ in members(own, number)]
            for own in self.networks.values()
            for number in range(len(own))
        ]

    def works(self) -> Iterator[Work[Bench]]:
        """The record of tokens."""
        if self.settings.on and self.settings.tokens:
            site = self.study.networks.site
            groups = {
                group_name(dataset): [_together(site, own, n) for n in range(len(own))]
                for dataset, own in self.networks.items()
            }
            yield tokens_work(self.card, self.units, groups, self.settings.tokens)

    def companion(self, dataset: str, texts: Sequence[str]) -> Companion | None:
        """The record of places in a dataset's texts."""
        if not (self.settings.on and self.settings.places and self.units):
            return None
        key = digest(
            {
                **basis(self.card, "unit places"),
                "units": self.units,
                "places": self.settings.places,
                "texts": digest(list(texts)),
                "max_tokens": self.study.networks.max_tokens,
            }
        )
        watch = partial(begin, units=self.units, number=self.settings.places)
        return Companion(places_name(dataset), key, watch, end)


def members(networks: Networks, number: int) -> list[tuple[Unit, int]]:
    """A network's units, those with the largest |z| first, and the sign of z of each."""
    z = networks.maps[number].reshape(-1)
    own = np.flatnonzero(networks.members[number].reshape(-1))
    own = own[np.argsort(-np.abs(z[own]), kind="stable")]
    signs = np.sign(z[own]).astype(int).tolist()
    return list(zip(pairs(own, networks.shape[1]), signs, strict=True))


def _together(site: str, networks: Networks, number: int) -> Together:
    own = members(networks, number)
    return Together(site, [unit for unit, _ in own], [sign for _, sign in own])
