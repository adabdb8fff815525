"""What drives a network: where its mean course is strongest, and what it is called by that.

A mean course is the mean standardised signal of a network's units, whatever their signs in the map: above 0
these are above their means, below 0 below. A label says on which side its tokens lie.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from brodmann.networks.conditions import network_name
from brodmann.networks.page import visible
from brodmann.networks.stages.following import DRIVING_COLUMNS
from brodmann.store.tables import read_table
from brodmann.store.tensors import read_tensor

_COMMON = 3  # places from which on a token is common
_SIDES = ("high", "low")


def read_driving(path: str | Path) -> pd.DataFrame:
    """The tokens at which a dataset's networks are strongest, network by network, strongest first."""
    table = read_table(path, DRIVING_COLUMNS)
    texts = ("before", "token", "after")
    return table.assign(**{name: table[name].fillna("").astype(str) for name in texts})


def labels(folder: Path) -> dict[str, str]:
    """Network -> its label. ``folder``: of a dataset, with ``driving.csv`` and ``courses.safetensors``."""
    reached = reaches(folder / "courses.safetensors")
    every = read_driving(folder / "driving.csv").groupby("network", sort=False)
    return {str(name): label_of(own, reached.get(str(name))) for name, own in every}


def reaches(path: Path) -> dict[str, tuple[float, float]]:
    """Network -> how far its course goes above 0 and below, over tokens that are a stretch of their text.

    Nothing where ``path`` is not there: an earlier version did not write it.
    """
    if not path.is_file():
        return {}
    course, text, end = (read_tensor(path, name) for name in ("standard", "text", "end"))
    first = np.diff(text, prepend=-1) != 0
    start = np.where(first, 0, np.roll(end, 1))
    kept = course[end > start]
    return {
        network_name(number): (_most(kept[:, number]), _most(-kept[:, number]))
        for number in range(course.shape[1])
    }


def _most(course: np.ndarray) -> float:
    return float(np.nanmax([0.0, *course]))


def label_of(driving: pd.DataFrame, reach: tuple[float, float] | None = None) -> str:
    """A network's label: where its course is high, or low, and whether it goes farther on the other side.

    ``driving``: its strongest tokens, strongest first, all of one side (later ones may have crossed 0).
    ``reach``: how far the course goes above 0 and below.
    """
    if driving.empty:
        return "–"
    first, last = driving["course"].iloc[[0, -1]]
    below = int(first < last if first != last else first < 0)
    own = driving[(driving["course"] < 0) == below]
    if own.empty:
        # What is not listed, as it is no stretch of the text, has said on which side the network is driven.
        return f"{_SIDES[below]} on special tokens"
    label = f"{_SIDES[below]}{_common(own)}"
    if reach is not None and reach[1 - below] > reach[below]:
        label += f"; farther {_SIDES[1 - below]}"
    return label


def _common(driving: pd.DataFrame) -> str:
    """The first token of texts, if most of the tokens are; or common ones."""
    if (driving["before"].str.strip() == "").mean() > 0.5:
        return " on the first token of a text"
    words = Counter(word for one in driving["token"] if (word := visible(one.strip()).lower()))
    common = [
        f"\u201c{word}\u201d ({count} of {len(driving)})"
        for word, count in words.most_common(3)
        if count >= _COMMON
    ]
    return f" on {', '.join(common)}" if common else ", on no common token"
