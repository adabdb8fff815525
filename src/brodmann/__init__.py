"""brodmann: functional maps of language models, from circuits to localizers to networks.

docs/architecture.md shows the package. Importing ``brodmann`` itself imports nothing heavy, so that light
jobs start at once. ``brodmann.open_study("results")`` opens a finished study (docs/python.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from brodmann.api import Study

__version__ = "0.2.0"

# Threads of torch that wait for each other do so in a loop before they sleep. By default that takes
# milliseconds: where another process runs on the same cores, it waits for them meanwhile, and a pass takes
# up to thirty times as long. A loop this short costs an idle machine little (docs/performance.md). The
# variable is read when torch is imported.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"


def open_study(results: str | Path = "results") -> Study:
    """A finished study, by its folder of results: its tables, figures, maps and models.

    A folder that is not there, or a study that is not finished, is a ``UserError`` of one line.
    """
    from brodmann.api import Study

    return Study(results)
