"""Features of prompts: what enters the model's final norm at the last token, whatever is edited below."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from brodmann.errors import UserError
from brodmann.models.architecture import SEQUENCE_FIRST, module_at
from brodmann.models.load import LoadedModel
from brodmann.runner.encode import Ids
from brodmann.runner.footprint import AUTO_BATCH_TOKENS


def last_features(
    model: LoadedModel, rows: Sequence[Ids], batch_tokens: int | None = None
) -> np.ndarray:
    """float32 [rows, hidden], in order; batches hold rows of equal length."""
    at_once = batch_tokens or AUTO_BATCH_TOKENS.get(model.device.type, 2048)
    sequence_first = model.architecture.layout == SEQUENCE_FIRST
    found = np.zeros((len(rows), model.hidden_size), dtype=np.float32)
    kept: list[torch.Tensor] = []

    def keep(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        value = inputs[0].transpose(0, 1) if sequence_first else inputs[0]
        kept.append(value[:, -1].float().cpu())

    lengths: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        lengths[len(row)].append(number)
    norm = module_at(model.hf, model.architecture.final_norm)
    handle = norm.register_forward_pre_hook(keep)
    try:
        for length, numbers in sorted(lengths.items()):
            step = max(1, at_once // length)
            for start in range(0, len(numbers), step):
                some = numbers[start : start + step]
                ids = torch.tensor([rows[n] for n in some], device=model.device)
                kept.clear()
                with torch.inference_mode():
                    model.hf(input_ids=ids)
                found[some] = kept[-1].numpy()
    finally:
        handle.remove()
    if not np.isfinite(found).all():
        raise UserError.at(
            "features",
            f"{model.name} gives some that are not finite",
            "lower networks.editing.amounts, or try dtype: float32",
        )
    return found
