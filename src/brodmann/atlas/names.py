"""Names of data files: safe in any file system and in a script's address, and no two the same."""

from __future__ import annotations

import re

_ODD = re.compile(r"[^A-Za-z0-9._@+-]+")


class Names:
    """Gives every logical name a file name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, logical: str) -> str:
        """A file's name, without ``.js``: slashes become ``--``, other odd signs ``_``."""
        wanted = name = _ODD.sub("_", logical.replace("/", "--"))
        number = 2
        # Some file systems do not tell capitals.
        while name.lower() in self._taken:
            name, number = f"{wanted}~{number}", number + 1
        self._taken.add(name.lower())
        return name
