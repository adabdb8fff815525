"""A model loaded as a study's job needs it: for its device and threads, offline."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Collection
from typing import Any

from brodmann.config.study import Study
from brodmann.models import used_sites as sites
from brodmann.models.cache import Cache
from brodmann.models.sources import WeightsRecord, locate
from brodmann.runner import gpus
from brodmann.store.progress import Stopwatch

log = logging.getLogger(__name__)


def load(
    study: Study,
    name: str,
    record: WeightsRecord,
    threads: int,
    wanted: Collection[str] | None = None,
) -> Any:
    """The model, loaded for this job's device and threads, offline. Returns a ``LoadedModel``.

    ``wanted``: the sites that it must have; None for those that the study uses.
    """
    # Read by huggingface_hub when it is first imported: jobs never wait for a network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # The device of the config may name a GPU itself (cuda:1): then there is nothing to choose.
    if study.execution.device in ("auto", "cuda"):
        gpus.claim(study.gpus_of(name))
    import torch

    from brodmann.models.load import load_model

    torch.set_num_threads(max(1, threads))
    entry = study.model(name)
    watch = Stopwatch()
    cache = Cache(study.execution.cache)
    model = load_model(
        locate(entry, cache, record),
        name=name,
        dtype=entry.dtype,
        device=study.execution.device,
        device_map=entry.device_map,
        max_memory=entry.max_memory,
        offload_folder=_offload_folder(cache) if entry.device_map is not None else None,
        attn_implementation=entry.attn_implementation,
        trust_remote_code=entry.trust_remote_code,
        units=entry.units or None,
        allow_pickle=entry.allow_pickle,
        wanted=sites.sites(study, name) if wanted is None else wanted,
    )
    log.info("%s loaded in %.1f s", name, watch.seconds)
    return model


def _offload_folder(cache: Cache) -> str:
    """For weights that wait on disk and are not in the checkpoint as they are; goes with the process."""
    try:
        cache.root.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="offload-", dir=cache.root)
    except OSError:  # a read-only cache
        folder = tempfile.mkdtemp(prefix="brodmann-offload-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
