"""Whether a model's KV cache may be used: by what its layers are, then by trying all that is done with it.

Keys and values of attention can be shared between contexts, as they are never written to: a layer grows by
concatenation. Recurrent states and convolutions are changed in place, so that two contexts would change
each other's: a model with such a layer (Falcon-H1, Jamba, Qwen3-Next, ...) reads every sequence whole.

The trial compares logits with those of whole sequences in one pass each: rows that begin alike and go on
differently, copies of a context that are read on, rows that are picked and repeated, tokens that are taken
back; and the same beyond the shortest sliding window.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel
    from brodmann.runner.context import Context, Reader
    from brodmann.runner.encode import Ids

log = logging.getLogger(__name__)

# How far logits may differ: r.m.s. of the difference, as a share of the r.m.s. of a position's logits
# about their mean. A context that is not the right one makes it about 1. Models of float64 may take
# softmax or norms in float32.
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
_TEXT = "The old map of the city shows nine bridges, and the new one shows eleven of them; two are gone."
# Tokens that all rows of the trial begin with, and that each goes on with on its own.
SHARED, _OWN, _NEXT = 9, 5, 2
# Longer windows are not filled, as it would take long, and few texts do. It is the same class of layers, and
# tests fill those of every family that has them.
LONGEST = 512


def new_cache(model: LoadedModel) -> Any:
    """An empty cache with the layers that the model's configuration asks for."""
    from transformers import DynamicCache

    return DynamicCache(config=model.hf.config.get_text_config())


def may_be_kept(model: LoadedModel) -> bool:
    """Whether every layer of the model's cache holds keys and values of attention, and nothing else."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    try:
        layers = new_cache(model).layers
    except Exception as error:  # a configuration of foreign code may be anything
        log.info("%s: no KV cache (%s)", model.name, error)
        return False
    # By the class itself: those of other layers are derived from these.
    other = {type(x) for x in layers} - {DynamicLayer, DynamicSlidingWindowLayer}
    if other:
        names = ", ".join(sorted(kind.__name__ for kind in other))
        log.info("%s: no KV cache, as it would have layers of %s", model.name, names)
    return not other


def passes(reader: Reader) -> bool:
    """Whether all that is done with the caches of ``reader`` leaves the logits what they are."""
    model = reader.model
    # A context within the windows of all layers, and one beyond some of them.
    beyond = [window + 1 for window in windows(model) if window <= LONGEST]
    lengths = [SHARED, *beyond[:1]]
    before = reader.forward_passes
    try:
        works = all(
            close(found, expected, TOLERANCE[model.dtype])
            for shared in lengths
            for found, expected in _comparisons(reader, shared)
        )
    except Exception as error:  # a model's own code may fail in any way
        log.info("%s: no KV cache (%s)", model.name, error)
        return False
    finally:
        reader.forward_passes = before
    if not works:
        log.info("%s: its KV cache changes its logits and is not used", model.name)
    return works


def _comparisons(reader: Reader, shared: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(with a cache, without) logits [rows, next, vocabulary]; the context's first tokens are ``shared``."""
    text = tokens(reader.model, shared + 6 * (_OWN + _NEXT))
    start, rest = text[:shared], text[shared:]
    parts = [rest[n * (_OWN + _NEXT) :][: _OWN + _NEXT] for n in range(6)]
    own = [part[:_OWN] for part in parts]
    following = [reader.tensor([part[_OWN:]]) for part in parts]

    def compare(context: Context, *rows: Ids, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Go on from ``context``, whose rows have read ``rows``."""
        more = following[tokens].repeat(len(rows), 1)
        whole = torch.cat([reader.tensor(rows), more], dim=1)
        options = {"logits_to_keep": _NEXT} if reader.keeps_logits else {}
        with torch.no_grad():
            expected = reader.model.hf(input_ids=whole, **options).logits
        return reader.logits(context, more, _NEXT)[:, -_NEXT:], expected[:, -_NEXT:]

    a, b = start + own[0], start + own[1]
    # What both rows begin with is read once, then each goes on.
    context = reader.extend(reader.read([start] * 2, share=True), reader.tensor(own[:2]))
    # A copy is read on, and leaves the original as it was; so do picked and repeated rows.
    yield compare(reader.fork(context), a, b, tokens=2)
    picked = torch.tensor([1, 0, 1, 1], device=context.ids.device)
    chosen = reader.select(context, picked)
    yield compare(reader.fork(chosen), b, a, b, b, tokens=3)
    last = reader.tensor([own[4], own[5]])
    longer = reader.extend(reader.fork(context), last)
    if reader.forgets:
        # Both prompts in one pass, of which the last token is taken back.
        twice = reader.extend(reader.twice(context, last), last.repeat(2, 1))
        if not reader.shortened(twice, twice.ids.shape[1] - 1):
            raise RuntimeError("tokens cannot be taken back")
        some = reader.select(twice, torch.tensor([2, 1], device=context.ids.device))
        yield compare(some, a + own[4][:-1], b + own[5][:-1], tokens=2)
    yield compare(chosen, b, a, b, b, tokens=2)
    yield compare(longer, a + own[4], b + own[5], tokens=3)
    yield compare(context, a, b, tokens=3)


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    """Whether logits (or log-probabilities) [..., tokens] are the same, but for rounding."""
    found, expected = found.double(), expected.double().to(found.device)
    size = (expected - expected.mean(-1, keepdim=True)).square().mean(-1).sqrt()
    error = (found - expected).square().mean(-1).sqrt()
    # Logits of nothing but rounding are alike in any case.
    return bool((error <= tolerance * size + 1e-12).all())


def windows(model: LoadedModel) -> list[int]:
    """Tokens of the sliding windows that the cache's layers have, the shortest first."""
    windows = {getattr(layer, "sliding_window", None) for layer in new_cache(model).layers}
    return sorted(window for window in windows if window)


def tokens(model: LoadedModel, count: int) -> Ids:
    """Tokens of an ordinary text, repeated; those of images and the like are none of it."""
    ids = list(model.tokenizer(_TEXT, add_special_tokens=False)["input_ids"])
    # A tokenizer that swallows whole sentences still leaves something to look at.
    ids += [(7 * n + 11) % model.vocabulary_size for n in range(23 - len(ids))]
    return tuple(ids * (count // len(ids) + 1))[:count]
