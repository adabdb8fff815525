"""The report's section of evidence: questions that reviewers ask of circuits, one part for each.

A part is a function in a module of its own. It gives a ``Section`` of what the study has on its question, or
None where the study does not ask it. Its lead says the finding with its n, interval and control; its figures
and tables open on demand, under its title.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brodmann.report.compared import compared_part
from brodmann.report.estimators import estimators_part
from brodmann.report.experts import experts_part
from brodmann.report.granularity import granularity_part
from brodmann.report.page import Group, Section
from brodmann.report.rivals import rivals_part
from brodmann.report.sources import Sources
from brodmann.report.stability import stability_part
from brodmann.report.sufficiency import sufficiency_part

TITLE = "Evidence"

Part = Callable[[Sources], Section | None]
# In the order of the page.
PARTS: Sequence[Part] = (
    sufficiency_part,
    rivals_part,
    granularity_part,
    experts_part,
    stability_part,
    estimators_part,
    compared_part,
)


def evidence_section(sources: Sources, parts: Sequence[Part] | None = None) -> Section | None:
    """All parts that the study has something on; None where it has none.

    ``parts``: which, if not ``PARTS``.
    """
    asked = PARTS if parts is None else parts
    found = [part for one in asked if (part := one(sources)) is not None]
    if not found:
        return None
    lead = [*sources.say("evidence.lead"), *(said for part in found for said in part.lead)]
    groups = [Group(part.title, (), part.figures, part.tables) for part in found]
    more = [one for part, own in zip(found, groups, strict=True) for one in (own, *part.more)]
    return Section(TITLE, lead, more=[one for one in more if one])
