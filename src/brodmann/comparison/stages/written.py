"""Rule ``written``: do circuits write on localized units?"""

from __future__ import annotations

from collections.abc import Mapping

from brodmann.circuits.masks import read_mask
from brodmann.comparison.written import COLUMNS, written_rows
from brodmann.config.localizer import RESIDUAL_SITES
from brodmann.config.study import Study
from brodmann.localizers.stages.lesion import written_name
from brodmann.models.card import ModelCard
from brodmann.sites import COMPONENTS
from brodmann.store.tables import write_table
from brodmann.store.work import Records


def write_written(
    study: Study,
    *,
    model_json: str,
    manifest: str,
    mask_files: Mapping[str, str],
    network: str,
    output: str,
) -> None:
    """Rule ``written``: what each task's circuit writes on a network's units. ``mask_files``: task -> mask.

    Where the site is no part of the residual stream the table has a header only.
    """
    from safetensors.numpy import load as unpack

    card = ModelCard.read(model_json)
    rows: list[dict[str, object]] = []
    if study.localizer.site in RESIDUAL_SITES:
        name = written_name(network)
        share = unpack(Records(manifest, "lesion").get(name, name))["share"]
        width, origin = card.neurons_per_layer, card.origin(COMPONENTS["neurons"])
        masks = {task: read_mask(path, width, origin).units for task, path in mask_files.items()}
        rows = written_rows(share, masks, seed=study.localizer.seed)
    write_table(output, rows, COLUMNS)
