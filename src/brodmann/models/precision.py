"""Narrow dtypes: what is done about their coarse numbers. Light: no torch here."""

from __future__ import annotations

NARROW = ("bfloat16", "float16")

# Values of the LM head's matrix that are float32 at a time, where the model's dtype is narrow.
HEAD_CHUNK = 1 << 24

# Differences of two answers' log-probabilities below this are near-ties: which answer is ahead can hang on
# how rows are batched. In narrow dtypes the body of the model rounds even where its head does not: on
# SmolLM2-135M in bf16, going on from a cache moved 95 % of 240 differences by less than 0.044 (in float32 by
# less than 0.00001). fp16 has three bits more.
_NEAR_TIE = {"bfloat16": 0.05, "float16": 0.05 / 8}
_NEAR_TIE_WIDE = 1e-5


def near_tie(dtype: str) -> float:
    """The difference of log-probabilities below which a choice of a model of this dtype hangs on rounding."""
    return _NEAR_TIE.get(dtype, _NEAR_TIE_WIDE)
