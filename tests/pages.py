"""What stands in a Markdown page: headings, links, blocks of code, and the commands in them."""

from __future__ import annotations

import csv
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_FENCED = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.M | re.S)
_INDENTED = re.compile(r"(?<=\n\n)((?:    .*\n)+)")
PROGRAMS = ("brodmann", "snakemake", "make")


def read(path: Path) -> str:
    """The text, with an empty line at its end, so that the last block is like the others."""
    return path.read_text(encoding="utf-8") + "\n\n"


def prose(text: str) -> str:
    """The text without its blocks of code, where a # is a comment and a bracket an index."""
    return _INDENTED.sub("\n", _FENCED.sub("", text))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of every block of code; those that are indented have no language."""
    for indent, language, content in _FENCED.findall(text):
        yield language, re.sub(f"^{indent}", "", content, flags=re.M)
    for content in _INDENTED.findall(_FENCED.sub("", text)):
        yield "", re.sub("^    ", "", content, flags=re.M)


def anchors(text: str) -> set[str]:
    """What a link may name behind #, as GitHub makes it of headings: a second one of a name is NAME-1."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(text), re.M):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(text: str) -> list[str]:
    """Targets of links and pictures that are no address of another server."""
    plain = re.sub(r"`[^`\n]*`", "``", prose(text))
    found = re.findall(r"\]\(([^)\s]+)\)", plain) + re.findall(r'(?:src|href)="([^"]+)"', plain)
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command of ours in a block, comments taken off."""
    for language, content in blocks(text):
        if language in ("", "sh"):
            for line in content.replace("\\\n", " ").splitlines():
                if line.startswith(tuple(f"{program} " for program in PROGRAMS)):
                    yield shlex.split(line, comments=True)


def mentioned(text: str) -> Iterator[list[str]]:
    """The words of every command of ours that prose names in backticks: often not a whole command."""
    names = "|".join(PROGRAMS)
    for words in re.findall(rf"(?<!`)`((?:{names}) [^`\n]+)`(?!`)", prose(text)):
        try:
            yield shlex.split(words)
        except ValueError:  # a quote that is closed elsewhere
            yield words.split()


def unexplained(results: Path, docs: Path) -> list[str]:
    """Columns of CSV files below ``results`` that no page of ``docs`` has in backticks (`*_sd`: many).

    Matrices, whose columns are tasks or models, are left out: their first column has no name.
    """
    spans = set()
    for page in docs.glob("*.md"):
        spans |= set(re.findall(r"`([^`\n]+)`", read(page)))
    many = [
        re.compile(span.replace("*", r"\w+"))
        for span in spans
        if re.fullmatch(r"\w*\*\w+|\w+\*", span)
    ]
    missing = []
    for path in sorted(results.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file), [""])
        if columns[0]:
            missing += [
                f"{path.relative_to(results)}: {column}"
                for column in columns
                if column not in spans and not any(p.fullmatch(column) for p in many)
            ]
    return missing
