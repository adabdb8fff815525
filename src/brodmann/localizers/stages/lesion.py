"""Lesion stage: what silencing a network's units does to text and tasks, beside random units.

One pass per model. A *row of work* is one lesion on one measure (the corpus, or a task): its key is made of
the units, so that what two networks or two settings share, the intact model first of all, is measured once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.config.localizer import RESIDUAL_SITES, Size
from brodmann.config.massive import KEEP, MASSIVE
from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.localizers.stages.localizer import Localized
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.runner.bench import Bench
from brodmann.runner.experiment import (
    ACTIVATION_MATCHED,
    CORPUS,
    MATCHED,
    Edit,
    Experiment,
    corpus_rows,
    p_values,
    records_of,
    rows_of,
    with_every_q,
)
from brodmann.runner.target import Target
from brodmann.significance import effects
from brodmann.store.shares import WHOLE, Share
from brodmann.store.tables import write_table
from brodmann.store.work import Pass, Records, Work

if TYPE_CHECKING:
    from brodmann.localizers.selection import Units

COLUMNS = (
    *("condition", "selection", "percentage", "k", "seed", "kind", "measure", "task", "n"),
    *("value", "low", "high", "p", "q", "p_random", "q_random"),
)
# Kind of lesion -> how units are edited.
HOW = {"zero": "inhibit", "mean": "hold"}
# Conditions beside the lesion, its random controls and those that are as active.
WITH_MASSIVE, MASSIVE_RANDOM = "with_massive", "massive_random"


def lesions_of(localized: Localized) -> list[Edit]:
    """Intact, and every size with its random controls.

    Where massive activations are left out, every size also with them; and they by themselves, with their own
    random controls. A second kind of controls are as active as the units.
    """
    from brodmann.localizers.selection import matched_units, random_units

    settings, network, found = localized.settings, localized.network, localized.found
    chosen, massive = localized.selected(lesioned=True), localized.massive
    matched = settings.lesion.activation_matched_seeds

    def edit(
        units: Units, condition: str, size: Size | None, kind: str, seed: int | None = None
    ) -> Edit:
        name = shown = MASSIVE if size is None else settings.selection_name(size)
        if size is not None and condition == WITH_MASSIVE:
            shown = settings.with_massive_name(size)
        cells: dict[str, object] = {
            "condition": condition,
            "selection": shown,
            "percentage": "" if size is None or size.percentage is None else repr(size.percentage),
            "k": len(units),
            "seed": "" if seed is None else seed,
            "kind": kind,
        }
        if matched:
            active = localized.activations.reshape(-1)[units.units]
            cells["activation"] = float(active.mean()) if len(active) else ""
        own, as_active = (name, kind), condition == ACTIVATION_MATCHED
        return Edit(
            f"{network}: {condition} {shown} {cells['seed']} {kind}",
            cells,
            units.units,
            HOW[kind],
            group=(*own, condition) if as_active else own,
            control=seed is not None,
            active=own if as_active or condition == "lesion" else None,
            of=localized,
        )

    edits = [Edit(f"{network}: intact", {"condition": "intact", "k": 0}, of=localized)]
    for size in settings.lesioned:
        for kind in settings.lesion.kinds:
            own = chosen[settings.selection_name(size)]
            edits.append(edit(own, "lesion", size, kind))
            for seed in settings.lesion.seeds:
                control = chosen[settings.control_name(size, seed)]
                edits.append(edit(control, "random", size, kind, seed))
            for seed in matched:
                control = matched_units(found, own, localized.activations, seed, massive)
                edits.append(edit(control, ACTIVATION_MATCHED, size, kind, seed))
            if settings.massive != KEEP:
                ranked = chosen[settings.with_massive_name(size)]
                edits.append(edit(ranked, WITH_MASSIVE, size, kind))
    for kind in settings.lesion.kinds if settings.apart and massive else ():
        own = chosen[MASSIVE]
        edits.append(edit(own, MASSIVE, None, kind))
        for seed in settings.lesion.seeds:
            edits.append(edit(random_units(found, own, seed), MASSIVE_RANDOM, None, kind, seed))
    return edits


class LesionStage:
    """Every network's lesions, and what they are measured on."""

    def __init__(
        self, study: Study, model_json: str, item_files: Sequence[str], manifest: str
    ) -> None:
        from brodmann.stimuli.texts import read_passages

        self.study = study
        self.settings = study.localizer
        self.card = ModelCard.read(model_json)
        self.manifest = manifest  # of the localizer pass
        lesioned = self.settings.lesion
        assert lesioned.corpus is not None, "found when the config was resolved"
        self.passages = read_passages(lesioned.corpus)[: lesioned.passages]
        self.targets = targets_of(study, self.card, item_files)
        self.experiment = Experiment(
            self.settings.site,
            self.passages,
            self.targets,
            key=self.key,
            record=_margins,
            under="under a lesion",
            fix="its dtype may be too small; try dtype: float32",
            amount=self._amount,
        )
        self._means: dict[str, np.ndarray] = {}

    @cached_property
    def localized(self) -> dict[str, Localized]:
        """Every network's selectivity."""
        return {
            network: Localized(self.study, self.card, network, self.manifest)
            for network in self.settings.networks
        }

    def key(self, edit: Edit, task: str) -> str:
        """Hash of everything that one row of work depends on."""
        basis: dict[str, Any] = {
            "stage": "lesion",
            "method": METHODS["lesion"],
            "model": self.card.scoring_identity(),
            "architecture": self.card.architecture,
        }
        if edit.edits:
            width = edit.of.found.t.shape[1]
            pairs = [divmod(unit, width) for unit in sorted(edit.units.tolist())]
            basis |= {"site": self.settings.site, "kind": edit.cells["kind"], "units": pairs}
            if edit.how == HOW["mean"]:
                own = edit.of
                basis["means_of"] = [own.contrast.sha256, self.settings.truncate[own.network]]
        shown = {"corpus": self.passages} if task == CORPUS else self.targets[task].inputs
        return digest({**basis, **shown})

    def works(self) -> list[Work[Bench]]:
        """Every lesion of every network on every measure."""
        edits = [edit for own in self.localized.values() for edit in lesions_of(own)]
        return self.experiment.works(edits, group=lambda edit: edit.of.network)

    def _amount(self, bench: Bench, edit: Edit) -> np.ndarray | None:
        """Of a lesion to the mean: [layers, units], the means over the network's texts."""
        if edit.how != HOW["mean"]:
            return None
        network, contrast = edit.of.network, edit.of.contrast
        if network not in self._means:
            texts = (*contrast.positive, *contrast.negative)
            rows = bench.texts(texts, truncate=self.settings.truncate[network])
            self._means[network] = bench.activations(self.settings.site).means(rows)
        return self._means[network]

    def written_works(self) -> list[Work[Bench]]:
        """What neurons write on each network's units, where units are of the residual stream."""
        # A model whose neurons cannot be addressed has no circuits of them, either.
        if self.settings.site not in RESIDUAL_SITES or not self.card.neurons_per_layer:
            return []
        return [
            Work.one(
                written_name(network), self._written_key(own), partial(_written, localized=own)
            )
            for network, own in self.localized.items()
        ]

    def _written_key(self, localized: Localized) -> str:
        """Hash of what the written shares on a network's units depend on."""
        return digest(
            {
                "stage": "written",
                "method": METHODS["written"],
                "model": self.card.identity(),
                "architecture": self.card.architecture,
                "units": sorted(localized.main.pairs),
            }
        )


def written_name(network: str) -> str:
    """What the manifest calls the written shares on a network's units."""
    return f"what neurons write on {network}"


def _written(bench: Bench, localized: Localized) -> bytes:
    """What the model's neurons write on a network's units, as a record."""
    from safetensors.numpy import save as pack

    from brodmann.runner.writing import written_share

    return pack({"share": written_share(bench.model, localized.main.pairs)})


def _margins(rows: Sequence[list[float] | None]) -> dict[str, Any]:
    """By how much each item's right answer is likelier than the wrong one; None if it cannot be said."""
    return {"margins": [None if row is None else row[0] - row[1] for row in rows]}


def targets_of(study: Study, card: ModelCard, item_files: Sequence[str]) -> dict[str, Target]:
    """Task -> the items of it that lesions are measured on."""
    own = study.localizer
    return Target.drawn(study, card, item_files, own.lesion.items, "lesion", own.seed)


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    item_files: Sequence[str],
    localizer_manifest: str,
    manifest: str,
    threads: int,
    share: Share = WHOLE,
) -> None:
    """Rule ``lesion_pass``: measure what the store lacks, then write the manifest."""
    from brodmann.localizers.stages import massive

    stage = LesionStage(study, model_json, item_files, localizer_manifest)
    name = stage.card.name
    load = Bench.opener(study, name, record_file, threads)
    with Pass("lesion", name, manifest, load, share) as this:
        this.make([*massive.works(stage), *stage.written_works()])
        lesions = this.make(stage.works(), bar="lesions", unit="row")
        this.note(lesions=len(lesions), rows=sum(len(one.names) for one in lesions))


# The light job


def write_table_of(
    study: Study,
    *,
    model_json: str,
    item_files: Sequence[str],
    localizer_manifest: str,
    manifest: str,
    network: str,
    output: str,
) -> None:
    """Rule ``lesion``: one network's table, every lesion on the corpus and on every task."""
    records, card = Records(manifest, "lesion"), ModelCard.read(model_json)
    targets = targets_of(study, card, item_files)
    edits = lesions_of(Localized(study, card, network, localizer_manifest))
    rows: list[dict[str, Any]] = []
    for task in (CORPUS, *study.localizer.lesion.tasks):
        found = records_of(records, edits, task, f"a stored lesion of {network}")
        if task == CORPUS:
            rows += corpus_rows(edits, found, study.localizer.seed)
        else:
            rows += _task_rows(edits, task, found, targets[task].groups)
    more = MATCHED if study.localizer.lesion.activation_matched_seeds else ()
    write_table(output, with_every_q(rows), (*COLUMNS, *more))


def _task_rows(
    edits: Sequence[Edit], task: str, found: Sequence[dict[str, Any]], units: Sequence[str]
) -> list[dict[str, Any]]:
    """``units``: of each item its independent unit."""
    right = [
        np.array([m > 0 for m in record["margins"] if m is not None], dtype=float)
        for record in found
    ]
    # An item that cannot be said of one lesion cannot be said of any.
    pairs = zip(units, found[0]["margins"], strict=True)
    own_units = [unit for unit, margin in pairs if margin is not None]
    values = {"accuracy": [effects.accuracy(own, own_units) for own in right]}
    test = partial(effects.sign_test, units=own_units)
    return rows_of(edits, task, values, p_values(edits, right, test))
