"""Corpora: samples of text for functional networks, ours or a user's.

=====================================  =================================================================
``corpus:encyclopedia``, ``news``      prose in ``stimuli/corpora/``
``corpus:maths``                       word problems with worked solutions, generated
``corpus:code``                        functions of the standard library that is running
a folder                               its ``.txt`` files, a sample each
``FILE.txt``                           its paragraphs
``FILE.jsonl[#FIELD]``                 a field (``text``) of its lines
``hf:ORG/NAME[:CONFIG][:SPLIT][#COL]``  a dataset of the Hugging Face hub (``brodmann.stimuli.hub``)
``task:DOMAIN/NAME``                   the prompts of a task, which the caller hands in
=====================================  =================================================================

What identifies a corpus is the hash of its samples, never where they are from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from brodmann.errors import UserError, closest, did_you_mean
from brodmann.files import digest
from brodmann.stimuli.code import code_samples
from brodmann.stimuli.hub import HubDataset
from brodmann.stimuli.maths import maths_samples
from brodmann.stimuli.texts import folder_samples, jsonl_samples, paragraph_samples, plain
from brodmann.tasks.items import TaskItems

SHIPPED = ("encyclopedia", "news", "maths", "code")
KINDS = ("corpus", "hf", "task")
FOLDER = "corpora"  # below the stimuli
LIMIT = 10_000  # samples; networks take a few hundred

# ``domain/name`` -> the prompts of that task's items.
TaskPrompts = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class Corpus:
    """Different samples of text, in a fixed order."""

    source: str
    samples: tuple[str, ...]
    sha256: str  # of the samples alone

    def require(self, n: int) -> Corpus:
        """The corpus itself, if it has ``n`` samples or more."""
        if len(self.samples) < n:
            what = f"{len(self.samples)} different samples, {n} are wanted"
            raise UserError.at(plain(self.source), what, "add texts, or ask for fewer")
        return self


def load_corpus(
    source: str,
    *,
    stimuli: str | Path,
    seed: int = 0,
    prompts: TaskPrompts | None = None,
    limit: int = LIMIT,
) -> Corpus:
    """The first ``limit`` samples of a source (see the module), stripped, without empty or repeated ones.

    ``seed`` is that of generated samples (``corpus:maths``). ``prompts`` gives those of a task: which items
    a study uses, only the study knows.
    """
    samples = tuple(islice(_different(_samples(source, Path(stimuli), seed, prompts)), limit))
    if not samples:
        raise UserError.at(plain(source), "no text in it")
    return Corpus(source, samples, digest(list(samples)))


def clean_prompts(items: TaskItems, wording: str | None = None) -> tuple[str, ...]:
    """The clean prompts of a task's items, for ``load_corpus``; without a wording, those of its first."""
    return tuple(
        item.clean_prompt for item in items.wordings[wording or next(iter(items.wordings))]
    )


def _different(samples: Iterable[str]) -> Iterator[str]:
    """Stripped, not empty, each once: samples of groups and individuals must not overlap."""
    seen = set()
    for sample in samples:
        text = sample.strip()
        if text and text not in seen:
            seen.add(text)
            yield text


def _samples(source: str, stimuli: Path, seed: int, prompts: TaskPrompts | None) -> Iterable[str]:
    kind, colon, rest = source.partition(":")
    if colon and kind in KINDS:
        if kind == "hf":
            return HubDataset.parse(rest).samples()
        if kind == "task":
            return _task(source, rest, prompts)
        return _shipped(source, rest, stimuli, seed)
    return _files(source)


def _shipped(source: str, name: str, stimuli: Path, seed: int) -> Iterable[str]:
    if name not in SHIPPED:
        raise UserError.at(plain(source), f"no corpus '{plain(name)}'", did_you_mean(name, SHIPPED))
    if name == "maths":
        return maths_samples(seed)
    if name == "code":
        return code_samples()
    return paragraph_samples(stimuli / FOLDER / f"{name}.txt")


def _task(source: str, name: str, prompts: TaskPrompts | None) -> Iterable[str]:
    if not re.fullmatch(r"[\w-]+/[\w.-]+", name):
        raise UserError.at(plain(source), "not the name of a task", "write task:DOMAIN/NAME")
    if prompts is None:
        raise UserError.at(plain(source), "a task's prompts are at hand in a study only")
    return prompts(name)


def _files(source: str) -> Iterable[str]:
    name, _, field = source.partition("#")
    whole = Path(source)  # a name may hold '#' itself
    path = whole if _exists(whole) else Path(name)
    if not name or not _exists(path):
        raise UserError.at(plain(source) or "''", "no such file, folder or corpus", _hint(source))
    if path.is_dir():
        reader = folder_samples(path)
    elif path.suffix.lower() == ".txt":
        reader = paragraph_samples(path)
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        return jsonl_samples(path, (field if path != whole else "") or "text")
    else:
        fix = "give a folder of .txt files, a .txt or a .jsonl file"
        raise UserError.at(plain(source), "not a kind of file that is read", fix)
    if path != whole:
        raise UserError.at(plain(source), "only .jsonl files and hf datasets have fields")
    return reader


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null byte
        return False


def _hint(source: str) -> str:
    """What may have been meant by something that is not there."""
    kind, colon, rest = source.partition(":")
    if colon and (match := closest(kind, KINDS)):
        return f"did you mean '{match}:{plain(rest)}'?"
    if match := closest(source, SHIPPED):
        return f"did you mean 'corpus:{match}'?"
    return f"allowed: corpus:{{{','.join(SHIPPED)}}}, hf:..., task:..., or a path"
