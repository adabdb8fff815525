"""The atlas from Python: the page's maps as matplotlib figures, and sets of units that can be lesioned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brodmann.atlas import colours
from brodmann.atlas.chosen import Units
from brodmann.atlas.circuits import Circuits, read_circuits, read_scores
from brodmann.atlas.collect import weights_of
from brodmann.atlas.contract import NetworkMaps
from brodmann.atlas.maps import localizers, network_datasets, read_localizer, read_networks
from brodmann.atlas.picture import Map
from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError, did_you_mean
from brodmann.sites import COMPONENTS
from brodmann.store import masks
from brodmann.store.masks import Origin
from brodmann.tasks import domains
from brodmann.tasks.catalogue import domain_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDERS = ("index", "domain")
_WHERE = "brodmann.atlas"


class Atlas:
    """A finished study's maps. Where no model, component or size is named, the first or main one is taken."""

    def __init__(self, results: str | Path) -> None:
        self.study = StudyFolder(results)
        self._circuits: dict[tuple[str, str], Circuits] = {}

    def __repr__(self) -> str:
        return f"Atlas of {self.study.results}: {', '.join(self.models)}; {len(self.tasks)} tasks"

    @cached_property
    def models(self) -> list[str]:
        """The models whose units are known, controls last."""
        run = [one for one in self.study.models if not one.imported]
        return [one.name for one in sorted(run, key=lambda one: one.control)]

    @property
    def tasks(self) -> list[str]:
        """Every task of the study."""
        return self.study.tasks

    @cached_property
    def domains(self) -> list[str]:
        """The domains of the tasks."""
        return list(dict.fromkeys(map(domain_of, self.tasks)))

    def scores(
        self, task: str, model: str | None = None, component: str | None = None
    ) -> np.ndarray:
        """A task's attribution, float32 [layers, width], in units of the normalised metric."""
        own = self._of(model, component)
        found: np.ndarray = own.scores[own.tasks.index(self._one_of(task, own.tasks, "task"))]
        return found

    def selection(
        self,
        *,
        task: str | None = None,
        domain: str | None = None,
        localizer: str | None = None,
        network: str | None = None,
        sel: str | None = None,
        model: str | None = None,
        component: str | None = None,
    ) -> Units:
        """The circuit of a task, those of a domain, the units of a localizer, or a network (``dataset/3``).

        ``sel``: size and sign, else the main one.
        """
        given = self._exactly(task=task, domain=domain, localizer=localizer, network=network)
        name = self._model(model)
        if given == "localizer":
            return self._localized(name, str(localizer), sel)
        if given == "network":
            return self._network(name, str(network))
        own, component = self._of(name, component), self._component(component)
        sel = self._one_of(sel or self.study.main_selection, self.study.selections, "selection")
        tasks = [task] if task else [one for one in own.tasks if domain_of(one) == domain]
        self._one_of(task or str(domain), own.tasks if task else self.domains, given)
        found = read_circuits(
            self._folder(name), component, sel, [str(one) for one in tasks], own.shape[1]
        )
        sets = [
            self._units(
                name, COMPONENTS[component], own.shape[1], f"{one} {sel}", c.units, c.scores
            )
            for one, c in found.items()
        ]
        if not sets:
            raise UserError.at(_WHERE, f"{name} has no circuits of {task or domain}")
        whole = sets[0]
        for other in sets[1:]:
            whole = whole | other
        return replace(whole, selection=f"{task or domain} {sel}")

    def mask(
        self,
        units: Units | Iterable[tuple[int, int]],
        path: str | Path,
        *,
        model: str | None = None,
        component: str | None = None,
    ) -> None:
        """Write a mask, which ``brodmann generate --mask`` takes.

        ``units``: of ``selection``, or pairs (layer, unit) of a model's component.
        """
        if not isinstance(units, Units):
            name, own = self._model(model), self._of(model, component)
            layers, width = own.shape
            pairs = list(units)
            for layer, unit in pairs:
                if not (0 <= layer < layers and 0 <= unit < width):
                    what = f"{name} has no unit {unit} in layer {layer}"
                    raise UserError.at(_WHERE, what, f"it has {layers} layers of {width} units")
            flat = np.array([layer * width + unit for layer, unit in pairs], dtype=np.int32)
            site, nan = COMPONENTS[self._component(component)], np.full(len(flat), np.nan)
            units = self._units(name, site, width, "chosen", flat, nan)
        if not len(units):
            raise UserError.at(_WHERE, "there are no units to write")
        rows = (
            (*pair, "" if score != score else f"{score:.9g}")
            for pair, score in zip(units.pairs, units.scores.tolist(), strict=True)
        )
        origin = Origin(units.model, units.weights, units.site)
        masks.write(path, "score", rows, origin, units.selection)

    def cortex(
        self,
        *,
        task: str | None = None,
        domain: str | None = None,
        localizer: str | None = None,
        network: str | None = None,
        model: str | None = None,
        component: str | None = None,
        order: str = "index",
    ) -> Figure:
        """The map of a model's units, layers from the bottom to the top, with the page's colours.

        Coloured by a task's attribution, a localizer's t, a network's z (``dataset/3``), or by domains, of
        which one stands out if it is named. ``order``: of the units of a layer, ``index`` or ``domain``.
        """
        self._one_of(order, ORDERS, "order")
        given = self._exactly(task=task, localizer=localizer, network=network, or_none=True)
        name = self._model(model)
        control = any(one.name == name and one.control for one in self.study.models)
        whose = f"{name} (control)" if control else name
        if given == "localizer":
            found = read_localizer(self._folder(name), self._localizer(name, str(localizer)))
            end, title = colours.end_of(found.t), f"{whose}: localizer {localizer}"
            return Map.of_values(title, found.site, found.t, "t", end).drawn()
        if given == "network":
            maps, number = self._maps(name, str(network))
            own_map, title = maps.maps[number], f"{whose}: network {network}"
            end = max(maps.threshold * 1.5, colours.end_of(own_map))
            return Map.of_values(title, maps.site, own_map, "z", end).drawn()
        own, site = self._of(name, component), COMPONENTS[self._component(component)]
        if given == "task":
            values = self.scores(str(task), name, component)
            title, end = f"{whose}: {self.study.titles[str(task)]}", colours.end_of(values)
            what = "attribution (of the normalised metric)"
            shown = Map.of_values(title, site, values, what, end)
        else:
            only = (
                self.domains.index(self._one_of(domain, self.domains, "domain")) if domain else -1
            )
            shown = self._domain_map(
                own, f"{whose}: circuits, {self.study.main_selection}", site, only
            )
        if order == "domain":
            places = own.order.domain.astype(np.int64)[..., None]
            pixels = np.take_along_axis(shown.pixels, places, 1)
            shown = replace(shown, pixels=pixels, ordered=True)
        return shown.drawn()

    def _domain_map(self, own: Circuits, title: str, site: str, only: int) -> Map:
        at = {one: self.domains.index(domain_of(one)) for one in own.tasks}
        owner = colours.owners(own.main, at, *own.shape)
        shown = [colours.rgb(domains.colour(one)) for one in self.domains]
        shared = colours.rgb(domains.SHARED_COLOUR)
        pixels = colours.of_domains(owner, own.unit_domains, shown, shared, only)
        keys = {domains.label(one): domains.colour(one) for one in self.domains}
        return Map(title, site, pixels, keys={**keys, "several domains": domains.SHARED_COLOUR})

    # What is meant by a name

    def _model(self, name: str | None) -> str:
        if not self.models:
            raise UserError.at(
                _WHERE, "the study has matrices only: the units of no model are known"
            )
        return self.models[0] if name is None else self._one_of(name, self.models, "model")

    def _component(self, name: str | None) -> str:
        every = self.study.components
        return every[0] if name is None else self._one_of(name, every, "component")

    @staticmethod
    def _one_of(name: str, every: Sequence[str], what: str) -> str:
        if name not in every:
            raise UserError.at(_WHERE, f"there is no {what} '{name}'", did_you_mean(name, every))
        return name

    @staticmethod
    def _exactly(or_none: bool = False, **given: str | None) -> str:
        """Which of these is given."""
        found = [name for name, value in given.items() if value is not None]
        if len(found) > 1 or not (found or or_none):
            raise UserError.at(_WHERE, f"give one of {', '.join(given)}")
        return found[0] if found else ""

    # What results hold

    def _folder(self, model: str) -> Path:
        return self.study.results / model

    def _of(self, model: str | None, component: str | None) -> Circuits:
        name, component = self._model(model), self._component(component)
        if (name, component) not in self._circuits:
            tasks, scores = read_scores(self._folder(name), component, self.tasks)
            if not tasks:
                raise UserError.at(_WHERE, f"{name} has no circuits of {component}")
            sel = self.study.main_selection
            main = read_circuits(self._folder(name), component, sel, tasks, scores.shape[2])
            self._circuits[name, component] = Circuits(tasks, scores, main, self.domains)
        return self._circuits[name, component]

    def _localizer(self, model: str, name: str) -> str:
        there = self.study.asked(localizers(self._folder(model)), "localizer", "networks")
        return self._one_of(name, there, "localizer")

    def _localized(self, model: str, name: str, sel: str | None) -> Units:
        found = read_localizer(self._folder(model), self._localizer(model, name))
        sel = self._one_of(
            sel or next(iter(found.selections), ""), list(found.selections), "selection"
        )
        flat = found.selections[sel]
        scores, width = found.t.reshape(-1)[flat], found.t.shape[1]
        return self._units(model, found.site, width, f"{name} {sel}", flat, scores)

    def _maps(self, model: str, network: str) -> tuple[NetworkMaps, int]:
        dataset, _, number = network.rpartition("/")
        there = self.study.asked(network_datasets(self._folder(model)), "networks", "datasets")
        self._one_of(dataset, there, "dataset of networks")
        maps, _ = read_networks(self._folder(model), dataset)
        if not number.isdecimal() or int(number) >= len(maps.names):
            what = f"there is no network '{network}'"
            raise UserError.at(
                _WHERE, what, f"they are {dataset}/0 to {dataset}/{len(maps.names) - 1}"
            )
        return maps, int(number)

    def _network(self, model: str, network: str) -> Units:
        maps, number = self._maps(model, network)
        own = maps.maps[number].reshape(-1)
        flat = maps.members[number][np.argsort(-np.abs(own[maps.members[number]]), kind="stable")]
        return self._units(
            model, maps.site, maps.maps.shape[2], f"network {network}", flat, own[flat]
        )

    def _units(
        self, model: str, site: str, width: int, name: str, flat: np.ndarray, scores: np.ndarray
    ) -> Units:
        return Units(model, weights_of(self._folder(model)) or "", site, width, name, flat, scores)
