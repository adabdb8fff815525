"""What became of a family, in words. Light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WORKS = "works"
FALLBACK = "works through the fallback"
PART = "works without circuits"
REFUSED = "refused"
NOT_BUILT = "cannot be built tiny"
FAILS = "fails"


@dataclass(frozen=True)
class Outcome:
    """``status``: one of the words above. ``sites``: those that were proved.

    ``line``: why it does not work, or how the fallback runs it and why. ``without``: component -> the line
    that refuses its circuits.
    """

    family: str
    kind: str  # its class in transformers
    status: str
    sites: tuple[str, ...] = ()
    line: str = ""
    without: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """All lines as one."""
        lines = [self.line, *(f"{name}: {line}" for name, line in self.without.items())]
        return "; ".join(line for line in lines if line)
