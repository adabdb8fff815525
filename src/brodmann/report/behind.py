"""The report's last section: every model by itself, the methods section, and what made the results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brodmann.files import incomplete, read_json
from brodmann.report.page import Group, Link, Section, Table
from brodmann.report.sources import Sources
from brodmann.statistics.registry import STATISTICS


def behind_section(sources: Sources, told: Collection[Path]) -> Section:
    """Every model by itself, methods, and what made the results. ``told``: figures that are shown above."""
    groups = []
    for name in sources.study.models:
        figures = [
            replace(picture, title=f"{picture.title}, {name}")
            for component in sources.study.attribution.components
            for picture in sources.figures("behind", name, component)
            if picture.path not in told
        ]
        if figures:
            groups.append(Group(f"Figures of {name}", figures=figures))
    text = _methods(sources.results / "methods.md")
    links = [sources.link("methods.md"), sources.link("methods.bib")]
    groups.append(Group("Methods section, to paste", text=text, links=links))
    tables = [Link(f"statistics/{name}.csv", f"statistics/{name}.csv") for name in STATISTICS]
    groups.append(Group("Tables and records", links=[*tables, sources.link("provenance.json")]))
    path = sources.results / "provenance.json"
    record = read_json(path)
    if not isinstance(record, dict) or not {"brodmann", "git_commit"} <= record.keys():
        raise incomplete(path)
    return Section(
        "Behind this report",
        sources.say("overview.made", record),
        tables=[Table("Software", ("package", "version"), _versions(record), frozenset({0, 1}))],
        more=groups,
    )


def _methods(path: Path) -> str:
    """The methods section, if it is one and whole."""
    text = path.read_bytes().decode("utf-8", "replace")
    if not text.startswith("# ") or not text.endswith("\n") or "\ufffd" in text:
        raise incomplete(path)
    return text


def _versions(record: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    return [[name, str(version)] for name, version in record["packages"].items()]
