"""Loudness: of each layer the unit that is the loudest over some texts."""

from __future__ import annotations

from typing import Any

from brodmann.config.section import Count, MapSection, OneOrMore, SomeText

METHODS = {"loudness": 1}  # loudness of units


class Settings(MapSection):
    """Loudest units of every layer."""

    texts: OneOrMore[SomeText] = ("The cat sat on the mat.", "Two and two are four.")
    """Texts that units are read on."""
    units: Count = 2
    """Units of each layer that are listed."""

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """What is read, and how much of it is listed."""
        own = {"loudness_pass": ("texts",), "loudness": ("units",)}
        return self.part(*own.get(stage, ()))
