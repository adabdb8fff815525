"""Localizer stage: one pass per model measures every network's selectivity, light jobs select units.

The store keeps t and p of all units under a key of the texts, the tokens of them that are read, the site and
the pooling: which units are selected of them, and how many, is decided without the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from brodmann.config.massive import KEEP, MASSIVE
from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.localizers.contrasts import contrast_of
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.runner.bench import Bench
from brodmann.stimuli.reader import Contrast
from brodmann.store.progress import progress
from brodmann.store.shares import WHOLE, Share
from brodmann.store.tensors import facts_of, write_tensors
from brodmann.store.work import Pass, Records, Work

if TYPE_CHECKING:
    import numpy as np

    from brodmann.localizers.selection import Units


def store_key(study: Study, card: ModelCard, contrast: Contrast) -> str:
    """Hash of everything that a network's selectivity depends on."""
    return digest(
        {
            "stage": "localizer",
            "method": METHODS["localizer"],
            "model": card.identity(),
            "units": card.architecture,
            "texts": contrast.sha256,
            **study.localizer.stimulation(contrast.network),
        }
    )


def activations_name(network: str) -> str:
    """What the manifest calls the mean absolute activations over a network's texts."""
    return f"activations over the texts of {network}"


def _activation_works(study: Study, card: ModelCard, contrast: Contrast) -> list[Work[Bench]]:
    """What random controls are matched in, where a study has such controls."""
    if not study.localizer.lesion.activation_matched_seeds:
        return []
    wanted = study.localizer.stimulation(contrast.network)
    key = digest(
        {
            "stage": "activations",
            "method": METHODS["activations"],
            "model": card.identity(),
            "units": card.architecture,
            "texts": contrast.sha256,
            "site": wanted["site"],
            "truncate": wanted["truncate"],
        }
    )
    cost = sum(map(len, (*contrast.positive, *contrast.negative)))
    name = activations_name(contrast.network)
    return [Work.one(name, key, partial(_mean_absolute, contrast=contrast), cost=cost)]


def _mean_absolute(bench: Bench, contrast: Contrast) -> bytes:
    """[layers, units]: of each unit's absolute activation the mean over a text's tokens, then over texts."""
    from safetensors.numpy import save as pack

    wanted = bench.study.localizer.stimulation(contrast.network)
    texts = (*contrast.positive, *contrast.negative)
    rows = bench.texts(texts, truncate=wanted["truncate"], where=contrast.network)
    found = bench.activations(wanted["site"]).means(rows, absolute=True)
    return pack({"activations": found}, {"facts": json.dumps({"computed_with": bench.made_with})})


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    manifest: str,
    threads: int,
    share: Share = WHOLE,
) -> None:
    """Rule ``localizer_pass``: measure what the store lacks, then write the manifest."""
    card = ModelCard.read(model_json)
    load = Bench.opener(study, card.name, record_file, threads)
    contrasts = [contrast_of(study, network) for network in study.localizer.networks]
    with Pass("localizer", card.name, manifest, load, share) as this:
        this.make(
            Work.one(
                contrast.network,
                store_key(study, card, contrast),
                partial(_measure, contrast=contrast),
                group=contrast.network,
                cost=sum(map(len, (*contrast.positive, *contrast.negative))),
            )
            for contrast in contrasts
        )
        this.make(work for one in contrasts for work in _activation_works(study, card, one))


def _measure(bench: Bench, contrast: Contrast) -> bytes:
    """A network's record."""
    from safetensors.numpy import save as pack

    from brodmann.localizers.selectivity import measure

    network = contrast.network
    wanted = bench.study.localizer.stimulation(network)
    positive, negative = (
        bench.texts(texts, truncate=wanted["truncate"], where=network)
        for texts in (contrast.positive, contrast.negative)
    )
    activations = bench.activations(wanted["site"])
    total = len(positive) + len(negative)
    with progress(total, f"{network} {bench.model.name}", unit="text") as bar:
        found = measure(activations, positive, negative, wanted["pooling"], bar.update)
    facts = {
        "n_positive": len(positive),
        "n_negative": len(negative),
        "computed_with": bench.made_with,
    }
    tensors = {"t": found.t, "p": found.p, "p_fdr": found.p_fdr}
    return pack(tensors, metadata={"facts": json.dumps(facts)})


class Localized:
    """The selectivity of one network in one model, read from the store, and what is selected by it."""

    def __init__(self, study: Study, card: ModelCard, network: str, manifest: str) -> None:
        from safetensors.numpy import load as unpack

        from brodmann.localizers.selectivity import Selectivity

        self.study, self.network = study, network
        self.settings = study.localizer
        self._records = Records(manifest, "localizer")
        record = self._records.get(network, f"the stored selectivity for {network}")
        self.facts = facts_of(record)  # what was noted with it
        self.found = Selectivity(**unpack(record))
        there = Population.at(card, study.localizer.site)
        self.n_units = self.found.t.size
        if there.spans is not None:  # else every place has a unit
            self.n_units, self.found = len(there), self.found.among(there.units)
        left_out = card.left_out(study.localizer.site, study.localizer.massive)
        width = self.found.t.shape[1]
        # Units of massive activations that are not ranked, as flat indices.
        self.massive = [layer * width + unit for layer, unit in left_out]

    @cached_property
    def contrast(self) -> Contrast:
        """The texts that it was measured with."""
        return contrast_of(self.study, self.network)

    @property
    def main(self) -> Units:
        """The network: the units of the first size."""
        return next(iter(self.selected().values()))

    @cached_property
    def activations(self) -> np.ndarray:
        """float64 [layers, units]: mean absolute activations over its texts."""
        from safetensors.numpy import load as unpack

        name = activations_name(self.network)
        return unpack(self._records.get(name, f"the stored {name}"))["activations"]

    def selected(self, lesioned: bool = False) -> Mapping[str, Units]:
        """Selection name -> units: of every size the network's own and its random controls.

        Where massive activations are left out, also what would be selected with them; and they by themselves.
        """
        from brodmann.localizers.selection import random_units, select, units_of

        settings, units = self.settings, {}
        span, seed = settings.range, settings.seed
        ranked = partial(select, self.found, range=span, seed=seed, n_units=self.n_units)
        for size in settings.lesioned if lesioned else settings.all_sizes:
            own = ranked(size, without=self.massive)
            units[settings.selection_name(size)] = own
            for seed in settings.lesion.seeds:
                drawn = random_units(self.found, own, seed, self.massive)
                units[settings.control_name(size, seed)] = drawn
            if settings.massive != KEEP:
                units[settings.with_massive_name(size)] = ranked(size)
        if settings.apart:
            units[MASSIVE] = units_of(self.found, self.massive)
        return units


def write_localizer(
    study: Study, *, model_json: str, network: str, manifest: str, output: str
) -> None:
    """Rule ``localizer``: a network's selectivity, and beside it every selection."""
    from brodmann.localizers.selection import write_units

    card = ModelCard.read(model_json)
    localized = Localized(study, card, network, manifest)
    metadata = {
        "network": network,
        **study.localizer.stimulation(network),
        **localized.facts,
        "texts": {"source": localized.contrast.source, "sha256": localized.contrast.sha256},
        "method": METHODS["localizer"],
        "model": card.identity(),
    }
    found = localized.found
    texts = {key: json.dumps(value) for key, value in metadata.items()}
    write_tensors(output, {"t": found.t, "p": found.p, "p_fdr": found.p_fdr}, texts)
    origin = card.origin(study.localizer.site)
    for name, units in localized.selected().items():
        expert_of = card.experts_at(study.localizer.site)
        write_units(Path(output).parent / f"{name}.csv", units, origin, name, expert_of)
