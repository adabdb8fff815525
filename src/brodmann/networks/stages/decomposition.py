"""Networks stage: one pass per model decomposes every dataset's signals, light jobs tell what was found.

A record is a dataset's templates (the samples of the group level, concatenated), or one further sample's
networks: each is in the store before the next begins, so that a killed pass goes on where it was. Keys are
made of the texts and of what decides the maps: what is compared with what is decided without the model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brodmann.config.networks import IDENTIFIED_ONLY
from brodmann.config.study import Study
from brodmann.files import digest, write_json
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.networks.dataset_texts import Texts, dataset_texts
from brodmann.runner.bench import Bench
from brodmann.store.progress import Stopwatch, progress
from brodmann.store.shares import WHOLE, Share
from brodmann.store.work import OnStep, Pass, Records, Work

if TYPE_CHECKING:
    from brodmann.networks.consistency import DatasetNetworks, SampleNetworks
    from brodmann.networks.maps import Networks
    from brodmann.networks.signals import Signals

log = logging.getLogger(__name__)

# Starts for single samples, of which a hundred are decomposed: what the starts agree on is identified.
INDIVIDUAL_RESTARTS = 3


class Keys:
    """Store keys of one model's networks."""

    def __init__(self, study: Study, card: ModelCard) -> None:
        self.settings = study.networks
        self._basis = {
            "stage": "networks",
            # `method` is the decomposition's name.
            "version": METHODS["networks"],
            "model": card.identity(),
            "architecture": card.architecture,
            **self.settings.extraction(),
            **self.settings.decomposition(),
        }
        if without := left_out(study, card):
            self._basis["without"] = without
        # Maps are standardised over the units that exist.
        self._basis |= Population.at(card, self.settings.site).in_keys()

    def group(self, texts: Texts) -> str:
        """Key of a dataset's templates."""
        own = {"components": self.settings.group_components, "texts": texts.group_sha256}
        return digest({**self._basis, "level": "group", **own})

    def sample(self, text: str) -> str:
        """Key of a sample's networks."""
        own = {"components": self.settings.individual_components, "text": text}
        basis = {**self._basis, "restarts": INDIVIDUAL_RESTARTS}
        return digest({**basis, "level": "individual", **own})


def left_out(study: Study, card: ModelCard) -> tuple[tuple[int, int], ...]:
    """Units, (layer, unit), that are not decomposed: massive activations, where the study leaves them out."""
    return card.left_out(study.networks.site, study.networks.massive)


def template_name(dataset: str) -> str:
    """What the manifest calls a dataset's templates."""
    return f"{dataset}/templates"


def sample_names(dataset: str, count: int) -> list[str]:
    """What the manifest calls its samples."""
    return [f"{dataset}/sample {number}" for number in range(1, count + 1)]


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    manifest: str,
    threads: int,
    share: Share = WHOLE,
) -> None:
    """Rule ``networks_pass``: decompose what the store lacks, then write the manifest."""
    card = ModelCard.read(model_json)
    keys = Keys(study, card)
    datasets = [dataset_texts(study, name, card) for name in study.networks.names]
    bench = Bench.opener(study, card.name, record_file, threads)
    # Shards run at once: each with its own signals.
    folder = Path(manifest).parent if share.whole else Path(share.marker).with_suffix("")
    done = {"templates": 0, "samples": 0, "unconverged": 0}

    def templates(texts: Texts) -> Work[_Decomposer]:
        name, key = template_name(texts.name), keys.group(texts)
        cost = sum(map(len, texts.group))
        return Work.one(name, key, lambda decomposer: decomposer.templates(texts), cost=cost)

    def samples(texts: Texts) -> Work[_Decomposer]:
        drawn = texts.individual
        own = dict(zip(sample_names(texts.name, len(drawn)), drawn, strict=True))

        def compute(
            decomposer: _Decomposer, names: Sequence[str], _: OnStep
        ) -> Iterator[dict[str, bytes]]:
            for name, found in decomposer.samples(texts.name, {name: own[name] for name in names}):
                done["unconverged"] += not found.facts["converged"]
                yield {name: found.pack()}

        named = {name: keys.sample(text) for name, text in own.items()}
        cost = sum(map(len, drawn)) // max(1, len(drawn))
        return Work(f"{texts.name}: samples", named, compute, cost=cost, block=1)

    works = [work for texts in datasets for work in (templates(texts), samples(texts))]

    def decomposer() -> _Decomposer:
        return _Decomposer(bench(), folder, left_out(study, card))

    with Pass("networks", card.name, manifest, decomposer, share) as this:
        for one in this.make(works):
            done["samples" if one.work.block else "templates"] += len(one.names)
        this.note(datasets=[texts.name for texts in datasets], **done)


class _Decomposer:
    """A loaded model, and what is done with its signals."""

    def __init__(self, bench: Bench, folder: Path, without: Sequence[tuple[int, int]] = ()) -> None:
        from brodmann.networks.extraction import Extractor
        from brodmann.networks.signals import remove_leftovers

        self.bench, self.model, self.folder = bench, bench.model, folder
        self.settings = bench.study.networks
        remove_leftovers(folder)
        self.extractor = Extractor.of(bench, without)
        # Decompositions are in float64, which not every accelerator knows.
        self.device = self.model.device if self.model.device.type == "cuda" else "cpu"

    @property
    def forward_passes(self) -> int:
        """So far."""
        return self.bench.forward_passes

    def templates(self, texts: Texts) -> bytes:
        """Record of a dataset's templates."""
        rows = self._encode(texts.group, texts.name)
        watch = Stopwatch()
        with (
            progress(len(rows), f"signals {texts.name} {self.model.name}", unit="text") as bar,
            self.extractor.concatenated(rows, self.folder, bar.update) as signals,
        ):
            bar.refresh()
            extracted = watch.seconds
            found = self._decompose(signals, self.settings.group_components)
        log.info(
            "%s: %d templates of %d tokens; signals %.1f s, decomposition %.1f s",
            *(texts.name, len(found), signals.n_tokens, extracted, watch.seconds - extracted),
        )
        found.facts.update(
            samples=len(rows), site=self.settings.site, computed_with=self.bench.made_with
        )
        if without := self.extractor.layout.without:
            found.facts["without"] = [list(unit) for unit in without]
        return found.pack()

    def samples(
        self, dataset: str, texts: Mapping[str, str]
    ) -> Iterator[tuple[str, SampleNetworks]]:
        """The networks of each text, under its name, as they are found."""
        names, unconverged = list(texts), 0
        rows = self._encode(list(texts.values()), dataset)
        for name, row in zip(names, rows, strict=True):
            if not self.extractor.tokens(row):  # not run at all
                yield name, self._none(0)
        with progress(len(rows), f"networks {dataset} {self.model.name}", unit="text") as bar:
            for number, value in self.extractor.runs(rows):
                found = self._sample(value)
                unconverged += not found.facts["converged"]
                yield names[number], found
                bar.update(1)
        if unconverged:
            log.warning(
                "%s: ICA did not converge for %d of %d samples", dataset, unconverged, len(rows)
            )

    def _none(self, tokens: int) -> SampleNetworks:
        """What is found in a sample of so few tokens."""
        import numpy as np

        from brodmann.networks.consistency import SampleNetworks

        layout, none = self.extractor.layout, np.zeros(0)
        return SampleNetworks(
            none.astype(np.int32),
            np.zeros(1, np.int64),
            none,
            none,
            (layout.n_layers, layout.width),
            {"tokens": tokens, "converged": True},
        )

    def _sample(self, values: Any) -> SampleNetworks:
        from brodmann.networks.consistency import SampleNetworks
        from brodmann.networks.signals import ArraySignals

        if len(values) < 2:  # too short to vary
            return self._none(len(values))
        signals = ArraySignals(values, self.extractor.layout)
        found = self._decompose(
            signals,
            self.settings.individual_components,
            INDIVIDUAL_RESTARTS,
            quiet=True,
            may_be_none=True,
        )
        # That of the run that is kept: the others only say how stable it is.
        converged = all(part.get("best_converged", True) for part in found.facts["windows"])
        return SampleNetworks.of(found, tokens=len(values), converged=converged)

    def _decompose(
        self,
        signals: Signals,
        k: int,
        restarts: int | None = None,
        *,
        quiet: bool = False,
        may_be_none: bool = False,
    ) -> Networks:
        from brodmann.networks.decompose import decompose

        chosen = self.settings.decomposition()
        return decompose(
            signals,
            k,
            **{
                **chosen,
                "restarts": restarts or chosen["restarts"],
                "window": self.settings.window,
            },
            device=self.device,
            quiet=quiet,
            may_be_none=may_be_none,
        )

    def _encode(self, texts: Sequence[str], name: str) -> list[tuple[int, ...]]:
        return self.bench.texts(texts, truncate=self.settings.max_tokens, where=name)


def read_dataset(study: Study, name: str, manifest: str) -> DatasetNetworks:
    """What the pass found in a dataset."""
    from brodmann.networks.consistency import DatasetNetworks, SampleNetworks
    from brodmann.networks.maps import Networks

    records = Records(manifest, "networks")
    templates = records.get(template_name(name), f"the stored networks of {name}")
    samples = sample_names(name, study.networks.individual_samples)
    found = [
        SampleNetworks.unpack(records.get(sample, f"a stored sample of {name}"))
        for sample in samples
    ]
    counted = found
    if study.networks.individual_kept == IDENTIFIED_ONLY:
        counted = [sample.only_identified() for sample in found]
    return DatasetNetworks(name, Networks.unpack(templates), counted, sum(map(len, found)))


def write_networks(
    study: Study, *, model_json: str, manifest: str, templates: Sequence[str], tables: Any
) -> None:
    """Rule ``network_tables``: every dataset's templates, and the tables over all of them.

    ``templates``: a file per dataset, in their order; ``tables``: files by the names of ``TABLES``.
    """
    from brodmann.networks import consistency
    from brodmann.store.tables import write_frame

    datasets = [read_dataset(study, name, manifest) for name in study.networks.names]
    card, site = ModelCard.read(model_json), study.networks.site
    origin = card.origin(site)
    for dataset, path in zip(datasets, templates, strict=True):
        dataset.templates.facts.update(asdict(origin))
        dataset.templates.save(path)
        write_json(Path(path).with_suffix(".json"), _described(dataset))
    threshold = study.networks.iou_threshold
    write_frame(tables["consistency"], consistency.consistency_table(datasets, threshold))
    write_frame(tables["template_iou"], consistency.template_iou_table(datasets, threshold))
    write_frame(tables["sizes"], consistency.sizes_table(datasets, len(Population.at(card, site))))
    write_frame(tables["layers"], consistency.layers_table(datasets))


def _described(dataset: DatasetNetworks) -> dict[str, Any]:
    """What is to be known of a dataset's networks, readable without a library."""
    from brodmann.networks.maps import is_identified

    own = dataset.templates
    return {
        "dataset": dataset.name,
        "components": len(own),
        "threshold": own.threshold,
        "side": own.side,
        "n_units": own.n_units.tolist(),
        "explained": own.explained.tolist(),
        "stability": [None if isnan(value) else value for value in own.stability.tolist()],
        "identified": is_identified(own.stability).tolist(),
        "individual_samples": len(dataset.samples),
        "individual_networks": sum(len(sample) for sample in dataset.samples),
        "individual_found": dataset.found,
        "individual_identified": sum(int(one.identified.sum()) for one in dataset.samples),
        "individual_unconverged": sum(not s.facts["converged"] for s in dataset.samples),
        **own.facts,
    }
