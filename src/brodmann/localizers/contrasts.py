"""The texts of a study's localizers. Imports little: `brodmann check` and light jobs read them too."""

from __future__ import annotations

from brodmann.config.study import Study
from brodmann.stimuli.reader import Contrast, load_contrast


def contrast_of(study: Study, network: str) -> Contrast:
    """The texts of a network."""
    found = study.localizer
    return load_contrast(
        network, found.stimuli, seed=found.seed, demand=found.demand, answers=found.answers
    )
