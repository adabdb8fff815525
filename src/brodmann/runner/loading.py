"""A model loaded as a study's job needs it: for its device and threads, offline."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Collection
from typing import Any

from brodmann.config.models import ModelEntry
from brodmann.config.study import Study
from brodmann.models import used_sites as sites
from brodmann.models.cache import Cache
from brodmann.models.sources import WeightsRecord, locate
from brodmann.runner import gpus
from brodmann.runner.ranks.leader import shared
from brodmann.runner.ranks.meeting import announce
from brodmann.store.progress import Stopwatch

log = logging.getLogger(__name__)


def load(
    study: Study,
    name: str,
    record: WeightsRecord,
    threads: int,
    wanted: Collection[str] | None = None,
    *,
    together: bool = False,
) -> Any:
    """The model, loaded for this job's device and threads, offline. Returns a ``LoadedModel``.

    ``wanted``: the sites that it must have; None for those that the study uses. ``together``: of a model with
    ``parallel: tensor`` let other processes hold their shares; else its layers lie one after another.
    """
    # Read by huggingface_hub when it is first imported: jobs never wait for a network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # The device of the config may name a GPU itself (cuda:1): then there is nothing to choose.
    if study.execution.device in ("auto", "cuda"):
        gpus.claim(study.gpus_of(name))
    entry = study.model(name)
    shares = entry.gpus if together and entry.parallel == "tensor" else 1
    if shares > 1:
        # transformers asks for it when it is imported, as does the import of it.
        announce(0, shares)
    import torch

    from brodmann.models.load import load_model
    from brodmann.models.split import require_split

    torch.set_num_threads(max(1, threads))
    watch = Stopwatch()
    cache = Cache(study.execution.cache)
    directory = locate(entry, cache, record)
    if entry.parallel == "tensor":  # a check says at once that it will not work
        require_split(directory, name, entry.gpus, entry.trust_remote_code)
    device_map = _in_turn(entry, study.execution.device) if shares == 1 else None
    options: dict[str, Any] = {
        "directory": directory,
        "name": name,
        "dtype": entry.dtype,
        "device": study.execution.device,
        "device_map": device_map,
        "max_memory": entry.max_memory,
        "offload_folder": _offload_folder(cache) if device_map is not None else None,
        "attn_implementation": entry.attn_implementation,
        "trust_remote_code": entry.trust_remote_code,
        "units": entry.units or None,
        "dequantize": entry.dequantize,
        "allow_pickle": entry.allow_pickle,
        "wanted": sites.sites(study, name) if wanted is None else wanted,
    }
    device = study.execution.device
    model = shared(device, shares, threads, options) if shares > 1 else load_model(**options)
    among = f", shared by {shares} processes," if shares > 1 else ""
    log.info("%s%s loaded in %.1f s", name, among, watch.seconds)
    return model


def _in_turn(entry: ModelEntry, device: str) -> Any:
    """The device map of a model that one process holds: instead of shares, its layers in turn."""
    from brodmann.models.placement import find_device

    if entry.parallel == "tensor" and find_device(device).type == "cuda":
        return "auto"
    return entry.device_map


def _offload_folder(cache: Cache) -> str:
    """For weights that wait on disk and are not in the checkpoint as they are; goes with the process."""
    try:
        cache.root.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="offload-", dir=cache.root)
    except OSError:  # a read-only cache
        folder = tempfile.mkdtemp(prefix="brodmann-offload-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
