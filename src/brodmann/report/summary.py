"""The top of the report: its main findings in a few lines, from the same tables as the sections below."""

from __future__ import annotations

from itertools import islice

from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report.findings import Findings
from brodmann.report.function import own_circuits
from brodmann.report.localizers import Lesion
from brodmann.report.networks import Inhibition
from brodmann.report.page import Section
from brodmann.report.sources import Sources
from brodmann.store.tables import read_table


def summary_section(sources: Sources, findings: Findings) -> Section:
    """Overlap, surface, ablation, localizers and networks, a line each; of kinds of unit the first."""
    study, results, say = sources.study, sources.results, sources.say
    lesions = []
    for name in study.run_models:
        for network in study.localizer.networks:
            table = read_table(results / name / "localizer" / network / "lesion.csv", LESIONS)
            first = islice(Lesion.all_of(table), 1)
            lesions += [(sources.called(name), network, lesion) for lesion in first]
    inhibited = []
    for name in study.network_models:
        found = Inhibition.of(read_table(results / name / "networks" / "editing.csv", EDITING))
        if found is not None:
            inhibited.append((sources.called(name), found))
    own = own_circuits(sources, findings.component)
    answers = {
        "Overlap within against across domains": say("summary.overlap", findings),
        "Same domain beside surface similarity": say("summary.surface", findings),
        "Accuracy lost when circuits are silenced": say("summary.silenced", own, findings),
        "Perplexity without localized units": say("summary.lesions", lesions),
        "Perplexity without a functional network": say("summary.inhibited", inhibited),
    }
    lines = [f"{question}: {'; '.join(texts)}." for question, texts in answers.items() if texts]
    nothing = ["No model of this study has results to compare."]
    return Section("In short", say("summary.lead"), lines or nothing)
