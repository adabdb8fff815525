"""Loudness: the mean absolute activation of a unit over texts."""

from __future__ import annotations

import numpy as np


def loudest(loudness: np.ndarray, units: int) -> list[dict[str, float]]:
    """Rows layer, unit, loudness: of each layer of ``loudness`` [layers, units] its loudest ``units``."""
    order = np.argsort(-loudness, axis=1, kind="stable")[:, :units]
    return [
        {"layer": layer, "unit": int(unit), "loudness": float(loudness[layer, unit])}
        for layer, chosen in enumerate(order)
        for unit in chosen
    ]
