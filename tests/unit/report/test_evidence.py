"""The section of evidence: parts that a study asks for, in order, and no section without any."""

from types import SimpleNamespace

from brodmann.report.evidence import TITLE, evidence_section
from brodmann.report.page import Group, Section, Table
from brodmann.report.prose import Prose

TABLE = Table("what was found", ("task", "value"), [["npi", "0.5"]])


def test_parts_are_told_in_order_and_missing_ones_are_not(root):
    sources = SimpleNamespace(say=Prose(root / "workflow" / "report"))
    asked = Section("Is it enough?", ["It is."], tables=[TABLE], more=[Group("Rounds", ["Three."])])
    only_said = Section("Is it alone?", ["It is not."])
    found = evidence_section(sources, [lambda _: asked, lambda _: None, lambda _: only_said])
    assert found.title == TITLE
    assert found.lead[-2:] == ["It is.", "It is not."] and len(found.lead) == 3
    # A part without figures and tables opens nothing.
    assert [group.title for group in found.more] == ["Is it enough?", "Rounds"]
    assert found.more[0].tables == [TABLE]
    assert evidence_section(sources, [lambda _: None]) is None
