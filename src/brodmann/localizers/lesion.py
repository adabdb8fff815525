"""A lesion: chosen units of a running model held at zero, or at a mean, at every position.

    with lesion(model, [(0, 17), (12, 301)]):
        model.hf.generate(**inputs)

The hooks are those of every edit (``brodmann.runner.edits``). Lesions may be nested.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from brodmann.errors import UserError, did_you_mean
from brodmann.models.load import LoadedModel
from brodmann.runner.edits import edited

if TYPE_CHECKING:
    from brodmann.runner.edits import Units

KINDS = ("zero", "mean")


@contextmanager
def lesion(
    model: LoadedModel,
    units: Units,
    *,
    site: str = "block_output",
    kind: str = "zero",
    means: np.ndarray | None = None,
) -> Iterator[None]:
    """Hold ``units`` at zero (or, with kind mean, at ``means`` [layers, units]) within the block.

    ``units``: (layer, unit) pairs; a mask [layers, units] of truth values; a table of a study's masks, or a
    selection of its atlas, whose own site must be ``site``.
    """
    if kind not in KINDS:
        raise UserError.at("kind", f"no kind of lesion '{kind}'", did_you_mean(kind, KINDS))
    if kind == "mean" and (means is None or means.shape != (model.n_layers, model.width(site))):
        raise ValueError("a lesion to the mean needs the means of all units [layers, units]")
    how = "inhibit" if kind == "zero" else "hold"
    with edited(model, units, how, means if how == "hold" else None, site=site):
        yield
