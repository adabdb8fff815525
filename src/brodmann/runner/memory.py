"""What to do when memory was too little for a batch."""

from __future__ import annotations

import logging

import torch

log = logging.getLogger(__name__)


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def halved(tokens: int, device: torch.device) -> int:
    """What to go on with after a batch of ``tokens`` took more memory than there is.

    To be called outside the exception's handler: only then are the failed batch's tensors free.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    tokens = max(1, tokens // 2)
    log.warning("out of memory: going on with %d tokens per batch", tokens)
    return tokens
