"""The tokens of texts at which units are highest and lowest: the record of them, and what pages take of it.

A record is made beside the networks' courses, in the same run of the model. It has each unit's strongest
tokens by number, and of every token where it stands in its text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.comparison.unit_pages import Driven, Place
from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.networks.stages.following import AROUND
from brodmann.runner.unit_tokens import Unit
from brodmann.store.work import Records

if TYPE_CHECKING:
    from brodmann.runner.bench import Bench
    from brodmann.runner.encode import Ids
    from brodmann.runner.peaks import Peaks, Watch


def places_name(dataset: str) -> str:
    """What the manifest calls the places of a dataset."""
    return f"unit pages: places in {dataset}"


# The record


def begin(
    bench: Bench,
    texts: Sequence[str],
    rows: Sequence[Ids],
    *,
    units: Mapping[str, Sequence[Unit]],
    number: int,
) -> Watch:
    """What watches the units (of each site) while texts are run, and keeps ``number`` places a side."""
    from brodmann.runner.peaks import Watch

    counts = [own for own, _ in _counted(bench, texts, rows)]
    return Watch(bench.model, units, counts, number)


def _counted(
    bench: Bench, texts: Sequence[str], rows: Sequence[Ids]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each text which tokens count, and where each token begins."""
    from brodmann.networks.pieces import ends
    from brodmann.runner.peaks import counted

    tokenizer = bench.model.tokenizer
    return [counted(ends(tokenizer, text, row), row) for text, row in zip(texts, rows, strict=True)]


def end(bench: Bench, watch: Watch, texts: Sequence[str], rows: Sequence[Ids]) -> bytes:
    """The record: peaks of all sites, and the tokens that their places are numbers of."""
    from safetensors.numpy import save

    from brodmann.networks.pieces import ends

    tensors: dict[str, np.ndarray] = {}
    for site, peaks in watch.peaks().items():
        tensors |= peaks.tensors(site)
    begins = [starts for _, starts in _counted(bench, texts, rows)]
    stops = [ends(bench.model.tokenizer, text, row) for text, row in zip(texts, rows, strict=True)]
    tensors |= _tokens_of(begins, stops)
    tensors["count"] = np.array([sum(int(own.sum()) for own in watch.counts)], np.int32)
    facts = {"computed_with": bench.made_with}
    return save(tensors, metadata={"facts": json.dumps(facts)})


def _tokens_of(
    begins: Sequence[np.ndarray], stops: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """Of all texts' tokens, one after another: text, place in it, and the stretch of text."""

    def joined(parts: Sequence[Any]) -> np.ndarray:
        return np.concatenate([np.asarray(own, np.int32) for own in (np.zeros(0), *parts)])

    sizes = [len(own) for own in begins]
    return {
        "token.text": joined([np.full(size, number) for number, size in enumerate(sizes)]),
        "token.position": joined([np.arange(size) for size in sizes]),
        "token.start": joined(begins),
        "token.end": joined(stops),
    }


# What is read of it


@dataclass(frozen=True)
class TextPlaces:
    """A dataset's record of places with its texts."""

    dataset: str
    texts: Sequence[str]
    tensors: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, study: Study, card: ModelCard, dataset: str, records: Records) -> TextPlaces:
        """Read from the store."""
        from safetensors.numpy import load

        from brodmann.networks.dataset_texts import group_texts

        texts = group_texts(study, dataset, card)[: study.networks.following.texts]
        what = f"the places of units in {dataset}"
        return cls(dataset, texts, load(records.get(places_name(dataset), what)))

    def peaks(self, site: str) -> Peaks | None:
        """Of a site's units, if any were read."""
        from brodmann.runner.peaks import Peaks

        return Peaks.of(self.tensors, site) if f"{site}.units" in self.tensors else None

    def place(self, number: int, value: float) -> Place:
        """Of a numbered token."""
        text, position, start, stop = (
            int(self.tensors[f"token.{name}"][number])
            for name in ("text", "position", "start", "end")
        )
        return place_in(self.texts[text], self.dataset, text, position, (start, stop), value)


def place_in(
    text: str, dataset: str, number: int, position: int, stretch: tuple[int, int], value: float
) -> Place:
    """A token of a text, with what stands around it."""
    start, stop = stretch
    before, after = text[max(0, start - AROUND) : start], text[stop : stop + AROUND]
    return Place(dataset, number, position, before, text[start:stop], after, value)


def of_unit(
    peaks: Mapping[str, Peaks], texts: Mapping[str, TextPlaces], row: int, number: int
) -> Driven:
    """Of all datasets together."""
    if not peaks:
        return Driven()
    sides = []
    for side, sign in (("high", 1), ("low", -1)):
        every = [
            (float(value), name, int(at))
            for name, own in peaks.items()
            for value, at in zip(
                getattr(own, side)[row], getattr(own, f"{side}_at")[row], strict=True
            )
        ]
        best = sorted(every, key=lambda one: -sign * one[0])[:number]
        sides.append(tuple(texts[name].place(at, value) for value, name, at in best))
    counts = np.array([int(texts[name].tensors["count"][0]) for name in peaks], float)
    means = np.array([own.mean[row] for own in peaks.values()])
    squares = np.array([own.sd[row] ** 2 + own.mean[row] ** 2 for own in peaks.values()])
    known = counts > 0
    if not known.any():
        return Driven()
    share = counts[known] / counts[known].sum()
    mean = float(share @ means[known])
    sd = float(np.sqrt(max(0.0, float(share @ squares[known]) - mean**2)))
    firsts = [float(own.first[row]) for own in peaks.values() if np.isfinite(own.first[row])]
    first = max(firsts, key=abs, default=float("nan"))
    return Driven(sides[0], sides[1], mean, sd, first)


def of_course(read: TextPlaces, course: np.ndarray, first: int, number: int) -> Driven:
    """Of a network's course [tokens], which begins at token ``first`` of each text."""
    position = read.tensors["token.position"]
    followed = np.flatnonzero(position >= first)
    position = position[followed]
    stretch = read.tensors["token.end"][followed] > read.tensors["token.start"][followed]
    counts = np.flatnonzero((position > 0) & stretch)
    if not len(counts):
        return Driven()
    values = course[counts]
    sides = []
    for sign in (1, -1):
        best = counts[np.argsort(-sign * values, kind="stable")[:number]]
        sides.append(tuple(read.place(int(followed[at]), float(course[at])) for at in best))
    firsts = [float(value) for value in course[position == 0]]
    strongest = max(firsts, key=abs, default=float("nan"))
    return Driven(sides[0], sides[1], float(values.mean()), float(values.std()), strongest)
