"""The atlas: a page on which a study's maps are explored, and the same from Python (docs/atlas.md).

    import brodmann.atlas
    atlas = brodmann.atlas.open("results")
    atlas.cortex(task="language/npi").savefig("npi.png")
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
