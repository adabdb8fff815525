"""Rule ``written``: do circuits write on localized units?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from brodmann.circuits.masks import read_mask
from brodmann.comparison.written import COLUMNS, written_rows
from brodmann.config.study import Study
from brodmann.localizers.stages.lesion import LesionStage
from brodmann.store.store import Store
from brodmann.store.tables import write_table


def write_written(
    study: Study,
    *,
    model_json: str,
    localizer_manifest: str,
    manifest: str,
    mask_files: Mapping[str, str],
    network: str,
    output: str,
) -> None:
    """Rule ``written``: what each task's circuit writes on a network's units. ``mask_files``: task -> mask.

    Where the site is no part of the residual stream the table has a header only.
    """
    from safetensors.numpy import load as unpack

    stage = LesionStage(study, model_json, [], localizer_manifest)
    rows: list[dict[str, object]] = []
    if stage.residual:
        localized = stage.localized(network)
        store = Store(Path(manifest).parent / "lesion")
        what = f"what neurons write on {network}"
        share = unpack(store.require(stage.written_key(localized), what, manifest))["share"]
        masks = {
            task: read_mask(path, stage.card.neurons_per_layer).units
            for task, path in mask_files.items()
        }
        rows = written_rows(share, masks, seed=study.localizer.seed)
    write_table(output, rows, COLUMNS)
