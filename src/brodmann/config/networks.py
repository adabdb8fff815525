"""``networks:`` as typed values, and where the texts of its datasets come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.config.network_use import NetworkUse
from brodmann.sites import SITES, UNIT_SITES

# Whose activations are decomposed: what a block is made of, then what it puts out.
NETWORK_SITES = tuple(sorted(UNIT_SITES, key=lambda name: not SITES[name].named))
METHODS = ("canica", "fastica", "dictionary")
SCOPES = ("all", "layer", "window")
# A dataset's name is a folder's; this one holds something else, and tables lie beside it.
DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RESERVED_DATASETS = frozenset({"interpretation"})
# Which networks of single samples are counted.
IDENTIFIED_ONLY, ALL_FOUND = "identified", "all"
# Which side of the threshold counts.
BOTH, POSITIVE = "both", "positive"
CORPUS, HUB, TASK, FILE = "corpus", "hf", "task", "file"


def keeps_signs(method: str, side: str) -> bool:
    """Whether maps keep the sign they come with, as in the published FastICA path: what lies above the
    threshold is taken."""
    return method == "fastica" and side == POSITIVE


def is_dataset_name(name: str) -> bool:
    """Whether a dataset's folder may be called so."""
    free = name not in RESERVED_DATASETS and not name.endswith(".csv")
    return free and DATASET_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class Dataset:
    """One entry of ``networks.datasets``. ``source`` is what ``load_corpus`` takes: paths are resolved."""

    name: str
    source: str
    kind: str  # corpus | hf | task | file

    @property
    def task(self) -> str | None:
        """The task whose prompts these are, if any."""
        return self.source.partition(":")[2] if self.kind == TASK else None

    @property
    def shown(self) -> str:
        """The source without the folders of the machine that it is read on."""
        return Path(self.source).name if self.kind == FILE else self.source

    @property
    def file(self) -> str | None:
        """The file or folder that the texts are read from, if any; a field of it is left out."""
        return existing(self.source) if self.kind == FILE else None


def source_kind(text: str) -> tuple[str, str]:
    """(kind, what stands behind it) of a source as it is written."""
    kind, colon, rest = text.partition(":")
    if colon and kind in (CORPUS, HUB, TASK):
        return kind, rest
    return FILE, text


def existing(source: str) -> str:
    """The path in ``PATH#FIELD``; names of files may hold '#' themselves."""
    return source if Path(source).exists() else source.rpartition("#")[0] or source


@dataclass(frozen=True)
class NetworkSettings:
    """``networks:``. Without datasets nothing is computed."""

    datasets: dict[str, Dataset]
    method: str
    site: str
    layers: tuple[int, ...] | None  # None: all
    scope: str
    window: int
    group_samples: int
    individual_samples: int
    group_components: int
    individual_components: int
    individual_kept: str  # identified | all
    threshold: float
    side: str  # both | positive
    zscore: bool
    row_norm: bool
    drop_first: bool
    max_tokens: int
    restarts: int
    seed: int
    iou_threshold: float
    stimuli: str  # folder of the shipped corpora
    use: NetworkUse

    @property
    def compared(self) -> str:
        """What is held against the threshold, in words."""
        return "z" if self.side == POSITIVE else "|z|"

    @property
    def names(self) -> tuple[str, ...]:
        """The datasets, in the order of the config."""
        return tuple(self.datasets)

    def extraction(self) -> dict[str, Any]:
        """What decides the signals, beside the model and the texts."""
        return {
            "site": self.site,
            "layers": None if self.layers is None else list(self.layers),
            "drop_first": self.drop_first,
            "max_tokens": self.max_tokens,
        }

    def decomposition(self) -> dict[str, Any]:
        """What decides the maps of given signals, beside how many there are."""
        return {
            "method": self.method,
            "scope": self.scope,
            "window": self.window if self.scope == "window" else None,
            "zscore": self.zscore,
            "row_norm": self.row_norm,
            "restarts": self.restarts,
            "seed": self.seed,
            "threshold": self.threshold,
            "side": self.side,
        }
