"""docs/families.md: written of outcomes, and read. Light."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from families.outcome import FAILS, FALLBACK, NOT_BUILT, PART, REFUSED, WORKS, Outcome

from brodmann.sites import SITES

_INTRODUCTION = """\
{number} families of causal language models of transformers {version}: `make families` builds each of them
tiny, with random weights, and takes it through self-check, baseline, attribution, ablation, localizer and the
signals of networks. What works agrees with plain transformers, one text at a time. Of a model of yours the
self-check says the same ([units](models.md#units-and-the-self-check))."""

_ABOUT = {
    WORKS: "Every stage, in [packs](models.md#packs). Components whose circuits are refused are named.",
    FALLBACK: "Every stage, with the same numbers and more work: these models take no packs.",
    PART: "Localizers and networks. Circuits are refused.",
    REFUSED: "By the self-check, or by a stage.",
    NOT_BUILT: "Nothing is known of these. Reasons are transformers' own, but for those that name the "
    "recipe (`tests/families/build.py`).",
    FAILS: "With wrong numbers, or without a line that says why.",
}


def page(found: Sequence[Outcome], version: str) -> str:
    """The page; ``version``: of transformers."""
    count = Counter(one.status for one in found)
    lines = [
        "# Families of models",
        "",
        _INTRODUCTION.format(version=version, number=len(found)),
        "",
        "| | families |",
        "| --- | --- |",
        *(f"| [{one}](#{one.replace(' ', '-')}) | {count[one]} |" for one in _ABOUT if count[one]),
    ]
    for status, about in _ABOUT.items():
        own = sorted((one for one in found if one.status == status), key=lambda one: one.family)
        if own:
            lines += ["", f"## {status.capitalize()}", "", about, "", *_table(own)]
    return "\n".join(lines) + "\n"


def statuses(text: str) -> dict[str, str]:
    """Family -> status, as a page has them."""
    found, status = {}, ""
    for line in text.splitlines():
        if line.startswith("## "):
            status = line[3:].lower()
        elif match := re.match(r"\| `([\w-]+)` \|", line):
            found[match[1]] = status
    return found


def _table(found: Sequence[Outcome]) -> list[str]:
    sites = [site for site in SITES if any(site in one.sites for one in found)]
    said = ["why"] if any(one.said for one in found) else []
    lines = [_row(["family", "class", *sites, *said]), _row(["---"] * (2 + len(sites + said)))]
    for one in found:
        marks = ["yes" if site in one.sites else "" for site in sites]
        lines.append(
            _row([f"`{one.family}`", one.kind, *marks, *map(_plain, [one.said] * len(said))])
        )
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """What Markdown does not take for markup, nor for the end of a cell."""
    return re.sub(r"([\\|*_<>`\[\]$])", r"\\\1", text)
