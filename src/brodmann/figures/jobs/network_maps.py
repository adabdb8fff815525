"""Figures of a model's networks: consistency, layers, sizes, and templates against each other."""

from __future__ import annotations

from collections.abc import Mapping

from brodmann.figures.jobs.studies import save
from brodmann.figures.networks import (
    draw_consistency,
    draw_layers,
    draw_sizes,
    draw_template_iou,
)
from brodmann.networks.consistency import CONSISTENCY, LAYERS, SIZES, TEMPLATE_IOU
from brodmann.store.tables import read_table

_COLUMNS = {
    "consistency": CONSISTENCY,
    "layers": LAYERS,
    "sizes": SIZES,
    "template_iou": TEMPLATE_IOU,
}


def network_map_figures(
    label: str, tables: Mapping[str, str], *, threshold: float, stems: Mapping[str, str]
) -> None:
    """Rule ``network_map_figures``. ``tables``, ``stems``: by figure; ``threshold`` is that of the IoU."""
    found = {name: read_table(path, _COLUMNS[name]) for name, path in tables.items()}
    titles = {
        "consistency": f"{label}: templates in single texts (IoU > {threshold:g})",
        "layers": f"{label}: networks by layer",
        "sizes": f"{label}: sizes of networks",
        "template_iou": f"{label}: templates against each other",
    }
    drawn = {
        "consistency": draw_consistency,
        "layers": draw_layers,
        "sizes": draw_sizes,
        "template_iou": draw_template_iou,
    }
    for name, stem in stems.items():
        save(drawn[name](found[name], title=titles[name]), stem, found[name])
