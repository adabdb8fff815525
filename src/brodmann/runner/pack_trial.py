"""Whether a model takes packs: tried once, by comparing logits with those of whole sequences.

Masks by ancestry and positions by depth suit models whose attention is transformers' own. Models with
recurrent states or convolutions, with position biases (ALiBi) or attention code of their own take none.

The trial runs a small tree in two lanes, then one that goes on from it, within sliding windows and beyond the
shortest.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from brodmann.runner import cache_trial
from brodmann.runner.queries import Query, Read, Scores, Start
from brodmann.runner.ranks.marked import on_all_ranks
from brodmann.runner.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brodmann.models.load import LoadedModel
    from brodmann.runner.encode import Ids
    from brodmann.runner.packed import Packed
    from brodmann.runner.queries import Answer

log = logging.getLogger(__name__)

# Model -> why it takes no packs; nothing if it does.
_VERDICTS: WeakKeyDictionary[torch.nn.Module, str] = WeakKeyDictionary()
# Model -> whether its blocks may be skipped.
_SKIPS: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()
# Tokens of a branch; log-probabilities that are compared after each of them.
_BRANCH, _TOKENS = 4, 200
# Tokens of whole sequences that are run at once: all have logits.
_AT_ONCE = 256


@on_all_ranks
def refusal(model: LoadedModel) -> str:
    """Why a model takes no packs; nothing if it does."""
    if model.hf not in _VERDICTS:
        reason = _before_running(model) or _by_running(model)
        if reason:
            log.info("%s: rows are run whole, as %s", model.name, reason)
        _VERDICTS[model.hf] = reason
    return _VERDICTS[model.hf]


@on_all_ranks
def skips(model: LoadedModel) -> bool:
    """Whether the blocks above go on from what those below have put out, and from nothing else of them.

    Not so where blocks take keys and values, or a bias, from one of the first. Tried once on the model as it
    is, which must not be edited then.
    """
    if model.hf not in _SKIPS:
        try:
            _SKIPS[model.hf] = _skipping_changes_nothing(model)
        except Exception as error:  # a model's own code may fail in any way
            log.info("%s: all blocks are run each time (%s)", model.name, error)
            _SKIPS[model.hf] = False
    return _SKIPS[model.hf]


def _skipping_changes_nothing(model: LoadedModel) -> bool:
    """From the second block on, from the middle, and at the last block alone."""
    from brodmann.runner.packed import Packed

    packed = Packed(model)
    text = cache_trial.tokens(model, 4 * _BRANCH + 1)
    tree, other = Tree(), Tree()
    row = text[: 2 * _BRANCH]
    nodes = [tree.add(row), tree.add(row[:_BRANCH] + text[-_BRANCH:])]
    other.add(text[-2 * _BRANCH :])
    scores = Scores([own[-2] for own in nodes], [tree.tokens[own[-1]] for own in nodes])
    floors = sorted({1, model.n_layers // 2, model.n_layers - 1} - {0})
    read = Read("block_output", [floor - 1 for floor in floors], range(len(tree)))
    whole = packed.run(Query(tree, scores=scores, reads=[read]))
    same = True
    for floor in floors:
        # Nothing that blocks may have kept of the tree may serve.
        packed.run(Query(other, scores=Scores([0], [text[0]])))
        start = Start(floor, whole.reads[0][floor - 1])
        found = packed.run(Query(tree, scores=scores, start=start))
        same = same and _close(model, found.scores, whole.scores)
    return same


def _before_running(model: LoadedModel) -> str:
    config = model.hf.config.get_text_config()
    # Said by Falcon's configurations; the code of models that always have such biases takes no positions.
    if getattr(config, "alibi", False):
        return "its attention is biased by distance (ALiBi)"
    accepted = inspect.signature(model.hf.forward).parameters
    needed = ("attention_mask", "position_ids", "past_key_values")
    if missing := [name for name in needed if name not in accepted]:
        return f"its code takes no {' and no '.join(missing)}"
    if not cache_trial.all_attention(model):
        return "its layers are not all attention with a cache of its own"
    types = set(getattr(config, "layer_types", None) or ())
    if other := types - {"full_attention", "sliding_attention"}:
        return f"it has layers of {', '.join(sorted(other))}"
    return ""


def _by_running(model: LoadedModel) -> str:
    from brodmann.runner.packed import Packed

    try:
        tolerance = cache_trial.TOLERANCE[model.dtype]
        pairs = _comparisons(model, Packed(model))
        works = all(cache_trial.close(*pair, tolerance) for pair in pairs)
    except Exception as error:  # a model's own code may fail in any way
        first = (str(error).strip().splitlines() or [""])[0]
        return f"it fails with a mask by ancestry ({type(error).__name__}: {first[:120]})"
    return "" if works else "a mask by ancestry changes its logits"


def _comparisons(model: LoadedModel, packed: Packed) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(log-probabilities of next tokens in a pack, those of whole sequences), both [nodes, tokens]."""
    beyond = [window + 1 for window in cache_trial.windows(model) if window <= cache_trial.LONGEST]
    for shared in (cache_trial.SHARED, *beyond[:1]):
        text = cache_trial.tokens(model, shared + 6 * _BRANCH)
        parts = [text[shared + n * _BRANCH :][:_BRANCH] for n in range(6)]
        tree = Tree(lane_nodes=1)
        rows: list[Ids] = []
        ends: list[list[int]] = []
        for lane in range(2):
            tree.open_lane()
            start = text[lane : shared + lane // 2]
            for part in parts[lane : lane + 2]:
                rows.append(start + part)
                ends.append(tree.add(rows[-1]))
        first = packed.run(Query(tree, scores=_scores(model, ends), keep=True))
        yield _by_node(model, first), _expected(model, rows)
        more = Tree(past=tree)
        longer: list[Ids] = []
        tips: list[list[int]] = []
        for row, nodes in zip(rows, ends, strict=True):
            for part in parts[4:]:
                hang = len(row) - 2
                longer.append(row[: hang + 1] + part)
                tips.append(more.add(part, hangs=nodes[hang]))
        second = packed.run(Query(more, past=first.past, scores=_scores(model, tips)))
        yield _by_node(model, second), _expected(model, longer)


def _looked_at(model: LoadedModel) -> list[int]:
    """Tokens whose log-probabilities are compared."""
    return list(range(0, model.vocabulary_size, max(1, model.vocabulary_size // _TOKENS)))


def _scores(model: LoadedModel, nodes: list[list[int]]) -> Scores:
    """After the last tokens of each row."""
    tokens = _looked_at(model)
    last = [node for own in nodes for node in own[-_BRANCH:]]
    return Scores([node for node in last for _ in tokens], tokens * len(last))


def _by_node(model: LoadedModel, answer: Answer) -> torch.Tensor:
    return answer.scores.view(-1, len(_looked_at(model)))


def _expected(model: LoadedModel, rows: list[Ids]) -> torch.Tensor:
    """The same by whole sequences; some of one length at once, so that nothing is padded."""
    found = torch.empty(len(rows), _BRANCH, len(_looked_at(model)), dtype=torch.float64)
    for length in {len(row) for row in rows}:
        alike = [number for number, row in enumerate(rows) if len(row) == length]
        step = max(1, _AT_ONCE // length)
        for own in (alike[start : start + step] for start in range(0, len(alike), step)):
            ids = torch.tensor([rows[number] for number in own], device=model.device)
            with torch.no_grad():
                logits = model.hf(input_ids=ids, use_cache=False).logits[:, -_BRANCH:]
            found[own] = logits.double().cpu().log_softmax(-1)[..., _looked_at(model)]
    return found.flatten(0, 1)


def _close(model: LoadedModel, found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether log-probabilities [scores] are the same but for rounding."""
    largest = expected.abs().max().clamp_min(1.0)
    return bool((found - expected).abs().max() <= cache_trial.TOLERANCE[model.dtype] * largest)
