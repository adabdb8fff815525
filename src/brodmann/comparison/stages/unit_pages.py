"""What the pages of single units hold from the model: records of passes that run anyway, and a light job.

The tokens that units promote are a record of the pass over networks' use, which knows the units of all three
maps; where a model has no networks, of the ablation pass, which knows its circuits. The places where units
are highest are read in the run in which networks are followed over texts: a record per dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.circuits.masks import read_mask
from brodmann.comparison.unit_pages import (
    SILENCED_COLUMNS,
    Driven,
    NetworkPage,
    Pages,
    Place,
    UnitPage,
    write_pages,
)
from brodmann.config.study import Study
from brodmann.files import digest, read_dicts
from brodmann.models.card import ModelCard
from brodmann.networks.maps import Networks
from brodmann.networks.stages.following import AROUND, Companion, courses_name
from brodmann.runner.unit_tokens import (
    TOKENS,
    Together,
    Tokens,
    Unit,
    basis,
    in_turn,
    pairs,
    tokens_work,
)
from brodmann.sites import SITES
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor
from brodmann.store.work import Records, Work

if TYPE_CHECKING:
    from brodmann.runner.bench import Bench
    from brodmann.runner.encode import Ids
    from brodmann.runner.peaks import Peaks, Watch


def places_name(dataset: str) -> str:
    """What the manifest calls the places of a dataset."""
    return f"unit pages: places in {dataset}"


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
        return Companion(places_name(dataset), key, self._begin, _end)

    def _begin(self, bench: Bench, texts: Sequence[str], rows: Sequence[Ids]) -> Watch:
        from brodmann.runner.peaks import Watch

        counts = [own for own, _ in _counted(bench, texts, rows)]
        return Watch(bench.model, self.units, counts, self.settings.places)


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


def _counted(
    bench: Bench, texts: Sequence[str], rows: Sequence[Ids]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each text which tokens count, and where each token begins."""
    from brodmann.networks.pieces import ends
    from brodmann.runner.peaks import counted

    tokenizer = bench.model.tokenizer
    return [counted(ends(tokenizer, text, row), row) for text, row in zip(texts, rows, strict=True)]


def _end(bench: Bench, watch: Watch, texts: Sequence[str], rows: Sequence[Ids]) -> bytes:
    """The record: peaks of all sites, and the tokens that their places are numbers of."""
    from safetensors.numpy import save

    from brodmann.networks.pieces import ends

    tensors: dict[str, np.ndarray] = {}
    for site, peaks in watch.peaks().items():
        tensors |= peaks.tensors(site)
    begins = [starts for _, starts in _counted(bench, texts, rows)]
    stops = [ends(bench.model.tokenizer, text, row) for text, row in zip(texts, rows, strict=True)]
    tensors |= _tokens_of(begins, stops)
    tensors["count"] = np.array([sum(int(own.sum()) for own in watch.counts)], np.int32)
    facts = {"computed_with": bench.made_with}
    return save(tensors, metadata={"facts": json.dumps(facts)})


def _tokens_of(
    begins: Sequence[np.ndarray], stops: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """Of all texts' tokens, one after another: text, place in it, and the stretch of text."""

    def joined(parts: Sequence[Any]) -> np.ndarray:
        return np.concatenate([np.asarray(own, np.int32) for own in (np.zeros(0), *parts)])

    sizes = [len(own) for own in begins]
    return {
        "token.text": joined([np.full(size, number) for number, size in enumerate(sizes)]),
        "token.position": joined([np.arange(size) for size in sizes]),
        "token.start": joined(begins),
        "token.end": joined(stops),
    }


# The light job


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
            name: _Read.of(study, card, name, records)
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


@dataclass(frozen=True)
class _Read:
    """A dataset's record of places with its texts."""

    dataset: str
    texts: Sequence[str]
    tensors: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, study: Study, card: ModelCard, dataset: str, records: Records) -> _Read:
        """Read from the store."""
        from safetensors.numpy import load

        from brodmann.networks.dataset_texts import group_texts

        texts = group_texts(study, dataset, card)[: study.networks.following.texts]
        what = f"the places of units in {dataset}"
        return cls(dataset, texts, load(records.get(places_name(dataset), what)))

    def peaks(self, site: str) -> Peaks | None:
        """Of a site's units, if any were read."""
        from brodmann.runner.peaks import Peaks

        return Peaks.of(self.tensors, site) if f"{site}.units" in self.tensors else None

    def place(self, number: int, value: float) -> Place:
        """Of a numbered token."""
        text, position, start, stop = (
            int(self.tensors[f"token.{name}"][number])
            for name in ("text", "position", "start", "end")
        )
        return place_in(self.texts[text], self.dataset, text, position, (start, stop), value)


def place_in(
    text: str, dataset: str, number: int, position: int, stretch: tuple[int, int], value: float
) -> Place:
    """A token of a text, with what stands around it."""
    start, stop = stretch
    before, after = text[max(0, start - AROUND) : start], text[stop : stop + AROUND]
    return Place(dataset, number, position, before, text[start:stop], after, value)


def _unit_pages(
    tokens: Tokens | None, texts: Mapping[str, _Read], number: int
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
                _driven(peaks, texts, row, number),
            )


def _driven(
    peaks: Mapping[str, Peaks], texts: Mapping[str, _Read], row: int, number: int
) -> Driven:
    """Of all datasets together."""
    if not peaks:
        return Driven()
    sides = []
    for side, sign in (("high", 1), ("low", -1)):
        every = [
            (float(value), name, int(at))
            for name, own in peaks.items()
            for value, at in zip(
                getattr(own, side)[row], getattr(own, f"{side}_at")[row], strict=True
            )
        ]
        best = sorted(every, key=lambda one: -sign * one[0])[:number]
        sides.append(tuple(texts[name].place(at, value) for value, name, at in best))
    counts = np.array([int(texts[name].tensors["count"][0]) for name in peaks], float)
    means = np.array([own.mean[row] for own in peaks.values()])
    squares = np.array([own.sd[row] ** 2 + own.mean[row] ** 2 for own in peaks.values()])
    known = counts > 0
    if not known.any():
        return Driven()
    share = counts[known] / counts[known].sum()
    mean = float(share @ means[known])
    sd = float(np.sqrt(max(0.0, float(share @ squares[known]) - mean**2)))
    firsts = [float(own.first[row]) for own in peaks.values() if np.isfinite(own.first[row])]
    first = max(firsts, key=abs, default=float("nan"))
    return Driven(sides[0], sides[1], mean, sd, first)


def _network_pages(
    study: Study,
    dataset: str,
    path: str,
    tokens: Tokens | None,
    read: _Read | None,
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
            driven = _course_driven(read, courses[:, number], first, study.atlas.places)
        yield NetworkPage(
            dataset,
            number,
            study.networks.site,
            size,
            tuple(promotes),
            tuple(suppresses),
            driven,
        )


def _course_driven(read: _Read, course: np.ndarray, first: int, number: int) -> Driven:
    """Of a network's course [tokens], which begins at token ``first`` of each text."""
    position = read.tensors["token.position"]
    followed = np.flatnonzero(position >= first)
    position = position[followed]
    stretch = read.tensors["token.end"][followed] > read.tensors["token.start"][followed]
    counts = np.flatnonzero((position > 0) & stretch)
    if not len(counts):
        return Driven()
    values = course[counts]
    sides = []
    for sign in (1, -1):
        best = counts[np.argsort(-sign * values, kind="stable")[:number]]
        sides.append(tuple(read.place(int(followed[at]), float(course[at])) for at in best))
    firsts = [float(value) for value in course[position == 0]]
    strongest = max(firsts, key=abs, default=float("nan"))
    return Driven(sides[0], sides[1], float(values.mean()), float(values.std()), strongest)


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
