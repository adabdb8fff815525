"""The report of a study, put together from its results: the story in order, each claim with its test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from brodmann.config.study import Study
from brodmann.numerals import counted
from brodmann.pipeline.stages import MAPS, passes_of
from brodmann.report.behind import behind_section
from brodmann.report.evidence import evidence_section
from brodmann.report.findings import read_findings
from brodmann.report.function import function_section
from brodmann.report.overview import overview_section
from brodmann.report.page import Page, Section
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.report.structure import structure_section
from brodmann.report.summary import banner, summary_section
from brodmann.statistics.inventory import AVERAGE, Inventory
from brodmann.tasks.catalogue import list_tasks


def compose(
    study: Study,
    inventory: Inventory,
    figures: Iterable[str],
    templates: str | Path,
    titles: Mapping[str, str],
    root: str | Path,
    results: str | Path = "results",
) -> Page:
    """The page of a finished study.

    ``figures``: names (without ending) of the figures that it has; ``templates``: the folder of the report's
    words; ``titles``: of tasks; ``root``: the workflow's folder.
    """
    say = Prose(templates)
    sources = Sources(study, inventory, Path(results), frozenset(figures), say, titles)
    every = read_findings(study, sources.results)
    sections = [summary_section(sources, every[0]), overview_section(sources)]
    for findings in every:
        sections += [structure_section(sources, findings), function_section(sources, findings)]
    if (evidence := evidence_section(sources)) is not None:
        sections.append(evidence)
    sections += _maps(sources)
    parts = [part for section in sections for part in (section, *section.more)]
    told = {picture.path for part in parts for picture in part.figures}
    sections.append(behind_section(sources, told))
    names = ", ".join(study.models)
    tasks = (
        tasks_told(study, root) if study.run_models else f"{_imported_tasks(every[0].tables)} tasks"
    )
    subtitle = f"{names}: {tasks}. Written by brodmann."
    words = [_defined(sources.say("glossary.terms")), _defined(sources.say("glossary.columns"))]
    title = "Functional map of language models"
    return Page(title, subtitle, sections, banner(study), *words)


def tasks_told(study: Study, root: str | Path) -> str:
    """How many tasks there are, and that they were chosen, where they were: results hold for these alone."""
    shipped = len(list_tasks(study.tasks.data(root)))
    count = len(study.tasks.selected)
    if study.tasks.published is not None or count >= shipped:
        return counted(count, "task")
    return f"{counted(count, 'task')}, chosen by the config (tasks.include) from all {shipped}"


def _defined(lines: Iterable[str]) -> dict[str, str]:
    """Word -> what it means, of lines ``word: meaning``."""
    return {word: meaning for word, _, meaning in (line.partition(": ") for line in lines)}


def _maps(sources: Sources) -> Iterator[Section]:
    """The study's other maps: ``{map}_section`` of brodmann.report.{map}; without one, its figures."""
    study = sources.study
    there = {stage.map for model in study.run_models for stage in passes_of(study, model)}
    for name in MAPS:
        if name in there and find_spec(place := f"brodmann.report.{name}"):
            yield getattr(import_module(place), f"{name}_section")(sources)
        elif name in there and name != "circuits":
            figures = [one for model in study.run_models for one in sources.figures(name, model)]
            yield Section(name.capitalize(), figures=figures)


def _imported_tasks(tables: Mapping[str, pd.DataFrame]) -> int:
    table = tables["modularity"]
    averages = table[table["model"] == AVERAGE]["n"]
    counts = averages if len(averages) else table["n"]
    return int(counts.max()) if len(counts) else 0
