"""From the folder of a finished study to the data files of its atlas."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from brodmann.atlas import views_data
from brodmann.atlas.circuits import Circuits, read_circuits, read_scores
from brodmann.atlas.contract import (
    Comparison,
    Component,
    Domain,
    LocalizerOfModel,
    Made,
    Manifest,
    Model,
    NetworksOfModel,
    Series,
    Task,
    TaskOfModel,
)
from brodmann.atlas.maps import localizers, network_datasets, read_localizer, read_networks
from brodmann.atlas.matrices import read_matrices
from brodmann.atlas.names import Names
from brodmann.atlas.study import ModelEntry, StudyFolder
from brodmann.atlas.tried import tried_scores
from brodmann.atlas.units import described, more_tables, of_units
from brodmann.errors import UserError
from brodmann.files import read_json
from brodmann.models.card import ModelCard
from brodmann.sites import ALL_LEVELS, COMPONENTS
from brodmann.statistics.inventory import AVERAGE
from brodmann.tasks import domains as known_domains
from brodmann.tasks.catalogue import domain_of

# Writes one data file: its name, and what it holds.
Write = Callable[[str, Any], None]


@dataclass
class Collected:
    """Files that were written for a model: logical name -> file."""

    write: Write
    names: Names
    prefix: str
    files: dict[str, str] = field(default_factory=dict)

    def add(self, logical: str, value: Any) -> None:
        """Write a file and note its name."""
        name = self.names.of(f"{self.prefix}.{logical}")
        self.write(name, value)
        self.files[logical] = name


def collect(study: StudyFolder, write: Write) -> Manifest:
    """Write every data file but the manifest, which is returned."""
    if not study.components:
        raise UserError.at("attribution.components", "a study without circuits has no atlas")
    tasks, names = study.tasks, Names()
    domains = list(dict.fromkeys(map(domain_of, tasks)))
    models = [_model(study, entry, domains, write, names) for entry in study.models]
    files = {"summary": names.of("summary")}
    write(files["summary"], views_data.summary(study.results))
    folder = study.results / AVERAGE
    averaged = folder.is_dir() and sum(not one.control for one in study.models) > 1
    if averaged:
        own = Collected(write, names, AVERAGE)
        own.add("matrices", read_matrices(folder, tasks, study.selections))
        files["average.matrices"] = own.files["matrices"]
    return Manifest(
        title=_title(study),
        made=Made(study.version, study.written, study.config_hash, _command(study)),
        domains=[
            Domain(name, known_domains.label(name), known_domains.colour(name)) for name in domains
        ],
        tasks=[Task(task, study.titles.get(task, task), domain_of(task)) for task in tasks],
        models=models,
        comparisons=_comparisons(models),
        shared=known_domains.SHARED_COLOUR,
        average=averaged,
        files=files,
    )


def _title(study: StudyFolder) -> str:
    names = [one.name for one in study.models if not one.control]
    return f"Atlas of {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}"


def _command(study: StudyFolder) -> str:
    # Of an absolute path only the name: an atlas is shown to others, whom the maker's folders do not concern.
    results = study.results.name if study.results.is_absolute() else str(study.results)
    return shlex.join(["brodmann", "atlas", results])


def _comparisons(models: list[Model]) -> list[Comparison]:
    """Controls beside their models, neighbours in a series, and all other pairs (of a series its last)."""
    found = [Comparison(one.of, one.name, "control") for one in models if one.of]
    last: dict[str, Model] = {}
    for one in models:
        key = one.series.name if one.series else one.name
        if one.control:
            continue
        if key in last:
            found.append(Comparison(last[key].name, one.name, "series"))
        last[key] = one
    pairs = combinations(last.values(), 2)
    return found + [Comparison(one.name, other.name, "models") for one, other in pairs]


def _model(
    study: StudyFolder, entry: ModelEntry, domains: list[str], write: Write, names: Names
) -> Model:
    folder = study.results / entry.name
    own = Collected(write, names, entry.name)
    components, layers = [], 0
    for component in () if entry.imported else study.components:
        circuits = _circuits(study, entry.name, component, domains, own)
        if circuits is not None:
            layers = circuits.shape[0]
            bin = circuits.bin if circuits.binned else None
            label, site = ALL_LEVELS[component].label, COMPONENTS[component]
            tried = _tried(study, entry.name, component, circuits, own)
            about = component, label, circuits.shape[1], site, bin, study.estimator, tried or None
            components.append(Component(*about, widths_of(folder, site)))
    found = _localizers(study, folder, own)
    networks = _networks(study, folder, own)
    own.add("matrices", read_matrices(folder, study.tasks, study.selections))
    for logical, content in chain(
        views_data.of_model(study.results, entry.name),
        of_units(study.results, entry.name),
        more_tables(folder),
    ):
        own.add(logical, content)
    series = Series(*entry.series) if entry.series else None
    return Model(
        name=entry.name,
        label=entry.name,
        control=entry.control,
        of=entry.of,
        series=series,
        matrices_only=entry.imported,
        layers=layers,
        components=components,
        estimators=[] if entry.imported else [study.estimator],
        tasks=_tasks(study, folder),
        sels=study.selections,
        main_sel=study.main_selection,
        localizers=found,
        networks=networks,
        binned=any(one.bin for one in components),
        files=own.files,
        weights=weights_of(folder),
    )


def _circuits(
    study: StudyFolder, model: str, component: str, domains: list[str], own: Collected
) -> Circuits | None:
    folder = study.results / model
    tasks, scores = read_scores(folder, component, study.tasks)
    if not tasks:
        return None
    width = scores.shape[2]
    main = read_circuits(folder, component, study.main_selection, tasks, width)
    widths = widths_of(folder, COMPONENTS[component])
    circuits = Circuits(tasks, scores, main, domains, widths)
    for task, value in circuits.task_scores():
        own.add(f"{component}.scores.{task}", value)
    for task, value in circuits.exact():
        own.add(f"{component}.exact.{task}", value)
    for layer in range(circuits.shape[0]):
        own.add(f"{component}.layer.{layer}", circuits.layer(layer))
    own.add(f"{component}.order", circuits.order)
    own.add(f"{component}.domains", circuits.domain_map())
    own.add(f"{component}.masks", {study.main_selection: main})
    for sel in study.selections:
        if sel != study.main_selection:
            masks = read_circuits(folder, component, sel, tasks, width)
            own.add(f"{component}.masks.{sel}", {sel: masks})
    return circuits


def _tried(
    study: StudyFolder, model: str, component: str, circuits: Circuits, own: Collected
) -> list[str]:
    """The estimators that were tried on some task."""
    found = tried_scores(study.results / model, component, circuits, study.tried)
    names: dict[str, None] = {}
    for trial, task, scores in found:
        own.add(f"{component}.tried.{trial}.{task}", scores)
        names[trial] = None
    return list(names)


def _localizers(study: StudyFolder, folder: Path, own: Collected) -> list[LocalizerOfModel]:
    found = []
    for name in study.asked(localizers(folder), "localizer", "networks"):
        value = read_localizer(folder, name)
        own.add(f"localizer.{name}", value)
        label = name.replace("_", " ")
        found.append(
            LocalizerOfModel(
                *(name, label, value.site, value.t.shape[1], list(value.selections)),
                widths_of(folder, value.site),
            )
        )
    return found


def _networks(study: StudyFolder, folder: Path, own: Collected) -> list[NetworksOfModel]:
    found = []
    for dataset in study.asked(network_datasets(folder), "networks", "datasets"):
        value, method = read_networks(folder, dataset)
        own.add(f"networks.{dataset}", value)
        networks = described(folder, dataset, value.names, list(map(len, value.members)))
        width = value.maps.shape[2]
        own_widths = widths_of(folder, value.site)
        found.append(NetworksOfModel(dataset, value.site, width, method, networks, own_widths))
    return found


def _tasks(study: StudyFolder, folder: Path) -> dict[str, TaskOfModel]:
    found = {}
    for task in study.tasks:
        path = folder / "baseline" / f"{task}.json"
        if path.is_file():
            said = read_json(path)
            try:
                found[task] = TaskOfModel(
                    bool(said["included"]),
                    str(said["reason"]),
                    float("nan")
                    if said["both_correct_accuracy"] is None
                    else float(said["both_correct_accuracy"]),
                    len(said.get("used_ids", said["both_correct_ids"])),
                )
            except (KeyError, TypeError, ValueError):
                raise UserError.at(str(path), "is incomplete") from None
    return found


def widths_of(folder: Path, site: str) -> list[int] | None:
    """The units of a site that each layer of a model has, where its card says that they differ."""
    if not {"absent", "experts"} & _said(folder).keys():
        return None
    return ModelCard.read(folder / "model.json").widths_at(site)


def weights_of(folder: Path) -> str | None:
    """The weights of a model, as masks have them; None where its card is not there."""
    said = _said(folder).get("weights_hash")
    return f"sha256:{said[:12]}" if isinstance(said, str) and said else None


def _said(folder: Path) -> Mapping[str, Any]:
    """A model's card, as far as it can be read."""
    path = folder / "model.json"
    card = read_json(path) if path.is_file() else {}
    return card if isinstance(card, Mapping) else {}
