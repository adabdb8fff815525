"""Samples from a user's files: a folder of texts, paragraphs of one text, or the lines of a JSONL file.

Files are read line by line, and no further than is asked for: a corpus may be far larger than what is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from brodmann.errors import UserError, closest

_LINES_NAMED = 5  # of those that are wrong


def read_passages(path: str | Path) -> list[str]:
    """The paragraphs of a text file, separated by empty lines, each in one line."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError.at(str(path), "not a UTF-8 text file", "save it as UTF-8") from None
    except OSError as error:
        raise UserError.at(str(path), f"cannot be read: {error.strerror}") from None
    lines = ["\n" if not line.strip() else line for line in text.splitlines()]
    passages = [" ".join(part.split()) for part in "\n".join(lines).split("\n\n")]
    passages = [passage for passage in passages if passage]
    if len(passages) < 2:
        fix = "give at least two passages, separated by empty lines"
        raise UserError.at(str(path), f"{len(passages)} passages", fix)
    return passages


def folder_samples(folder: Path) -> Iterator[str]:
    """One sample per ``.txt`` file, in the order of their names, line breaks kept."""
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() == ".txt" and not path.name.startswith(".")
        )
    except OSError as error:
        raise UserError.at(plain(folder), f"cannot be read: {error.strerror}") from None
    if not paths:
        raise UserError.at(plain(folder), "no .txt file in this folder", "one sample per file")
    for path in paths:
        yield "".join(f"{line}\n" for _, line in _lines(path))


def paragraph_samples(path: Path) -> Iterator[str]:
    """One sample per paragraph, in one line each; empty lines separate them."""
    paragraph: list[str] = []
    for _, line in _lines(path):
        if line.strip():
            paragraph += line.split()
        elif paragraph:
            yield " ".join(paragraph)
            paragraph = []
    if paragraph:
        yield " ".join(paragraph)


def jsonl_samples(path: Path, field: str) -> Iterator[str]:
    """``field`` of every line's object; lines without anything are passed over."""
    wrong: list[tuple[int, str]] = []
    for number, line in _lines(path):
        if not line.strip():
            continue
        what = ""
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            what = "not JSON"
        else:
            if not isinstance(record, dict):
                what = "not an object"
            elif field not in record:
                what = _no_field(field, record)
            elif not isinstance(record[field], str):
                what = f"'{plain(field)}' is not text"
            elif not encodable(record[field]):
                what = f"'{plain(field)}' holds half a surrogate pair"
        if what:
            wrong.append((number, what))
            if len(wrong) > _LINES_NAMED:
                break
        elif not wrong:
            yield record[field]
    if wrong:
        named = "; ".join(f"line {number}: {what}" for number, what in wrong[:_LINES_NAMED])
        more = "; and more" if len(wrong) > _LINES_NAMED else ""
        raise UserError.at(plain(path), named + more, f"each line an object with '{plain(field)}'")


def encodable(text: str) -> bool:
    """Whether it is text at all: JSON can write what no encoding can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain(value: object) -> str:
    """Something from outside, fit for one line of a message."""
    text = str(value)
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )
    return shown if len(shown) <= 300 else f"{shown[:300]}..."


def _no_field(field: str, record: Iterable[str]) -> str:
    match = closest(field, record)
    hint = f", did you mean '{plain(match)}'?" if match is not None else ""
    return f"no field '{plain(field)}'{hint}"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line) without its end; a byte order mark at the start is dropped."""
    number = 0
    try:
        with path.open("rb") as handle:
            for number, raw in enumerate(handle, 1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError:
        where = f"{plain(path)}:{number}"
        raise UserError.at(where, "not a UTF-8 text file", "save it as UTF-8") from None
    except OSError as error:
        raise UserError.at(plain(path), f"cannot be read: {error.strerror}") from None
