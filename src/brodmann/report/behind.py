"""The report's last section: every model by itself, the methods section, and what made the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brodmann.files import incomplete, read_json
from brodmann.report.page import Group, Picture, Section, Table
from brodmann.report.sources import Sources


def behind_section(sources: Sources) -> Section:
    """Every model by itself, the methods section, and what made the results."""
    groups = []
    components = sources.study.attribution.components
    for name in sources.study.models:
        figures: list[Picture] = []
        for component in components:
            figures += _own_figures(sources, name, component)
        if figures:
            groups.append(Group(f"Figures of {name}", figures=figures))
    text = _methods(sources.results / "methods.md")
    groups.append(Group("Methods section, to paste (results/methods.md, .bib)", text=text))
    path = sources.results / "provenance.json"
    record = read_json(path)
    if not isinstance(record, dict) or not {"brodmann", "git_commit"} <= record.keys():
        raise incomplete(path)
    return Section(
        "Behind this report",
        [
            f"brodmann {record['brodmann']}, commit {record['git_commit'] or 'unknown'}. Versions, config, hashes of weights "
            "and items: results/provenance.json. Every table of statistics: results/statistics."
        ],
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


def _own_figures(sources: Sources, name: str, component: str) -> list[Picture]:
    """Of one model: overlap in two measures, chord, ablation, agreement of estimators."""
    captions = (
        ("chord", "Overlap of circuits", f"{sources.main}."),
        (
            "overlap.containment",
            "Overlap of all pairs of tasks",
            f"Shared units over circuit size, {sources.main}.",
        ),
        (
            "overlap.doubly_stochastic",
            "Overlap, doubly stochastic",
            "Diagonal set to zero, rows and columns scaled to one. Grey: tasks that share units with no other.",
        ),
        ("ablation", "Accuracy lost", "Rows the silenced circuit, columns the task."),
        (
            "agreement",
            "Estimated against true effects",
            "A dot per unit: attribution against patching the unit.",
        ),
    )
    return [
        picture
        for stem, title, caption in captions
        for picture in sources.figure(f"{stem}.{name}.{component}", f"{title}, {name}", caption)
    ]
