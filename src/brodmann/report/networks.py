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
    found: list[str] = []
    figures: list[Picture] = []
    for name in study.network_models:
        folder, called = sources.results / name / "networks", sources.called(name)
        found += _sentences(folder, called, settings.iou_threshold)
        figures += _figures(sources, name)
    if len(study.network_models) > 1:
        figures += sources.figure(
            "networks_across",
            "Networks of different models",
            "Pearson's r of the mean courses of every two networks over the same texts; tokens that both models end at the same "
            "character are lined up.",
        )
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
            "Without a task or a contrast: signals of all units over running text, decomposed by independent component analysis "
            f"as those of a brain at rest. {settings.method}, {settings.group_components} templates of {settings.group_samples} "
            f"samples of at most {settings.max_tokens} tokens of each of: {datasets}. Units: {settings.site}; a unit belongs to a "
            f"network if its {settings.compared} is above {settings.threshold:g}."
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


def _figures(sources: Sources, name: str) -> list[Picture]:
    settings = sources.study.networks
    corpus = settings.use.editing
    return [
        *sources.figure(
            f"networks_consistency.{name}",
            f"Templates that come back: {name}",
            f"Networks of single texts with an IoU above {settings.iou_threshold:g} with each template; "
            f"{settings.individual_samples} samples of at most {settings.individual_components} networks each.",
        ),
        *sources.figure(
            f"networks_layers.{name}",
            f"Where networks lie: {name}",
            "Units of each template by layer.",
        ),
        *sources.figure(
            f"networks_editing.{name}",
            f"What editing networks does: {name}",
            "Perplexity per word with a network's units edited, beside as many random units "
            f"({numbered('seed', corpus.seeds) if corpus.seeds else 'none'}).",
        ),
        *sources.figure(
            f"networks_agreement.{name}",
            f"Three maps of one model: {name}",
            "Circuits, localized units and networks, compared in the spaces where that is defined, with what permutations give.",
        ),
    ]
