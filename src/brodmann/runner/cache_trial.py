"""Whether a model's cache may be used: by what its layers are, then by trying all that is done with it.

Keys and values of attention are repeated for rows that begin alike, and so are the states of recurrences and
convolutions. Models differ in how they go on from a state: some begin anew, or take one token at a time.

The trial compares logits with those of whole sequences in one pass each: of rows that are read once and go on
differently, several tokens at a time and then one; and the same beyond the shortest sliding window. Where
there are states, also of a beginning that is shorter than most convolutions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel
    from brodmann.runner.context import Reader
    from brodmann.runner.encode import Ids

log = logging.getLogger(__name__)

# How far logits may differ: r.m.s. of the difference, as a share of the r.m.s. of a position's logits
# about their mean. A context that is not the right one makes it about 1. Models of float64 may take
# softmax or norms in float32.
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
_TEXT = "The old map of the city shows nine bridges, and the new one shows eleven of them; two are gone."
# Tokens that rows of a trial begin with, and how many each then reads on at a time.
SHARED, _STEPS = 9, (3, 1, 1)
# Longer windows are not filled, as it would take long, and few texts do. It is the same class of layers, and
# tests fill those of every family that has them.
LONGEST = 512


def new_cache(model: LoadedModel) -> Any:
    """An empty cache with the layers that the model's configuration asks for."""
    from transformers import DynamicCache

    return DynamicCache(config=model.hf.config.get_text_config())


def all_attention(model: LoadedModel) -> bool:
    """Whether every layer of the model's cache holds keys and values of attention, and nothing else."""
    return not _layers(model) - _of_attention()


def has_states(model: LoadedModel) -> bool:
    """Whether a layer of the model's cache holds the state of a recurrence or a convolution."""
    return bool(_layers(model) & _of_states())


def may_be_kept(model: LoadedModel) -> bool:
    """Whether every layer of the model's cache holds what can be repeated, row by row."""
    from transformers.cache_utils import DummyLayer

    known = _of_attention()
    if has_states(model):
        # Beside states, a layer that holds nothing has nothing but an MLP. Elsewhere it uses another's keys.
        known |= _of_states() | {DummyLayer}
    other = _layers(model) - known
    if other:
        names = ", ".join(sorted(kind.__name__ for kind in other))
        log.info("%s: no cache, as it would have layers of %s", model.name, names)
    return not other


def _layers(model: LoadedModel) -> set[type]:
    """Classes of the cache's layers; by the class itself, as those of other layers are derived from these."""
    try:
        return {type(layer) for layer in new_cache(model).layers}
    except Exception as error:  # a configuration of foreign code may be anything
        log.info("%s: no cache (%s)", model.name, error)
        return {type(None)}


def _of_attention() -> set[type]:
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    return {DynamicLayer, DynamicSlidingWindowLayer}


def _of_states() -> set[type]:
    from transformers import cache_utils as known

    return {
        known.LinearAttentionLayer,
        known.LinearAttentionAndFullAttentionLayer,
        known.LinearAttentionAndSlidingWindowAttentionLayer,
    }


def passes(reader: Reader) -> bool:
    """Whether all that is done with the caches of ``reader`` leaves the logits what they are."""
    model = reader.model
    # A context within the windows of all layers, and one beyond some of them.
    beyond = [window + 1 for window in windows(model) if window <= LONGEST]
    lengths = [SHARED, *beyond[:1], *([2] if has_states(model) else [])]
    before = reader.forward_passes
    try:
        works = all(
            close(found, expected, TOLERANCE[model.dtype])
            for shared in lengths
            for found, expected in _comparisons(reader, shared)
        )
    except Exception as error:  # a model's own code may fail in any way
        log.info("%s: no cache (%s)", model.name, error)
        return False
    finally:
        reader.forward_passes = before
    if not works:
        log.info("%s: its cache changes its logits and is not used", model.name)
    return works


def _comparisons(reader: Reader, shared: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(with a cache, without) logits [rows, next, vocabulary]; rows have read ``shared`` tokens before."""
    own = sum(_STEPS)
    text = tokens(reader.model, shared + 4 * own)
    a, b = text[:shared], text[1 : shared + 1]
    # One row is read twice and goes on differently.
    rows = [b, a, b]
    more = [text[shared + n * own + 1 :][:own] for n in range(len(rows))]
    context, following = reader.read(rows), reader.tensor(more)
    for step in _STEPS:
        ids, following = following[:, :step], following[:, step:]
        found = reader.logits(context, ids, step)
        options = {"logits_to_keep": step} if reader.keeps_logits else {}
        with torch.no_grad():
            expected = reader.model.hf(input_ids=context.ids, **options).logits
        yield found[:, -step:], expected[:, -step:]


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
