"""The LM head of a bf16 or fp16 model, computed in float32.

A narrow head rounds every logit: in bf16 those between 16 and 32 lie 1/8 apart, and answers that differ by
less come out as equal. What the head reads and its weights are narrow, too, but their products and sums need
not be: the matrix units of a GPU add them in float32; elsewhere the matrix is made float32, some rows at a
time. What a model does to its logits afterwards (a scale, a soft cap) is then done in float32 by its own
code.
"""

from __future__ import annotations

from itertools import pairwise
from types import MethodType
from typing import Any

import torch
from torch import nn

from brodmann.models import products
from brodmann.models.placement import resident
from brodmann.models.precision import HEAD_CHUNK, NARROW
from brodmann.models.split import whole


class WideLinear(nn.Linear):
    """A linear layer of narrow weights that puts out float32."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """hidden [..., width] -> logits [..., vocabulary]."""
        logits = _WideProduct.apply(hidden, self.weight)
        return logits if self.bias is None else logits + self.bias.float()


def widen_head(hf: Any) -> None:
    """Let the LM head of a transformers model put out float32 logits; a model in float32 stays as it is.

    A head that is no plain linear layer (quantised, or a checkpoint's own) stays as it is, too.
    """
    head = _linear_head(hf)
    if type(head) is not nn.Linear or dtype_name(head.weight.dtype) not in NARROW:
        return
    # The class, not the instance's ``forward``: of modules with accelerate's hooks, nnsight runs the class's.
    head.__class__ = WideLinear
    # What accelerate's hooks, which bring weights that lie elsewhere, run.
    if "_old_forward" in vars(head):
        head._old_forward = MethodType(WideLinear.forward, head)


def head_product(hf: Any, rows: torch.Tensor) -> torch.Tensor | None:
    """float32 rows [n, width] times the head's matrix: [n, vocabulary]; None where it is no linear layer."""
    head = _linear_head(hf)
    if head is None:
        return None
    with resident(head):
        weight = whole(head.weight.detach())
        return _product(rows.float().to(weight.device), weight)


def dtype_name(dtype: torch.dtype) -> str:
    """As in the configuration: bfloat16, float32, ..."""
    return str(dtype).removeprefix("torch.")


def _linear_head(hf: Any) -> nn.Linear | None:
    """The module that makes logits, if it is a linear layer."""
    try:
        head = hf.get_output_embeddings()
    except NotImplementedError:
        head = None
    if head is None:  # a checkpoint's own code: the one layer as wide as the vocabulary
        size = hf.config.get_text_config().vocab_size
        linear = [m for m in hf.modules() if isinstance(m, nn.Linear) and m.out_features == size]
        head = linear[0] if len(linear) == 1 else None
    return head if isinstance(head, nn.Linear) else None


class _WideProduct(torch.autograd.Function):
    """hidden [..., width] times a narrow matrix [vocabulary, width], in float32: [..., vocabulary].

    There is never a wide copy of the whole matrix, in either direction.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        ctx.dtype = hidden.dtype
        rows = hidden.reshape(-1, hidden.shape[-1])
        if hidden.dtype == weight.dtype and products.sums_in_float32(weight.device, weight.dtype):
            logits = products.narrow_by_narrow(rows, weight, _held(weight))
        else:
            logits = _product(rows.float(), weight)
        return logits.view(*hidden.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weight,) = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        # fp16 has not the range of a gradient.
        bf16 = weight.dtype == torch.bfloat16
        if bf16 and products.sums_in_float32(weight.device, weight.dtype):
            found = products.wide_by_narrow(rows, weight, _held(weight))
        else:
            found = _product_of_gradient(rows, weight)
        return found.view(*gradient.shape[:-1], -1).to(ctx.dtype), None


def _product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """float32 rows [n, width] times a matrix [vocabulary, width] that is made float32 in parts."""
    logits = rows.new_empty(len(rows), len(weight))
    for part in _parts(weight):
        torch.mm(rows, weight[part].float().T, out=logits[:, part])
    return logits


def _product_of_gradient(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """float32 rows [n, vocabulary] times a matrix [vocabulary, width] that is made float32 in parts."""
    found = rows.new_zeros(len(rows), weight.shape[1])
    for part in _parts(weight):
        found.addmm_(rows[:, part], weight[part].float())
    return found


def _held(weight: torch.Tensor) -> int:
    """float32 values that a product may hold: as many as a part of the matrix has."""
    return min(HEAD_CHUNK, weight.numel())


def _parts(weight: torch.Tensor) -> list[slice]:
    """Rows of a matrix [vocabulary, width], as many at a time as ``HEAD_CHUNK`` values hold."""
    at_once = max(1, HEAD_CHUNK // weight.shape[1])
    return [slice(*ends) for ends in pairwise([*range(0, len(weight), at_once), len(weight)])]
