"""Which units have a page in the atlas, and the record of the tokens that these promote.

The record is made by a pass that has the model loaded and knows the units: that of the networks' use, or of
the ablations where a model has no networks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.files import digest
from brodmann.methods import METHODS
from brodmann.store.tensors import facts_of
from brodmann.store.work import Work

if TYPE_CHECKING:
    from brodmann.models.card import ModelCard
    from brodmann.models.load import LoadedModel
    from brodmann.runner.bench import Bench

TOKENS = "unit pages: tokens"  # what manifests call the record
# Members of a group whose directions are held at once.
_AT_ONCE = 1024
Unit = tuple[int, int]  # (layer, unit)


def in_turn(lists: Iterable[Iterable[Unit]]) -> list[Unit]:
    """The first of each list, then the second of each, and so on; each unit once."""
    rounds = chain.from_iterable(zip_longest(*lists))
    return list(dict.fromkeys(unit for unit in rounds if unit is not None))


def pairs(flat: Iterable[int], width: int) -> list[Unit]:
    """(layer, unit) of flat units."""
    return [divmod(int(unit), width) for unit in flat]


@dataclass(frozen=True)
class Together:
    """Units of a site that write together: the mean of their directions, each with its sign, is read."""

    site: str
    units: Sequence[Unit]
    signs: Sequence[int]


def basis(card: ModelCard, stage: str) -> dict[str, Any]:
    """What all records of pages depend on."""
    return {
        "stage": stage,
        "method": METHODS["unit_pages"],
        "model": card.identity(),
        "architecture": card.architecture,
    }


def tokens_work(
    card: ModelCard,
    units: Mapping[str, Sequence[Unit]],
    groups: Mapping[str, Sequence[Together]],
    number: int,
) -> Work[Bench]:
    """The tokens of units (site -> units), and of groups of them under a name each."""
    asked = {
        "units": {site: list(own) for site, own in units.items()},
        "groups": {
            name: [[one.site, list(one.units), list(one.signs)] for one in own]
            for name, own in groups.items()
        },
        "tokens": number,
    }
    key = digest({**basis(card, "unit tokens"), **asked})
    return Work.one(TOKENS, key, partial(_tokens, units=units, groups=groups, number=number))


def _tokens(
    bench: Bench,
    units: Mapping[str, Sequence[Unit]],
    groups: Mapping[str, Sequence[Together]],
    number: int,
) -> bytes:
    from safetensors.numpy import save

    from brodmann.runner.lens import directions, lens

    model, tensors = bench.model, {}
    vectors = []
    for site, own in units.items():
        found, shares = directions(model, site, own)
        vectors.append(found)
        tensors[f"{site}.units"] = np.array(own, np.int32).reshape(-1, 2)
        tensors[f"{site}.share"] = shares
    for every in groups.values():
        means = np.full((len(every), model.hidden_size), np.nan, np.float32)
        for row, one in enumerate(every):
            means[row] = _mean_direction(model, one)
        vectors.append(means)
    every_vector = np.concatenate(vectors or [np.zeros((0, model.hidden_size), np.float32)])
    # The same dimension of the residual stream is a unit of every layer.
    distinct, which = np.unique(every_vector, axis=0, return_inverse=True)
    raised = lens(model, distinct, number)
    words: set[int] = set()
    start = 0
    for name, part in zip([*units, *groups], vectors, strict=True):
        rows = which.reshape(-1)[start : start + len(part)]
        start += len(part)
        if raised is not None:
            for kind, values in vars(raised).items():
                tensors[f"{name}.{kind}"] = values[rows]
            words |= {*raised.raised[rows].flat, *raised.lowered[rows].flat}
    decode = model.tokenizer.decode
    facts = {
        "computed_with": bench.made_with,
        "vocabulary": {int(n): str(decode([int(n)])) for n in sorted(words) if n >= 0},
    }
    return save(tensors, metadata={"facts": json.dumps(facts)})


def _mean_direction(model: LoadedModel, group: Together) -> np.ndarray:
    """float32 [hidden]: the mean of the members' directions, each with its sign; NaN if none has one."""
    from brodmann.runner.lens import directions

    total, count = np.zeros(model.hidden_size), 0
    for start in range(0, len(group.units), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        found, _ = directions(model, group.site, group.units[some])
        known = np.isfinite(found).all(1)
        total += np.array(group.signs[some])[known] @ found[known].astype(np.float64)
        count += int(known.sum())
    mean: np.ndarray = (total / count if count else np.full_like(total, np.nan)).astype(np.float32)
    return mean


class Tokens:
    """The record, read."""

    def __init__(self, payload: bytes) -> None:
        from safetensors.numpy import load

        self._tensors = load(payload)
        self._words: dict[str, str] = facts_of(payload)["vocabulary"]

    def units(self, site: str) -> list[Unit]:
        """Those of a site."""
        found = self._tensors.get(f"{site}.units")
        return [] if found is None else [(int(layer), int(unit)) for layer, unit in found]

    def share(self, site: str) -> np.ndarray:
        """See ``lens.directions``."""
        found: np.ndarray = self._tensors[f"{site}.share"]
        return found

    def of(self, name: str) -> list[tuple[list[tuple[str, float]], list[tuple[str, float]]]]:
        """(promoted, suppressed) of each unit of a site, or of a group's members; none where a model has no
        plain head."""
        if f"{name}.raised" not in self._tensors:
            return []
        kinds = [
            self._listed(self._tensors[f"{name}.{kind}"], self._tensors[f"{name}.{kind}_by"])
            for kind in ("raised", "lowered")
        ]
        return list(zip(*kinds, strict=True))

    def _listed(self, tokens: np.ndarray, changes: np.ndarray) -> list[list[tuple[str, float]]]:
        return [
            [
                (self._words[str(token)], float(change))
                for token, change in zip(own, by, strict=True)
                if token >= 0
            ]
            for own, by in zip(tokens.tolist(), changes.tolist(), strict=True)
        ]
