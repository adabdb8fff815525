"""Localizer stage: one pass per model measures every network's selectivity, light jobs select units.

The store keeps t and p of all units under a key of the texts, the tokens of them that are read, the site and
the pooling: which units are selected of them, and how many, is decided without the model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.localizers.contrasts import contrast_of
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.sources import WeightsRecord
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.stimuli.reader import Contrast
from brodmann.store import ledger
from brodmann.store.progress import progress
from brodmann.store.store import Store
from brodmann.store.tensors import write_tensors

if TYPE_CHECKING:
    from brodmann.localizers.selection import Units
    from brodmann.localizers.selectivity import Selectivity

log = logging.getLogger(__name__)


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
    study: Study, *, model_json: str, record_file: str, manifest: str, threads: int
) -> None:
    """Rule ``localizer_pass``: measure what the store lacks, then write the manifest."""
    this = ledger.Pass(manifest)
    card = ModelCard.read(model_json)
    contrasts = [contrast_of(study, network) for network in study.localizer.networks]
    keys = {contrast.network: store_key(study, card, contrast) for contrast in contrasts}
    passes = 0
    with Store(this.store / "localizer") as store:
        missing = [contrast for contrast in contrasts if keys[contrast.network] not in store]
        log.info("%s: %d networks, %d to measure", card.name, len(contrasts), len(missing))
        if missing:
            model = load(study, card.name, WeightsRecord.read(record_file), threads)
            for contrast in missing:
                payload, more = _measure(study, model, contrast)
                store.put(keys[contrast.network], payload)
                passes += more
        store.consolidate()
    computed = [contrast.network for contrast in missing]
    facts = {
        "stage": "localizer",
        "model_loads": int(bool(missing)),
        "forward_passes": passes,
        "computed": computed,
        "reused": [network for network in keys if network not in computed],
    }
    this.end(card.name, facts, keys=keys)


def _measure(study: Study, model: Any, contrast: Contrast) -> tuple[bytes, int]:
    """A network's record, and how many forward passes it took."""
    from safetensors.numpy import save as pack

    from brodmann.localizers.selectivity import measure
    from brodmann.runner.activations import Activations
    from brodmann.runner.texts import encode_texts

    wanted = study.localizer.stimulation(contrast.network)
    positive, negative = (
        encode_texts(model.tokenizer, texts, truncate=wanted["truncate"], where=contrast.network)
        for texts in (contrast.positive, contrast.negative)
    )
    activations = Activations(model, site=wanted["site"], batch_tokens=study.execution.batch_tokens)
    total = len(positive) + len(negative)
    with progress(total, f"{contrast.network} {model.name}", unit="text") as bar:
        found = measure(activations, positive, negative, wanted["pooling"], bar.update)
    facts = {
        "n_positive": len(positive),
        "n_negative": len(negative),
        "computed_with": {**software(), "device": str(model.device)},
    }
    tensors = {"t": found.t, "p": found.p, "p_fdr": found.p_fdr}
    record = pack(tensors, metadata={"facts": json.dumps(facts)})
    return record, activations.reader.forward_passes


class Localized:
    """The selectivity of one network in one model, read from the store, and what is selected by it."""

    def __init__(self, study: Study, card: ModelCard, network: str, manifest: str) -> None:
        from safetensors.numpy import load as unpack

        from brodmann.localizers.selectivity import Selectivity

        self.settings = study.localizer
        self.contrast = contrast_of(study, network)
        store = Store(Path(manifest).parent / "localizer")
        what = f"the stored selectivity for {network}"
        self.record = store.require(store_key(study, card, self.contrast), what, manifest)
        self.found: Selectivity = Selectivity(**unpack(self.record))

    @property
    def facts(self) -> dict[str, Any]:
        """What was noted with it."""
        size = int.from_bytes(self.record[:8], "little")
        return json.loads(json.loads(self.record[8 : 8 + size])["__metadata__"]["facts"])

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
    for name, units in localized.selected().items():
        write_units(Path(output).parent / f"{name}.csv", units)
