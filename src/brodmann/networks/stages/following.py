"""Following: networks' courses over an example that is drawn, and over the samples of each dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from brodmann.errors import UserError
from brodmann.files import digest, incomplete, write_text
from brodmann.networks import courses as tracks
from brodmann.networks.conditions import network_name
from brodmann.networks.page import Course, page, visible
from brodmann.networks.pieces import Piece
from brodmann.networks.stages.use import UseStage, stored
from brodmann.runner.bench import Bench
from brodmann.store.tables import write_frame, write_table
from brodmann.store.tensors import facts_of
from brodmann.store.work import OnStep, Work

if TYPE_CHECKING:
    from brodmann.runner.encode import Ids
    from brodmann.runner.peaks import Watch

EXAMPLE_COLUMNS = ("place", "piece", "tokens", "special", "network", "course")
CONNECTIVITY_COLUMNS = ("dataset", "network", "other", "n_tokens", "r")
SHIPPED_EXAMPLE = "example/languages.txt"
# Tokens of the example that are shown, however few were decomposed of each sample.
EXAMPLE_TOKENS = 512


def example_name(dataset: str) -> str:
    """What the manifest calls a dataset's courses over the example."""
    return f"the example: {dataset}"


def courses_name(dataset: str) -> str:
    """What the manifest calls a dataset's courses over its samples."""
    return f"courses: {dataset}"


@dataclass(frozen=True)
class Companion:
    """A record of its own that is made of the same texts while courses are followed.

    ``begin``: what watches these texts, given them and their tokens; ``end``: the record of what it saw.
    """

    name: str
    key: str
    begin: Callable[[Bench, Sequence[str], Sequence[Ids]], Watch]
    end: Callable[[Bench, Watch, Sequence[str], Sequence[Ids]], bytes]


class Following:
    """The works of this part. ``texts``: gives the samples that a dataset's networks were found in;
    ``companion``: what else is made of those that are followed."""

    def __init__(
        self,
        stage: UseStage,
        texts: Callable[[str], Sequence[str]],
        companion: Callable[[str, Sequence[str]], Companion | None] = lambda *_: None,
    ) -> None:
        self.stage = stage
        self._texts = texts
        self._companion = companion
        self._samples: dict[str, Sequence[str]] = {}

    @cached_property
    def example(self) -> str:
        """The text that is drawn."""
        own = self.stage.use.following.example
        path = Path(own or Path(self.stage.settings.stimuli) / SHIPPED_EXAMPLE)
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
        except UnicodeDecodeError:
            raise UserError.at(str(path), "not a UTF-8 text file", "save it as UTF-8") from None
        if not text:
            raise UserError.at(str(path), "is empty", "give a text of a few sentences")
        return text

    def samples(self, dataset: str) -> Sequence[str]:
        """The samples that a dataset's networks were found in."""
        if dataset not in self._samples:
            self._samples[dataset] = self._texts(dataset)
        return self._samples[dataset]

    def texts(self, dataset: str) -> list[str]:
        """The samples that a dataset's networks are followed over."""
        return list(self.samples(dataset)[: self.stage.use.following.texts])

    def example_key(self, dataset: str) -> str:
        """Hash of what a dataset's courses over the example depend on."""
        return self._key(dataset, [self.example], "example")

    def courses_key(self, dataset: str) -> str:
        """Hash of what a dataset's mean courses depend on."""
        return self._key(dataset, self.texts(dataset), "courses")

    def _key(self, dataset: str, texts: Sequence[str], kind: str) -> str:
        settings = self.stage.settings
        return self.stage.key(
            "following",
            kind=kind,
            networks=self.stage.digests[dataset],
            texts=digest(list(texts)),
            **settings.extraction(),
        )

    def works(self) -> list[Work[Bench]]:
        """Two per dataset."""
        return [
            work
            for name in self.stage.networks
            for work in (
                Work.one(example_name(name), self.example_key(name), self._example(name)),
                self._followed(name),
            )
        ]

    def _example(self, dataset: str) -> Callable[[Bench], bytes]:
        def compute(bench: Bench) -> bytes:
            from safetensors.numpy import save

            from brodmann.networks.extraction import Extractor
            from brodmann.networks.pieces import pieces

            [ids] = bench.texts([self.example], truncate=EXAMPLE_TOKENS)
            networks = self.stage.networks[dataset]
            # On the scale of the texts that the networks were found in: an example has few tokens.
            course = networks.courses(Extractor.of(bench).one(ids), standardise="group")
            found = [asdict(one) for one in pieces(bench.model.tokenizer, ids[self._first :])]
            return save({"course": course}, metadata={"pieces": json.dumps(found)})

        return compute

    def _followed(self, dataset: str) -> Work[Bench]:
        """A dataset's courses, and what is made beside them: the texts are run once."""
        texts = self.texts(dataset)
        courses, companion = courses_name(dataset), self._companion(dataset, texts)
        keys = {courses: self.courses_key(dataset)}
        if companion is not None:
            keys[companion.name] = companion.key

        def compute(bench: Bench, names: Sequence[str], _: OnStep) -> Iterator[Mapping[str, bytes]]:
            rows = bench.texts(texts, truncate=self.stage.settings.max_tokens)
            watch = None
            if companion is not None and companion.name in names:
                watch = companion.begin(bench, texts, rows)
            found = self._courses(bench, dataset, texts, rows, watch)
            if courses in names:
                yield {courses: found}
            if watch is not None:
                assert companion is not None
                yield {companion.name: companion.end(bench, watch, texts, rows)}

        # Read together: shards do not part them.
        return Work(courses, keys, compute, cost=sum(map(len, texts)), block=0)

    def _courses(
        self,
        bench: Bench,
        dataset: str,
        texts: Sequence[str],
        rows: Sequence[Ids],
        watch: Watch | None,
    ) -> bytes:
        """The record of a dataset's courses."""
        from safetensors.numpy import save

        from brodmann.networks.extraction import Extractor
        from brodmann.networks.pieces import ends

        networks = self.stage.networks[dataset]
        extractor = Extractor.of(bench)
        mean, sd = networks.moments
        spread = np.where(sd > 0, sd, 1.0)

        def part(number: int, values: np.ndarray) -> dict[str, np.ndarray]:
            signals = extractor.layout.place(values).astype(np.float64)
            standard = (signals - mean) / spread
            places = ends(bench.model.tokenizer, texts[number], rows[number])[self._first :]
            return {
                "raw": tracks.mean_courses(signals, networks.members),
                "standard": tracks.mean_courses(standard, networks.members),
                "text": np.full(len(signals), number),
                "end": np.array(places, dtype=np.int64),
            }

        # Of a text of which no token is kept there is nothing.
        nothing = np.zeros((0, extractor.layout.n_columns), np.float32)
        read = extractor.runs(rows, watch=watch)
        found = {number: part(number, values) for number, values in read}
        parts = [found.get(n) or part(n, nothing) for n in range(len(rows))]
        return save({name: np.concatenate([own[name] for own in parts]) for name in parts[0]})

    @property
    def _first(self) -> int:
        """The first token that is followed."""
        return int(self.stage.settings.drop_first)


# The light jobs


# Draws courses over pieces of a text, under a title, into files of a stem.
Draw = Callable[[Sequence[Piece], Sequence[Course], str, str], None]


def write_example(
    following: Following, *, dataset: str, manifest: str, stem: str, draw: Draw
) -> None:
    """``stem``.html, .csv and, as ``draw`` does it, pictures of one dataset's networks over the example."""
    from safetensors.numpy import load

    stage = following.stage
    record = stored(manifest).get(example_name(dataset), f"the example with networks of {dataset}")
    values = load(record)["course"]
    pieces = [Piece(**one) for one in facts_of(record, "pieces")]
    title = f"{stage.card.name}: networks of {dataset} over a text"
    networks = stage.networks[dataset]
    sizes = zip(networks.n_units, 100 * networks.explained, values.T, strict=True)
    shown = [
        Course(f"network {n}", f"{units} units, {share:.2f} % of the variance", course)
        for n, (units, share, course) in enumerate(sizes)
    ]
    write_text(f"{stem}.html", page(title, _INTRO, pieces, shown))
    draw(pieces, shown, title, stem)
    write_table(f"{stem}.csv", _example_rows(pieces, values), EXAMPLE_COLUMNS)


_INTRO = (
    "Colour: the network's course at each token, orange above and blue below zero, strongest where it is "
    "largest in the text. The course is the network's coefficient in the signals, standardised as those of "
    "the texts in which it was found; its sign is that of the network's map. Each token's number is shown "
    "when it is pointed at."
)


def _example_rows(pieces: Sequence[Piece], values: np.ndarray) -> list[dict[str, Any]]:
    rows, start = [], 0
    for place, piece in enumerate(pieces):
        shown = {"place": place, "piece": visible(piece.text), "tokens": piece.tokens}
        shown["special"] = int(piece.special)
        own = values[start : start + piece.tokens]
        start += piece.tokens
        for (network, _), course in np.ndenumerate(own.T):
            rows.append({**shown, "network": network_name(network), "course": float(course)})
    return rows


def write_connectivity(following: Following, *, manifest: str, output: str) -> None:
    """Of rule ``network_use``: Pearson's r of every two networks of each dataset."""
    from safetensors.numpy import load

    rows: list[tuple[Any, ...]] = []
    for dataset in following.stage.networks:
        values = load(_courses_of(dataset, manifest))["standard"]
        pairs = np.ndenumerate(tracks.connectivity(values))
        rows += [
            (dataset, network_name(one), network_name(other), len(values), float(r))
            for (one, other), r in pairs
        ]
    write_frame(output, pd.DataFrame(rows, columns=CONNECTIVITY_COLUMNS))


def _courses_of(dataset: str, manifest: str) -> bytes:
    return stored(manifest).get(courses_name(dataset), f"courses of the networks of {dataset}")


def write_courses(following: Following, *, dataset: str, manifest: str, output: str) -> None:
    """Of rule ``network_use``: mean courses over a dataset's samples, to set models side by side."""
    from brodmann.files import atomic_path

    with atomic_path(output) as temporary:
        temporary.write_bytes(_courses_of(dataset, manifest))


# Tokens that are listed of each network, and characters of the text around each.
DRIVING, AROUND = 12, 60
# So many times as far below 0 as above: then the places below are those that drive it.
FARTHER = 2
DRIVING_COLUMNS = ("network", "rank", "text", "before", "token", "after", "course")


def write_driving(following: Following, *, dataset: str, manifest: str, output: str) -> None:
    """Of rule ``network_use``: the tokens where each network's mean course is strongest, in their texts."""
    from safetensors.numpy import load

    values, texts = load(_courses_of(dataset, manifest)), following.texts(dataset)
    rows = [
        {"network": network_name(network), "rank": rank, **one}
        for network in range(values["standard"].shape[1])
        for rank, one in enumerate(driving(values, network, texts), 1)
    ]
    write_table(output, rows, DRIVING_COLUMNS)


def driving(
    values: Mapping[str, np.ndarray], network: int, texts: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The strongest values of a network's course, one of each stretch of text. ``values``: of the record.

    They lie above 0, or below where the course reaches ``FARTHER`` there: some networks are known by where
    their units are far below their means.
    """
    course, number, end = values["standard"][:, network], values["text"], values["end"]
    low, high = (float(np.nanmax([0.0, *(sign * course)])) for sign in (-1, 1))
    side = -1.0 if low > 0 and low >= FARTHER * high else 1.0
    shown: set[tuple[int, int]] = set()
    for place in np.argsort(-side * course, kind="stable"):
        at = int(number[place])
        text, stop = texts[at], int(end[place])
        first = place == 0 or number[place - 1] != at
        start = 0 if first else int(end[place - 1])
        # A special token, or a piece of a character, has no stretch of its own.
        if not np.isfinite(course[place]) or stop <= start or (at, stop) in shown:
            continue
        shown.add((at, stop))
        before, after = text[max(0, start - AROUND) : start], text[stop : stop + AROUND]
        value = float(course[place])
        yield {
            "text": at,
            "before": before,
            "token": text[start:stop],
            "after": after,
            "course": value,
        }
        if len(shown) == DRIVING:
            return


FINGERPRINT_COLUMNS = (
    *("dataset", "model", "other", "n_texts", "network", "other_network", "rho"),
    *("above_half", "pairs"),
)


ACROSS_COLUMNS = ("dataset", "model", "network", "other", "other_network", "n_stretches", "r")


def write_fingerprint(files: dict[tuple[str, str], str], *, output: str, across: str) -> None:
    """Rule ``fingerprint``: every two models by dataset. ``files``: (model, dataset) -> its courses.

    ``output``: rank correlations, text by text; ``across``: Pearson's r over all texts, as for connectivity.
    """
    from itertools import combinations

    rows: list[tuple[Any, ...]] = []
    between: list[tuple[Any, ...]] = []
    for dataset in dict.fromkeys(dataset for _, dataset in files):
        found = {m: _read_courses(path) for (m, name), path in files.items() if name == dataset}
        # A text of which one model keeps no token is a text all the same.
        count = max(int(own["text"].max(initial=-1)) + 1 for own in found.values())
        followed = {model: _followed(own, count, "raw") for model, own in found.items()}
        standard = {model: _followed(own, count, "standard") for model, own in found.items()}
        for one, other in combinations(followed, 2):
            found_r, stretches = tracks.connectivity_between(standard[one], standard[other])
            for (first, second), r in np.ndenumerate(found_r):
                pair = one, network_name(first), other, network_name(second)
                between.append((dataset, *pair, stretches, float(r)))
            shared = tracks.fingerprint(followed[one], followed[other])
            first, second, rho = shared.best
            closest = [network_name(number) if number >= 0 else "" for number in (first, second)]
            pairs = int(np.isfinite(shared.rho).sum())
            own = dataset, one, other, shared.n_texts, *closest, rho, shared.close, pairs
            rows.append(own)
    write_frame(output, pd.DataFrame(rows, columns=FINGERPRINT_COLUMNS))
    write_frame(across, pd.DataFrame(between, columns=ACROSS_COLUMNS))


def _read_courses(path: str) -> dict[str, np.ndarray]:
    from brodmann.store.tensors import read_tensors

    found = read_tensors(path)
    if {"raw", "standard", "text", "end"} - found.keys():
        raise incomplete(path)
    return found


def _followed(found: dict[str, np.ndarray], count: int, kind: str) -> list[tracks.Followed]:
    """A model's courses, text by text."""
    texts = [found["text"] == number for number in range(count)]
    return [tracks.Followed(found[kind][own], found["end"][own]) for own in texts]
