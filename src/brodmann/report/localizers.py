"""The report's section on functional localizers."""

from __future__ import annotations

from safetensors.numpy import load_file

from brodmann.comparison.written import COLUMNS as WRITTEN
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.report.page import Section
from brodmann.report.sources import Sources, nothing
from brodmann.report.story import localizers as story
from brodmann.report.story.wording import numbered
from brodmann.store.tables import read_table


def localizers_section(sources: Sources) -> Section:
    """Localized networks and their lesions."""
    settings = sources.study.localizer
    main = settings.selections[0]
    seeds = settings.lesion.seeds
    draws = f"{numbered('seed', seeds)}; circles"
    findings = []
    for name in sources.study.run_models:
        for network in settings.networks:
            folder = sources.results / name / "localizer" / network
            called = sources.called(name)
            tensors = load_file(folder / "selectivity.safetensors")
            findings.append(
                story.responding_sentence(tensors["t"], tensors["p_fdr"], called, network)
            )
            findings += story.lesion_sentences(
                read_table(folder / "lesion.csv", LESIONS), called, network
            )
            if (folder / "circuits.csv").is_file():
                findings += story.written_sentences(
                    read_table(folder / "circuits.csv", WRITTEN), called, network
                )
    figures = [
        *sources.figure(
            "localizer_lesion",
            "What is lost without a network",
            f"Perplexity of a corpus of prose (per token), and accuracy on tasks of each domain (at most "
            f"{settings.lesion.items} items a task, pooled), with the network's units held at zero against as many random "
            f"other units{f' ({draws})' if seeds else ''}. Bands: 95 % intervals. Dotted: intact.",
        ),
        *sources.figure(
            "localizer_depth",
            "Where the networks are",
            f"Selected units ({main}) in per cent of each layer's units.",
        ),
        *sources.figure(
            "localizer_selectivity",
            "How selective units are",
            "Welch's t of the absolute activation, positive against negative texts, all units; dashed: the least selective "
            "unit that is selected.",
        ),
        *(sources.figure if len(settings.networks) > 1 else nothing)(
            "localizer_overlap",
            "How far the networks overlap",
            f"Jaccard index of the selected units ({main}).",
        ),
        *sources.figure(
            "localizer_circuits",
            "Do circuits write on the networks?",
            "Share of the squared length of circuit neurons' write vectors that lies on localized units of their own layer, "
            "over that of random neurons of the same layers (1,000 draws). Filled: q < 0.05, one-sided.",
        ),
    ]
    return Section(
        "Functional localizers",
        [
            "As in neuroscience: units that respond more to one kind of text than to another, and what breaks when they are "
            f"silenced. Here: {story.contrasts_text(settings.networks)}."
        ],
        findings,
        figures,
    )
