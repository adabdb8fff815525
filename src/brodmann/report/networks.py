"""The report's section on functional networks."""

from __future__ import annotations

from pathlib import Path

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.networks.consistency import CONSISTENCY, TEMPLATE_IOU
from brodmann.networks.stages.corrected import COLUMNS as CORRECTED
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report.page import Group, Picture, Section
from brodmann.report.sources import Sources
from brodmann.report.story import networks as story
from brodmann.report.story.wording import numbered
from brodmann.store.tables import read_table


def networks_section(sources: Sources) -> Section:
    """Networks of all models that have them: templates, consistency, what inhibition costs, a course."""
    study, settings = sources.study, sources.study.networks
    seeds = settings.use.editing.seeds
    draws = numbered("seed", seeds) if seeds else "none"
    found: list[str] = []
    figures: list[Picture] = []
    for name in study.network_models:
        folder, called = sources.results / name / "networks", sources.called(name)
        found += _sentences(folder, called, settings.iou_threshold)
        figures += sources.figures("networks", name, draws=draws)
    figures += sources.figures("networks_across")
    courses = [
        Picture(
            sources.results / name / "networks" / "interpretation" / f"course.{dataset}.png",
            f"Networks over a text: {name}, {dataset}",
            "Each network's course over the tokens of an example, by which its function may be read. As a page of highlighted "
            f"tokens: results/{name}/networks/interpretation/course.{dataset}.html.",
            f"{name}/networks/interpretation",
        )
        for name in study.network_models
        for dataset in settings.names
    ]
    datasets = ", ".join(f"{one.name} ({one.shown})" for one in settings.datasets.values())
    return Section(
        "Functional networks",
        [
            "Functional networks are found without a task or a contrast: the signals of units over running text are decomposed by "
            "independent component analysis, as those of a brain at rest are. The networks of a whole dataset are called its "
            f"templates. Method: {settings.method}; {settings.group_components} templates of each dataset, from "
            f"{settings.group_samples} samples of at most {settings.max_tokens} tokens. Datasets: {datasets}. "
            f"Units: {settings.site}; a unit belongs to a network if its {settings.compared} is above {settings.threshold:g}."
        ],
        found,
        figures,
        more=[Group("Networks over an example text", figures=courses)],
    )


def _sentences(folder: Path, called: str, iou: float) -> list[str]:
    tables = {
        name: read_table(folder / f"{name}.csv", columns)
        for name, columns in (
            ("consistency", CONSISTENCY),
            ("template_iou", TEMPLATE_IOU),
            ("editing", EDITING),
            ("agreement", AGREEMENT),
        )
    }
    corrected = read_table(folder / "interpretation" / "corrected.csv", CORRECTED)
    sentences = [
        story.consistency_sentence(tables["consistency"], called, iou),
        story.shared_sentence(tables["template_iou"], called, iou),
        *story.inhibition_sentences(tables["editing"], called),
        story.agreement_sentence(tables["agreement"], called),
    ]
    if len(corrected):
        sentences.append(story.corrected_sentence(corrected, called))
    return [sentence for sentence in sentences if sentence is not None]
