"""The atlas: a page on which a study's maps are explored, and the same from Python (docs/atlas.md).

``brodmann.atlas.open("results").cortex(task="language/npi")`` is a matplotlib figure.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brodmann.atlas.view import Atlas


def open(results: str | Path = "results") -> Atlas:
    """The atlas of a finished study, from its folder of results."""
    # Imported here: light jobs import this package, too.
    from brodmann.atlas.view import Atlas

    return Atlas(results)
