"""The two sets of texts that a localizer contrasts, from ``stimuli/`` or generated.

Where a folder holds the files of the original localizers, they win over ours; see ``stimuli/README.md``.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.files import digest, read_text
from brodmann.stimuli.demand import DEMANDS, demand_texts
from brodmann.stimuli.nonwords import NONWORDS, SENTENCES
from brodmann.stimuli.texts import plain
from brodmann.tasks.dice import Dice
from brodmann.tasks.yaml_source import read_yaml

NETWORKS = ("language", "theory_of_mind", "multiple_demand")
ANSWERS = ("true", "random")
OPTIONS = ("True", "False")

WORDS = 12
INSTRUCTION = (
    "Each of these stories is followed by a statement. "
    "Decide whether the statement is true or false."
)
BELIEF = "theory_of_mind/false_belief.yaml"
PHOTOGRAPH = "theory_of_mind/false_photograph.yaml"

_LARGEST = 10_000_000  # bytes; no stimulus file comes near
_RUN_NAME = re.compile(r"run(\d{1,3})_stim_set(\d{1,3})\.csv$", re.I)
_RUNS = 2  # of each set in the original
_WORD_COLUMNS = [f"stim{number}" for number in range(2, 2 + WORDS)]
_KIND_COLUMN = "stim14"
_STORY_NAME = re.compile(r"(\d{1,3})([bp])_(story|question|answer)\.txt", re.I)
_STORIES = 10  # of each kind in the original


@dataclass(frozen=True)
class Contrast:
    """The texts of a localizer, ready to be tokenized; the network responds more to the positive ones."""

    network: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    source: str  # for people: where the texts are from
    sha256: str  # of the texts alone, whatever their source


def load_contrast(
    network: str,
    folder: str | Path,
    *,
    seed: int,
    demand: str = "arithmetic",
    answers: str = "true",
) -> Contrast:
    """The texts for ``network``; raises UserError with everything that is wrong with them.

    ``folder`` is the folder of all stimuli, ``demand`` the contrast of the multiple-demand network. With
    ``answers`` random, those that follow the stories' questions are drawn, as in the published code.
    """
    network = network.replace("-", "_")
    problems = [
        Problem(where, f"no {where} '{plain(value)}'", did_you_mean(value, known))
        for where, value, known in (
            ("network", network, NETWORKS),
            ("demand", demand, DEMANDS),
            ("answers", answers, ANSWERS),
        )
        if value not in known
    ]
    if problems:
        raise UserError(*problems)
    reader = _Reader(Path(folder), seed)
    positive, negative, source = {
        "language": reader.language,
        "theory_of_mind": lambda: reader.theory_of_mind(answers),
        "multiple_demand": lambda: reader.multiple_demand(demand),
    }[network]()
    if reader.problems:
        raise UserError(*dict.fromkeys(reader.problems))
    return Contrast(
        network,
        tuple(positive),
        tuple(negative),
        source,
        digest({"positive": list(positive), "negative": list(negative)}),
    )


_Texts = tuple[list[str], list[str], str]


class _Reader:
    """Reads the files of a localizer, noting problems and going on with what is left."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.problems: list[Problem] = []

    # Problems and files

    def problem(self, where: Path | str, what: str, fix: str = "") -> None:
        self.problems.append(Problem(plain(where), what, fix))

    def text(self, path: Path) -> str | None:
        """The content of a file; None and a problem if there is none to be had."""
        try:
            if path.exists() and not path.is_file():
                self.problem(path, "is not a file")
            elif path.exists() and path.stat().st_size > _LARGEST:
                self.problem(path, f"is larger than {_LARGEST} bytes", "is it the right file?")
            else:
                return read_text(path, "utf-8-sig")
        except UserError as error:
            self.problems.extend(error.problems)
        return None

    def names(self, folder: Path) -> list[Path]:
        """What a folder holds, in order; nothing if it is not there."""
        try:
            return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.problem(folder, f"cannot be read: {error.strerror}")
            return []

    def balanced(
        self, where: Path | str, positive: tuple[str, int], negative: tuple[str, int]
    ) -> None:
        """A problem unless there are equally many texts of both kinds, and enough for a test.

        Where something else is wrong with them, their number tells nothing.
        """
        (name, count), (other, others) = positive, negative
        if self.problems:
            return
        if count != others:
            self.problem(where, f"{count} {name}, but {others} {other}", "give as many of both")
        elif count < 2:
            self.problem(where, f"{count} {name} and {other}", "give at least two of each")

    # Language

    def language(self) -> _Texts:
        folder = self.folder / "language"
        runs = [path for path in self.names(folder) if path.suffix.lower() == ".csv"]
        if runs:
            return self.language_runs(folder, runs)
        sentences, nonwords = (self.lines(self.folder / name) for name in (SENTENCES, NONWORDS))
        self.balanced(folder, ("sentences", len(sentences)), ("lists of non-words", len(nonwords)))
        return sentences, nonwords, f"files: {SENTENCES}, {NONWORDS}"

    def lines(self, path: Path) -> list[str]:
        """The lines of a file, twelve words each."""
        lines = []
        for number, line in enumerate((self.text(path) or "").splitlines(), 1):
            words = line.split()
            if len(words) != WORDS:
                self.problem(f"{path}:{number}", f"{len(words)} words, not {WORDS}")
            elif not all(map(str.isprintable, words)):
                self.problem(f"{path}:{number}", "control characters in the text", "remove them")
            lines.append(" ".join(words).lower())
        return lines

    def language_runs(self, folder: Path, runs: list[Path]) -> _Texts:
        self.check_runs(folder, runs)
        texts: dict[str, list[str]] = {"S": [], "N": []}
        for path in runs:
            self.read_run(path, texts)
        kinds = ("sentences (S)", len(texts["S"])), ("lists of non-words (N)", len(texts["N"]))
        self.balanced(folder, *kinds)
        return texts["S"], texts["N"], f"original files: language/, {len(runs)} runs"

    def check_runs(self, folder: Path, runs: list[Path]) -> None:
        """Where the names number runs and sets, each run is to be there in each set."""
        matches = [match for path in runs if (match := _RUN_NAME.search(path.name))]
        found = {(int(match[1]), int(match[2])) for match in matches}
        if not found:
            return
        highest, sets = (max(numbers) for numbers in zip(*found, strict=True))
        for run in range(1, max(_RUNS, highest) + 1):
            absent = [number for number in range(1, sets + 1) if (run, number) not in found]
            if absent:
                what = f"run {run} is missing in stim_set {', '.join(map(str, absent))}"
                self.problem(folder, what, "put its CSV file there")

    def read_run(self, path: Path, texts: dict[str, list[str]]) -> None:
        content = self.text(path)
        if content is None:
            return
        try:
            rows = list(csv.reader(io.StringIO(content, newline="")))
        except csv.Error as error:
            return self.problem(path, f"not a CSV file: {error}")
        header = [cell.strip() for cell in rows[0]] if rows else []
        columns = (*_WORD_COLUMNS, _KIND_COLUMN)
        if absent := [name for name in columns if name not in header]:
            fix = "the first row names the columns stim2 .. stim14"
            return self.problem(path, f"missing columns: {', '.join(absent)}", fix)
        if repeated := {name for name in columns if header.count(name) > 1}:
            listed = ", ".join(sorted(repeated))
            return self.problem(path, f"columns named twice: {listed}", "keep one")
        places = [header.index(name) for name in columns]
        count = 0
        for number, row in enumerate(rows[1:], 2):
            if not any(cell.strip() for cell in row):
                continue
            count += 1
            where = f"{path}: row {number}"
            *cells, kind = [row[place].strip() if place < len(row) else "" for place in places]
            if kind not in texts:
                self.problem(where, f"stim14 is '{plain(kind)}'", "S: sentence, N: non-words")
            empty = [name for name, cell in zip(_WORD_COLUMNS, cells, strict=True) if not cell]
            if empty:
                self.problem(where, f"no word in {', '.join(empty)}")
            if not all(cell.isprintable() for cell in cells):
                self.problem(where, "control characters in the text", "remove them")
            if kind in texts:
                texts[kind].append(" ".join(cells).lower())
        if not count:
            self.problem(path, "no rows")

    # Theory of mind

    def theory_of_mind(self, answers: str) -> _Texts:
        folder = self.folder / "theory_of_mind"
        found = {path.name.lower(): path for path in self.names(folder)}
        originals = {name: path for name, path in found.items() if _STORY_NAME.fullmatch(name)}
        if originals:
            belief, photograph, given = self.original_stories(folder, originals)
            source = "original files: theory_of_mind/*_story.txt, *_question.txt"
        else:
            belief, photograph = (self.stories(self.folder / name) for name in (BELIEF, PHOTOGRAPH))
            given, source = True, f"files: {BELIEF}, {PHOTOGRAPH}"
        self.balanced(folder, ("false-belief stories", len(belief)), ("others", len(photograph)))
        if answers == "random" or not given:
            source += f"; answers drawn with seed {self.seed}"
            dice = Dice("answers", self.seed)
            belief, photograph = (
                [(story, question, dice.choice(OPTIONS)) for story, question, _ in stories]
                for stories in (belief, photograph)
            )
        return (
            [_story_text(*fields) for fields in belief],
            [_story_text(*fields) for fields in photograph],
            source,
        )

    def stories(self, path: Path) -> list[tuple[str, str, str]]:
        """(story, question, answer) of a file of ours."""
        if self.text(path) is None:
            return []
        try:
            raw = read_yaml(path)
        except UserError as error:
            self.problems.extend(error.problems)
            return []
        entries = raw.get("stories") if isinstance(raw, dict) else None
        if not isinstance(entries, list) or not entries:
            self.problem(path, "no stories", "see stimuli/README.md for the format")
            return []
        for key in raw:
            if key != "stories":
                self.problem(path, f"unknown key '{plain(key)}'", "allowed: stories")
        return [self.story(entry, f"{path}: stories[{n}]") for n, entry in enumerate(entries)]

    def story(self, entry: Any, where: str) -> tuple[str, str, str]:
        keys = ("story", "question", "answer")
        if not isinstance(entry, dict):
            self.problem(where, "must be a mapping", f"with the keys {', '.join(keys)}")
            return "", "", ""
        for key in (key for key in entry if key not in keys):
            self.problem(where, f"unknown key '{plain(key)}'", did_you_mean(str(key), keys))
        texts = []
        for key in keys[:2]:
            value = entry.get(key)
            if not isinstance(value, str) or not value.strip():
                self.problem(f"{where}.{key}", "must be text" if value else "missing")
                value = ""
            texts.append(self.printable(value, f"{where}.{key}"))
        answer = entry.get("answer")
        if not isinstance(answer, bool):
            what = f"must be true or false, found {plain(repr(answer))}"
            self.problem(f"{where}.answer", what if "answer" in entry else "missing")
        return texts[0], texts[1], OPTIONS[0] if answer is True else OPTIONS[1]

    def printable(self, text: str, where: Path | str) -> str:
        """A text in one line."""
        text = " ".join(text.split())
        if not text.isprintable():
            self.problem(where, "control characters in the text", "remove them")
        return text

    def original_stories(
        self, folder: Path, files: dict[str, Path]
    ) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]], bool]:
        """False-belief and false-photograph stories, and whether right answers came with them."""
        matches = [match for name in files if (match := _STORY_NAME.fullmatch(name))]
        highest = max(_STORIES, *(int(match[1]) for match in matches))
        given = any(match[3] == "answer" for match in matches)
        kinds = ("story", "question", "answer") if given else ("story", "question")
        stories = {
            letter: [
                self.original_story(folder, files, f"{number}{letter}", kinds)
                for number in range(1, highest + 1)
            ]
            for letter in "bp"
        }
        if given:
            for letter, entries in stories.items():
                for number, (*_, answer) in enumerate(entries, 1):
                    if answer and answer.capitalize() not in OPTIONS:
                        name = f"{number}{letter}_answer.txt"
                        self.problem(folder / name, f"'{plain(answer)}' is neither True nor False")
        belief, photograph = (
            [(story, question, answer.capitalize()) for story, question, answer in stories[letter]]
            for letter in "bp"
        )
        return belief, photograph, given

    def original_story(
        self, folder: Path, files: dict[str, Path], name: str, kinds: tuple[str, ...]
    ) -> tuple[str, str, str]:
        """(story, question, answer), the answer being empty where no file has it."""
        texts = [self.original(folder, files, f"{name}_{kind}.txt") for kind in kinds]
        return texts[0], texts[1], "".join(texts[2:])

    def original(self, folder: Path, files: dict[str, Path], name: str) -> str:
        if name not in files:
            self.problem(folder / name, "the file does not exist", "each story needs its files")
            return ""
        text = self.text(files[name])
        if text is not None and not text.strip():
            self.problem(files[name], "is empty")
        return self.printable(text or "", files[name])

    # Multiple demand

    def multiple_demand(self, demand: str) -> _Texts:
        hard, easy = demand_texts(demand, self.seed)
        return list(hard), list(easy), f"generated: {demand}, seed {self.seed}"


def _story_text(story: str, question: str, answer: str) -> str:
    """The four fields; the options follow a question that does not name them itself."""
    if not all(re.search(rf"\b{option}\b", question, re.I) for option in OPTIONS):
        question = f"{question} {' or '.join(OPTIONS)}?"
    return f"{INSTRUCTION}\nStory: {story}\nQuestion: {question}\nAnswer: {answer}"
