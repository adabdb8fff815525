"""What drives a network: where its mean course is strongest, and what it is called by that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from brodmann.networks.page import visible
from brodmann.networks.stages.following import DRIVING_COLUMNS
from brodmann.store.tables import read_table

_COMMON = 3  # places from which on a token is common


def read_driving(path: str | Path) -> pd.DataFrame:
    """The tokens at which a dataset's networks are strongest, network by network, strongest first."""
    table = read_table(path, DRIVING_COLUMNS)
    texts = ("before", "token", "after")
    return table.assign(**{name: table[name].fillna("").astype(str) for name in texts})


def label_of(driving: pd.DataFrame) -> str:
    """A network's label: the first token of texts, if most of its strongest tokens are; or common ones."""
    if driving.empty:
        return "–"
    if (driving["before"].str.strip() == "").mean() > 0.5:
        return "the first token of a text"
    words = Counter(word for one in driving["token"] if (word := visible(one.strip()).lower()))
    common = [
        f"\u201c{word}\u201d ({count} of {len(driving)})"
        for word, count in words.most_common(3)
        if count >= _COMMON
    ]
    return ", ".join(common) or "no common token"
