"""What is done with a model's networks: one pass measures what the store lacks, light jobs write tables.

Keys are made of units and of what is shown to the model: what two conditions or two settings share is
measured once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.networks.maps import Networks
from brodmann.runner.experiment import Edit
from brodmann.runner.target import Target
from brodmann.stimuli.reader import Contrast
from brodmann.store.work import Records


@dataclass(frozen=True)
class Localizing:
    """How another map finds units, for those that networks are compared with: handed in from above.

    ``contrast_of``: the texts of one of the study's localizers. ``measure``: each unit's response to them.
    """

    contrast_of: Callable[[Study, str], Contrast]
    measure: Callable[..., Any]


class UseStage:
    """What the jobs of this stage share. ``template_files``: dataset -> templates.safetensors."""

    def __init__(
        self,
        study: Study,
        model_json: str,
        template_files: Mapping[str, str],
        localizing: Localizing,
    ) -> None:
        self.study = study
        self.localizing = localizing
        self.settings = study.networks
        self.use = study.networks.use
        self.card = ModelCard.read(model_json)
        self.networks = {name: Networks.load(path) for name, path in template_files.items()}

    @cached_property
    def there(self) -> Population:
        """The units of the networks' site."""
        return Population.at(self.card, self.settings.site)

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, places of units) of the networks' site."""
        return self.there.shape

    @cached_property
    def massive(self) -> list[int]:
        """Flat units of massive activations, where the study leaves them out."""
        found = self.card.left_out(self.settings.site, self.settings.massive)
        return [layer * self.shape[1] + unit for layer, unit in found]

    @cached_property
    def undrawn(self) -> list[int]:
        """Flat units that are in no random set: those of massive activations, and those that layers lack."""
        return [*self.massive, *self.there.absent.tolist()]

    def pairs(self, units: np.ndarray) -> list[tuple[int, int]]:
        """(layer, unit) of flat units [n]."""
        return [divmod(unit, self.shape[1]) for unit in units.tolist()]

    def targets(self, item_files: Sequence[str], count: int, purpose: str) -> dict[str, Target]:
        """Task -> some of its items, drawn with the networks' seed."""
        return Target.drawn(self.study, self.card, item_files, count, purpose, self.settings.seed)

    def key(self, method: str, **more: Any) -> str:
        """Hash of the model and of what else a work depends on."""
        scored = method == "editing"  # the others read no logits
        basis = {
            "stage": method,
            "method": METHODS[method],
            "model": self.card.scoring_identity() if scored else self.card.identity(),
            "architecture": self.card.architecture,
        }
        return digest({**basis, **more})

    def edit_inputs(self, edit: Edit) -> dict[str, Any]:
        """What an edit adds to a key: nothing where no unit is changed."""
        if not edit.edits:
            return {}
        return {
            "site": self.settings.site,
            "how": edit.how,
            "amount": edit.amount,
            "units": units_digest(edit.units),
        }

    @cached_property
    def digests(self) -> dict[str, str]:
        """Dataset -> hash of its networks."""
        return {name: networks_digest(own) for name, own in self.networks.items()}


def networks_digest(networks: Networks) -> str:
    """Hash of what courses and members follow from."""
    found = hashlib.sha256(f"{networks.threshold} {networks.side}".encode())
    for part in (networks.maps, networks.filters, networks.mean, networks.sd):
        found.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def units_digest(units: np.ndarray) -> str:
    """Hash of a set of flat units [n]."""
    return hashlib.sha256(np.sort(units).astype("<i8").tobytes()).hexdigest()


def stored(manifest: str) -> Records:
    """The records of the pass that wrote a manifest."""
    return Records(manifest, "network_use")
