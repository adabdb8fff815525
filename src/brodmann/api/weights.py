"""A model of a finished study, loaded with the weights that the study had."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from brodmann.api.recorded import recorded_study
from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError, did_you_mean
from brodmann.models.cache import Cache
from brodmann.models.card import ModelCard
from brodmann.models.sources import fetch
from brodmann.runner import loading
from brodmann.sites import PLACES

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel


def load(folder: StudyFolder, name: str, site: str | None) -> LoadedModel:
    """The model, on all cores or a GPU; an error if its source has other weights now."""
    if site is not None and site not in PLACES:
        raise UserError.at("site", f"no site '{site}'", did_you_mean(site, PLACES))
    study = recorded_study(folder)
    entry = study.model(name)
    if entry.results_only:
        raise UserError.at(f"models.{name}", "a results source has no model to run")
    record = fetch(entry, Cache(study.execution.cache))
    card = ModelCard.read(folder.results / name / "model.json")
    if record.weights_hash != card.weights_hash:
        what = f"{entry.source} has other weights than the study had"
        fix = "brodmann.models.load.load_model takes a folder with the right ones"
        raise UserError.at(f"models.{name}", what, fix)
    wanted = None if site is None else (site,)
    model: LoadedModel = loading.load(study, name, record, os.cpu_count() or 1, wanted)
    return model
