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

from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.localizers.contrasts import contrast_of
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.runner.bench import Bench
from brodmann.stimuli.reader import Contrast
from brodmann.store.progress import progress
from brodmann.store.shares import WHOLE, Share
from brodmann.store.tensors import facts_of, write_tensors
from brodmann.store.work import Pass, Records, Work

if TYPE_CHECKING:
    from brodmann.localizers.selection import Units
    from brodmann.localizers.selectivity import Selectivity


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

    def __init__(self, study: Study, network: str, manifest: str) -> None:
        from safetensors.numpy import load as unpack

        from brodmann.localizers.selectivity import Selectivity

        self.study, self.network = study, network
        self.settings = study.localizer
        what = f"the stored selectivity for {network}"
        record = Records(manifest, "localizer").get(network, what)
        self.facts = facts_of(record)  # what was noted with it
        self.found: Selectivity = Selectivity(**unpack(record))

    @cached_property
    def contrast(self) -> Contrast:
        """The texts that it was measured with."""
        return contrast_of(self.study, self.network)

    @property
    def main(self) -> Units:
        """The network: the units of the first size."""
        return next(iter(self.selected().values()))

    def selected(self, lesioned: bool = False) -> Mapping[str, Units]:
        """Selection name -> units: of every size the network's own and its random controls."""
        from brodmann.localizers.selection import random_units, select

        settings, units = self.settings, {}
        for size in settings.lesioned if lesioned else settings.all_sizes:
            own = select(self.found, size, range=settings.range, seed=settings.seed)
            units[settings.selection_name(size)] = own
            for seed in settings.lesion.seeds:
                units[settings.control_name(size, seed)] = random_units(self.found, own, seed)
        return units


def write_localizer(
    study: Study, *, model_json: str, network: str, manifest: str, output: str
) -> None:
    """Rule ``localizer``: a network's selectivity, and beside it every selection."""
    from brodmann.localizers.selection import write_units

    card = ModelCard.read(model_json)
    localized = Localized(study, network, manifest)
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
        write_units(Path(output).parent / f"{name}.csv", units, origin, name)
