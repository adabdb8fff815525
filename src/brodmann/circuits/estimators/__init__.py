"""Estimators of what single units contribute: one file each, found by being here. Light: no torch."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from brodmann.circuits.estimators import interface
from brodmann.circuits.estimators.interface import Estimator


def _found() -> dict[str, type[Estimator]]:
    """Name -> class of every estimator that a file of this folder defines, by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Estimator) and "name" in vars(value):
                found[value.name] = value
    return dict(sorted(found.items()))


# For the config, too, which imports nothing else of circuits.
LAST, POSITIONS = interface.LAST, interface.POSITIONS
ESTIMATORS = _found()
NAMES = tuple(ESTIMATORS)
# Every comparison with the truth holds these; records of comparisons have a column for each.
COMPARED = ("patching", "ig")


def estimator(settings: Any, name: str | None = None) -> Estimator:
    """The one that ``attribution:`` (an ``AttributionSettings``) names, or another one with its settings."""
    return ESTIMATORS[name or settings.estimator].of(settings)


def compared(settings: Any) -> tuple[Estimator, ...]:
    """Those that are held against true patching: the usual ones, and the study's own."""
    own = ESTIMATORS[settings.estimator]
    more = () if own.measures or own.name in COMPARED else (own.name,)
    return tuple(estimator(settings, name) for name in (*COMPARED, *more))
