"""The report's section on functional localizers."""

from __future__ import annotations

from safetensors.numpy import load_file

from brodmann.comparison.written import COLUMNS as WRITTEN
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.report.page import Section
from brodmann.report.sources import Sources
from brodmann.report.story import localizers as story
from brodmann.report.story.wording import numbered
from brodmann.store.tables import read_table


def localizers_section(sources: Sources) -> Section:
    """Localized networks and their lesions."""
    settings = sources.study.localizer
    seeds = settings.lesion.seeds
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
    return Section(
        "Functional localizers",
        [
            "As in neuroscience, a localizer finds the units that respond more to one kind of text than to another, and a lesion "
            f"shows what breaks when they are silenced. Texts of this study: {story.contrasts_text(settings.networks)}."
        ],
        findings,
        sources.figures(
            "localizers", draws=f" ({numbered('seed', seeds)}; circles)" if seeds else ""
        ),
    )
