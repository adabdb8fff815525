"""``results/methods.md`` and ``.bib``: a methods section to paste, written from the config.

The words are templates in ``workflow/report/methods``, one for each subsection; this module supplies their
values. Every sentence says what this study did and cites the method's own paper; every setting that is not
the default is listed. Numbers of results do not stand here: they are in the report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brodmann
from brodmann.circuits.estimators import ESTIMATORS, estimator
from brodmann.circuits.overlap import LOW_CEILING
from brodmann.comparison.map_agreement import DRAWS
from brodmann.config.localizer import Size
from brodmann.config.networks import FILE, Dataset, keeps_signs, source_kind
from brodmann.config.schema import config_schema
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import incomplete, read_json, write_text
from brodmann.localizers.contrasts import contrast_of
from brodmann.localizers.stages.massive import TEXTS, TIMES
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.networks.maps import IDENTIFIED
from brodmann.networks.stages.decomposition import INDIVIDUAL_RESTARTS
from brodmann.pipeline.stages import MAPS
from brodmann.provenance import package_versions
from brodmann.report.prose import environment, joined
from brodmann.sites import COMPONENTS, LEVELS, PLACES, SITES
from brodmann.statistics.resampling import BOOTSTRAPS
from brodmann.stimuli.texts import read_passages
from brodmann.tasks.catalogue import domain_of, list_tasks
from brodmann.tasks.domains import PUBLISHED, known, label

_CITED = re.compile(r"\[(@[^\]]+)\]")
_SETTINGS = "## Settings"  # what follows is the user's own text
# Keys that say how a study is run, not what it computes.
_HOW_IT_RUNS = {"execution", "results_from"}
_HOW_IT_RUNS |= {"device_map", "max_memory", "gpus", "parallel", "attn_implementation"}


def write_methods(
    study: Study,
    *,
    config: Mapping[str, Any],
    item_files: Sequence[str],
    cards: Sequence[str],
    bibliography_file: str | Path,
    data: str | Path,
    outputs: Any,
) -> None:
    """Rule ``methods``. ``config``: the effective values; ``bibliography_file``: the templates' folder is
    beside it; ``data``: the folder of all tasks; ``outputs`` has ``text`` and ``bibliography``."""
    settings = not_default(config, config_schema())
    counts = Counts.read(study, item_files, cards, data)
    templates = Path(bibliography_file).with_name("methods")
    text = methods_text(study, settings, package_versions(), counts, templates)
    entries = Path(bibliography_file).read_text(encoding="utf-8")
    entries += "".join(one.bibliography for one in ESTIMATORS.values())
    write_text(outputs.text, text)
    write_text(outputs.bibliography, bibliography(text, entries))


@dataclass(frozen=True)
class Counts:
    """What the config does not say: how many there are of what was used."""

    items: Mapping[str, int]  # per task
    # (model, component) -> all units
    units: Mapping[tuple[str, str], int] = field(default_factory=dict)
    # network -> positive, negative
    texts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    passages: int | None = None  # of the corpus that lesions are measured on
    edited: int | None = None  # of the one that networks are edited on
    tasks: int = 0  # that the study's were chosen from; of a published folder it is not told
    mixtures: tuple[str, ...] = ()  # models whose neurons are experts'

    @classmethod
    def read(
        cls, study: Study, item_files: Sequence[str], cards: Sequence[str], data: str | Path
    ) -> Counts:
        """From the files of items and models, the localizers' texts, and the folder of all tasks."""
        units, mixtures = {}, []
        for card in map(ModelCard.read, cards):
            mixtures += [card.name] if card.experts is not None else []
            for component in study.attribution.components:
                units[card.name, component] = len(Population.of_level(card, component))
        texts, passages = {}, None
        if study.run_models and study.localizer.networks:
            asked = study.localizer
            for network in asked.networks:
                found = contrast_of(study, network)
                texts[network] = (len(found.positive), len(found.negative))
            passages = len(read_passages(asked.lesion.corpus)[: asked.lesion.passages])
        edited, editing = None, study.networks.use.editing
        if study.network_models and study.networks.names and editing.corpus:
            edited = len(read_passages(editing.corpus)[: editing.passages])
        tasks = 0 if study.tasks.published is not None else len(list_tasks(data))
        items = dict(map(_counted, item_files))
        return cls(items, units, texts, passages, edited, tasks, tuple(mixtures))

    @property
    def items_each(self) -> str:
        """``20`` or ``20 to 22``: the items of a task."""
        ends = sorted({min(self.items.values()), max(self.items.values())}) if self.items else []
        return " to ".join(map(str, ends)) or "no"

    def sizes(self, percentage: float) -> Iterator[dict[str, Any]]:
        """Circuits of ``percentage`` in units, one for all models that have as many units of a kind."""
        alike: dict[tuple[str, int], list[str]] = {}
        for (model, component), number in self.units.items():
            alike.setdefault((component, number), []).append(model)
        for (component, number), models in alike.items():
            size = Size(percentage=percentage).count(number)
            yield {"size": size, "all": number, "component": component, "models": models}


def _counted(path: str) -> tuple[str, int]:
    """A file's task, and how many items it has."""
    record = read_json(path)
    try:
        return record["task"], record["n_items"]
    except (KeyError, TypeError):
        raise incomplete(path) from None


def methods_text(
    study: Study,
    settings: Sequence[tuple[str, Any, Any]],
    software: Mapping[str, str],
    counts: Counts,
    templates: str | Path,
) -> str:
    """The section in Markdown. ``settings``: (key, value, default) of what is not the default."""
    words = environment(templates)
    words.filters["cell"] = _cell
    used = {domain_of(task) for task in study.tasks.selected}
    text = words.get_template("methods.md.j2").render(
        study=study,
        maps=MAPS,
        counts=counts,
        software=[f"{name} {version}" for name, version in software.items()],
        version=brodmann.__version__,
        changed=settings,
        domains=Counter(label(domain_of(task)) for task in study.tasks.selected),
        own_domains=[known()[name] for name in known() if name not in PUBLISHED and name in used],
        other_filters=_other_filters(study),
        estimator=estimator(study.attribution).sentence(),
        units={component: PLACES[site].label for component, site in COMPONENTS.items()},
        sites={name: site.label for name, site in SITES.items()},
        place=_place,
        keeps_signs=keeps_signs,
        levels=LEVELS,
        bootstraps=BOOTSTRAPS,
        identified=IDENTIFIED,
        individual_restarts=INDIVIDUAL_RESTARTS,
        massive={"texts": TEXTS, "times": TIMES},
        map_draws=DRAWS,
        low_ceiling=LOW_CEILING,
    )
    blocks = re.split(r"\n\s*\n", re.sub(r"^#.*$", r"\n\g<0>\n", text, flags=re.M))
    # The lines of a table stay as they are.
    lines = [one.strip() if one.lstrip().startswith("|") else joined(one) for one in blocks]
    return "\n\n".join(filter(None, lines)) + "\n"


def _other_filters(study: Study) -> list[str]:
    """Models whose items are chosen by another rule than those of the first."""
    first = study.models[study.run_models[0]].inclusion.filter if study.run_models else ""
    return [
        name
        for name in study.run_models
        # Whose items an untrained model has is said of the models.
        if study.models[name].inclusion.filter != first and not study.lender(name)
    ]


def _place(dataset: Dataset) -> str:
    """Where a dataset's texts are from, without folders of this machine."""
    return dataset.shown if dataset.kind == FILE else source_kind(dataset.source)[1]


def _cell(value: Any) -> str:
    """A setting's value in a table."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "none"
    return str(value).replace("|", "\\|").replace("\n", " ")


def bibliography(text: str, entries: str) -> str:
    """The entries of a .bib file that ``text`` cites, in its order of the file."""
    known = {
        match[1]: match[0].strip() for match in re.finditer(r"@\w+\{(\w+),.*?\n\}\n", entries, re.S)
    }
    groups = _CITED.findall(text.partition(_SETTINGS)[0])
    cited = {key.strip().lstrip("@") for group in groups for key in group.split(";")}
    if missing := sorted(cited - set(known)):
        raise UserError.at("methods.bib", f"no entry for {', '.join(missing)}")
    return "\n\n".join(entry for key, entry in known.items() if key in cited) + "\n"


def not_default(
    config: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...] = ()
) -> list[tuple[str, Any, Any]]:
    """(dotted key, value, default) of every value that is not the schema's default.

    What every study must name (models, their sources) has no default and is left out, as is how it runs.
    """
    found = []
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for key, value in config.items():
        part = properties.get(key, others if isinstance(others, dict) else {})
        if key in _HOW_IT_RUNS:
            continue
        if isinstance(value, dict) and (part.get("properties") or part.get("additionalProperties")):
            found += not_default(value, part, (*path, key))
        elif "default" in part and value != part["default"]:
            found.append((".".join((*path, key)), value, part["default"]))
    return found
