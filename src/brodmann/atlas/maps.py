"""Localizers and networks of a model, as files of the atlas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brodmann.atlas.circuits import read_mask
from brodmann.atlas.contract import Localizer, NetworkMaps
from brodmann.networks.conditions import network_name
from brodmann.networks.maps import Networks
from brodmann.store.tensors import metadata_of, read_tensor


def localizers(folder: Path) -> list[str]:
    """The localizers that a model's folder has."""
    return sorted(one.parent.name for one in folder.glob("localizer/*/selectivity.safetensors"))


def read_localizer(folder: Path, name: str) -> Localizer:
    """t, selections (best first) and the control draws of a localizer."""
    own = folder / "localizer" / name
    path = own / "selectivity.safetensors"
    t, said = read_tensor(path, "t").astype(np.float32), metadata_of(path)
    selections: dict[str, np.ndarray] = {}
    random: dict[str, np.ndarray] = {}
    for file in sorted(own.glob("*.csv")):
        if file.stem in ("lesion", "circuits"):
            continue
        units, _ = read_mask(file, t.shape[1])
        (random if "random" in file.stem or "-seed" in file.stem else selections)[file.stem] = units
    texts = said.get("texts")
    source = str(texts.get("source", "")) if isinstance(texts, dict) else ""
    return Localizer(t, str(said.get("site", "")), selections, random, source or None)


def network_datasets(folder: Path) -> list[str]:
    """The datasets that a model's networks were found in."""
    return sorted(one.parent.name for one in folder.glob("networks/*/templates.safetensors"))


def read_networks(folder: Path, dataset: str) -> tuple[NetworkMaps, str]:
    """The networks of one dataset, and the method that found them."""
    found = Networks.load(folder / "networks" / dataset / "templates.safetensors")
    members = [np.flatnonzero(one).astype(np.int32) for one in found.members]
    maps = NetworkMaps(
        maps=found.maps.astype(np.float32),
        members=members,
        names=[network_name(number) for number in range(len(found))],
        threshold=found.threshold,
        site=str(found.facts.get("site", "")),
    )
    return maps, str(found.facts.get("method", ""))
