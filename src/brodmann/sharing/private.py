"""Paths of the machine that a study was made on: they name its users, and lead readers nowhere.

Configs and cards of models hold them in full. What is shared has them as seen from the study's folder, or
from a home (``~``); of those elsewhere the last name alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brodmann.atlas.study import PROVENANCE, StudyFolder
from brodmann.files import read_json

# Texts that say how a study was made. Tables hold words of texts and tasks, which stay as they are.
_TEXTS = {".json", ".html", ".md", ".js"}
# Of a config: a path, or a source like path:/home/jo/model. A word after a slash is a prompt's (/no_think).
_LOCAL = re.compile(r"(?:\w+:)?(/[^/\n]+/.+)")


class Paths:
    """Those of one study."""

    def __init__(self, study: StudyFolder) -> None:
        folder, home = str(study.results.resolve().parent), str(Path.home())
        known = {folder: ".", home: "~"}
        for place in _named(read_json(study.results / PROVENANCE)):
            inside = [one for one in (folder, home) if place.startswith(f"{one}/")]
            known.setdefault(place, place if inside else Path(place).name)
        # A folder before those that it lies in; of the root nothing can be told.
        places = sorted((one for one in known if Path(one).name), key=len, reverse=True)
        self._known = {one.encode(): known[one].encode() for one in places if known[one] != one}
        every = b"|".join(map(re.escape, self._known))
        self._pattern = re.compile(rb"(?<![\w.~-])(?:" + every + rb")(?![\w.~-])")

    def without(self, text: bytes) -> bytes:
        """The text, with what is shown instead."""
        return self._pattern.sub(lambda found: self._known[found[0]], text)

    def cleaned(self, path: Path) -> bytes | None:
        """The content of a file without them; None if it has none."""
        if path.suffix not in _TEXTS:
            return None
        content = path.read_bytes()
        return self.without(content) if self._pattern.search(content) else None


def _named(value: Any) -> Iterator[str]:
    """Every absolute path in a record."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    elif isinstance(value, str) and (found := _LOCAL.fullmatch(value)):
        yield found[1].rstrip("/")
