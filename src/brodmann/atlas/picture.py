"""A map of units as a matplotlib figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from brodmann.atlas.colours import signed, signed_table
from brodmann.sites import SITES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 180 / 25.4  # of a page, in inches
_HIGHEST = 8.0


@dataclass(frozen=True)
class Map:
    """What is drawn. ``pixels``: u8 [layers, width, 3]; ``scale``: what values are, where colours end;
    ``keys``: label -> colour."""

    title: str
    site: str
    pixels: np.ndarray
    scale: tuple[str, float] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    ordered: bool = False  # whether units stand in the domains' order

    @classmethod
    def of_values(cls, title: str, site: str, values: np.ndarray, what: str, end: float) -> Map:
        """Of signed values [layers, width]."""
        return cls(title, site, signed(values, end), (what, end))

    def drawn(self) -> Figure:
        """Layers from the bottom to the top, as on the page."""
        # Imported here: who only chooses units needs none of it.
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch

        layers, width, _ = self.pixels.shape
        figure = Figure(figsize=(_WIDTH, min(_HIGHEST, 1.2 + 0.06 * layers)), layout="constrained")
        axes = figure.subplots()
        edges = (-0.5, width - 0.5, -0.5, layers - 0.5)
        axes.imshow(
            self.pixels, extent=edges, aspect="auto", origin="lower", interpolation="nearest"
        )
        axes.set_title(self.title, loc="left")
        units = SITES[self.site].label if self.site in SITES else self.site
        axes.set_xlabel(units + (", in the domains' order" if self.ordered else ""))
        axes.set_ylabel("layer")
        if self.scale is not None:
            what, end = self.scale
            bar = ScalarMappable(Normalize(-end, end), ListedColormap(signed_table() / 255))
            figure.colorbar(bar, ax=axes, label=what, extend="both")
        if self.keys:
            patches = [Patch(color=colour, label=label) for label, colour in self.keys.items()]
            figure.legend(
                handles=patches, loc="outside lower center", ncols=len(patches), frameon=False
            )
        return figure
