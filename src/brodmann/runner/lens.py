"""The logit lens: which tokens a direction of the residual stream promotes, and which it suppresses.

A direction goes through the final norm and the LM head as if nothing came between (nostalgebraist 2020; of
write vectors, Geva et al. 2022). Its length does not count: it is scaled to a root mean square of 1 first. A
head's bias is left out, as is the norm's: they say nothing of the direction.

Directions of units (``directions``): a *neuron* writes its column of the MLP's output projection, one of an
expert that of the expert's, where the expert has a weight of 1; a *dimension* of the residual stream is its
own. A *head* writes its weights W [hidden, head size] times what
its attention has gathered, so that it has no single direction: taken is the left singular vector of W with
the largest singular value, and which share of the squared length of W lies on it. The sign of a singular
vector is a matter of convention: its largest component is made positive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from brodmann.models.head import head_product
from brodmann.models.load import LoadedModel
from brodmann.models.module_tree import module_at
from brodmann.models.placement import resident
from brodmann.models.split import whole
from brodmann.runner.footprint import MAX_LOGITS
from brodmann.runner.ranks.marked import on_all_ranks
from brodmann.sites import HEADS, SITES


@dataclass(frozen=True)
class Raised:
    """Of each of n directions the k tokens whose logits it raises and lowers most, strongest first.

    Tokens int32 [n, k], changes of their logits float32 [n, k]; NaN, of token -1, where a direction is none.
    """

    raised: np.ndarray
    raised_by: np.ndarray
    lowered: np.ndarray
    lowered_by: np.ndarray


def lens(model: LoadedModel, directions: np.ndarray, number: int) -> Raised | None:
    """What directions float32 [n, hidden] do to logits; None for a model without a plain LM head."""
    number = min(number, len(model.tokenizer))
    shape = len(directions), number
    found: list[np.ndarray] = []
    for _ in ("raised", "lowered"):
        found += np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32)
    sizes = np.sqrt(np.square(directions, dtype=np.float64).mean(1))
    there = np.flatnonzero(np.isfinite(sizes) & (sizes > 0))
    at_once = max(1, MAX_LOGITS // model.vocabulary_size)
    for start in range(0, len(there), at_once):
        some = there[start : start + at_once]
        scaled = torch.from_numpy((directions[some] / sizes[some, None]).astype(np.float32))
        part = _strongest(model, scaled, number)
        if part is None:
            return None
        for every, own in zip(found, part, strict=True):
            every[some] = own
    return Raised(*found)


@on_all_ranks
def _strongest(
    model: LoadedModel, rows: torch.Tensor, number: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """As ``Raised``, of directions [n, hidden] whose root mean square is 1: no norm's epsilon counts."""
    with torch.no_grad():
        paths = model.architecture
        norm = module_at(model.hf, paths.final_norm)
        # A model without a final norm has its head there, or what the head stands in.
        is_head = f"{paths.head}.".startswith(f"{paths.final_norm}.")
        with resident(norm):
            place = next(norm.parameters(), rows)
            rows = torch.cat([rows, torch.zeros_like(rows[:1])]).to(place.device, place.dtype)
            # Its bias, if it has one, is what it makes of nothing.
            scaled = norm(rows).float()
        scaled = scaled[:-1] - scaled[-1]
        logits = scaled if is_head else head_product(model.hf, scaled)
        if logits is None:
            return None
        # A head may be padded beyond the vocabulary.
        logits = logits[:, : len(model.tokenizer)]
        raised = torch.topk(logits, number)
        lowered = torch.topk(logits, number, largest=False)
    found = [
        part.cpu().numpy()
        for part in (raised.indices, raised.values, lowered.indices, lowered.values)
    ]
    return found[0].astype(np.int32), found[1], found[2].astype(np.int32), found[3]


@on_all_ranks
def directions(
    model: LoadedModel, site: str, units: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Those of units (layer, unit) of a site, float32 [n, hidden], and the share [n] of what a unit writes
    that lies on its direction.

    NaN for units without a direction: of weights that are not plain matrices (quantised ones), and neurons
    that a layer has not.
    """
    found = np.full((len(units), model.hidden_size), np.nan, np.float32)
    shares = np.full(len(units), np.nan, np.float32)
    if SITES[site].residual:
        found[:] = 0
        found[np.arange(len(units)), [unit for _, unit in units]] = 1
        shares[:] = 1
        return found, shares
    for layer, numbers in _by_layer(units).items():
        with output_projections(model, site, layer) as weights:
            for first, weight in weights:
                if SITES[site].width == HEADS:
                    own = [units[number][1] for number in numbers]
                    found[numbers], shares[numbers] = _of_heads(_heads(model, weight, own))
                    continue
                end = first + weight.shape[1]
                here = [number for number in numbers if first <= units[number][1] < end]
                columns = [units[number][1] - first for number in here]
                found[here] = weight[:, columns].float().T.cpu().numpy()
                shares[here] = 1
    return found, shares


@on_all_ranks
def head_grams(model: LoadedModel, units: Sequence[tuple[int, int]]) -> torch.Tensor | None:
    """float32 [n, head size, head size]: Wᵀ W of the heads (layer, head), by which the length of what a head
    writes is known from what enters its weights W; None if these are not to be had."""
    size = model.head_dim
    found = torch.full((len(units), size, size), torch.nan)
    for layer, numbers in _by_layer(units).items():
        if not model.has("heads", layer):
            continue
        with output_projections(model, "heads", layer) as weights:
            if not weights:
                return None
            [(_, weight)] = weights
            own = _heads(model, weight, [units[number][1] for number in numbers])
            found[numbers] = torch.einsum("nho,nhp->nop", own, own).float()
    return found


@contextmanager
def output_projections(
    model: LoadedModel, site: str, layer: int
) -> Iterator[list[tuple[int, torch.Tensor]]]:
    """(number of the first unit, weights [hidden, units]) by which a layer's units of a site write to the
    residual stream, whichever way round their module keeps them.

    One, or one of each expert; none where they are no such matrix, or the model has no such site. Offloaded
    weights are there while the block lasts.
    """
    if site in model.missing or not model.has(site, layer):
        yield []
        return
    experts = model.experts if site == "mlp_hidden" else None
    if experts is not None and experts.has(layer):
        path = f"{model.architecture.blocks}.{layer}.{experts.paths[layer]}"
        with resident(module_at(model.hf, path)) as module:
            down: torch.Tensor = module.down_proj.detach()  # type: ignore[operator]
            ways = [weight.T if module.is_transposed else weight for weight in down]
            yield [(expert * experts.neurons, weight) for expert, weight in enumerate(ways)]
        return
    with resident(module_at(model.hf, model.path(site, layer))) as module:
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
            yield []
            return
        if isinstance(module, Conv1D):
            weight = weight.T
        fits = tuple(weight.shape) == (model.hidden_size, model.own_width(site, layer))
        yield [(0, whole(weight.detach()))] if fits else []


def _of_heads(weights: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Directions [n, hidden] and shares [n] of heads' weights [n, hidden, head size]."""
    gram = torch.einsum("nho,nhp->nop", weights, weights)
    values, vectors = torch.linalg.eigh(gram)
    written = torch.einsum("nho,no->nh", weights, vectors[:, :, -1])
    lengths = written.norm(dim=1, keepdim=True)
    written = written / torch.where(lengths > 0, lengths, torch.nan)
    largest = written.abs().argmax(1, keepdim=True)
    written = written * written.gather(1, largest).sign()
    total = values.sum(1)
    shares = torch.where(total > 0, values[:, -1] / total, torch.nan)
    return written.float().numpy(), shares.float().numpy()


def _heads(model: LoadedModel, weight: torch.Tensor, heads: Sequence[int]) -> torch.Tensor:
    """float64 [n, hidden, head size] of a layer's weights, on the host: not every device has float64."""
    size = model.head_dim
    return torch.stack(
        [weight[:, head * size : (head + 1) * size].cpu().double() for head in heads]
    )


def _by_layer(units: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """Layer -> the numbers of its units."""
    found: dict[int, list[int]] = {}
    for number, (layer, _) in enumerate(units):
        found.setdefault(layer, []).append(number)
    return found
