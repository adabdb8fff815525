"""Lists of non-words, one per sentence: as long word by word, alike in their letters, never English.

``python -m brodmann.stimuli.nonwords --seed 0`` rewrites ``stimuli/language/nonwords.txt``. The k-th
non-word of a list has as many letters as the k-th word of its sentence. From three letters on, they come
from a Markov chain over the letters of our sentences' words, and hold only clusters of consonants and vowels
that stand at the same place in some of these words. Of several candidates, that one is taken which brings
the letter pairs of all lists closest to those of the sentences.

No list of English words is part of this repository. Where ``--words`` names some (Debian's
wamerican-insane and wbritish-insane made the committed file), whatever the generator would have taken and is
a word goes to ``rejected.txt``; with that file, it takes the same non-words on machines without such lists.
What readers of the lists objected to (slang, names, common words of other languages, words misspelt) is in
``avoided.txt``; it is replaced at the end, so that everything else stays as it is.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from brodmann.errors import UserError
from brodmann.files import read_text, write_text
from brodmann.tasks.dice import Dice

SENTENCES = "language/sentences.txt"
NONWORDS = "language/nonwords.txt"
REJECTED = "language/rejected.txt"
AVOIDED = "language/avoided.txt"

# One letter stands for "a", as little as that can. With two letters, nearly everything is an abbreviation
# or a symbol somewhere; these can be said, and are no words in small letters.
_SHORT = {1: "e u", 2: "eb ej ek ez hu iz ju ke ov ub ud uf ul uz ve vu ze zi"}
_REUSED = 3  # letters; longer non-words occur once in all lists
_REPETITION = 10  # what each earlier use of a short one costs, in the units of ``_Generator.cost``
_PART = 4  # letters; no word of the text as long or longer is part of one, nor starts one if one shorter
_CANDIDATES = 16
_TRIES = 20_000
# Nothing that a reader would take for a swear or slur, written out or clipped.
_OFFENSIVE = re.compile(
    r"anal|anus|arse|ass|bitch|bloody|bonk|boob|bugger|bum|butt|clit|cock|coon|crap|cum|cunt|"
    r"damn|dick|dike|dyke|fag|fart|fuc|fuk|gook|grope|hell|homo|jew|jiz|kike|kunt|lesb|muff|nazi|nig|"
    r"nip|piss|poo|porn|prick|puss|queer|rape|scrot|semen|sex|shag|shid|shit|slag|slut|spic|sperm|"
    r"suck|teat|tit|tranny|turd|twat|vag|wank|whor"
)
_START, _END = "^", "$"
_RUN = re.compile(r"[aeiou]+|(?<=.)y|y(?=[^aeiouy])|[^aeiouy]+|y")


def letter_pairs(word: str) -> Iterator[str]:
    """The neighbouring letters of a word, its start and its end being letters too."""
    marked = f"{_START}{word}{_END}"
    return (marked[place : place + 2] for place in range(len(marked) - 1))


def is_offensive(word: str) -> bool:
    """Whether something offensive can be read in it."""
    return _OFFENSIVE.search(word) is not None


class Vocabulary:
    """Words of English to keep away from; capitals, accents and possessives do not tell words apart.

    Only in two letters they do: else chemical symbols and abbreviations would leave nothing.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._words = set()
        for entry in entries:
            entry = entry.strip().removesuffix("'s")
            plain = unicodedata.normalize("NFKD", entry)
            word = "".join(letter for letter in plain if not unicodedata.combining(letter))
            if len(word) > 2 or word.islower():
                self._words.add(word.lower())

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Vocabulary:
        """The entries of word lists, one a line."""
        return cls(line for path in paths for line in _lines(path))

    def __contains__(self, word: str) -> bool:
        return len(word) > 1 and word in self._words


class LetterModel:
    """What the words of some text say about how letters follow each other."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = frozenset(words)
        followers: dict[str, Counter[str]] = {}
        self._ends = set()
        self._clusters = set()
        for word in sorted(self.words):  # each once: else the commonest ones shine through
            marked = _START * 2 + word
            for place in range(2, len(marked)):
                followers.setdefault(marked[place - 2 : place], Counter())[marked[place]] += 1
            self._ends.add(marked[-2:])
            self._clusters.update(_clusters(word))
        # As sequences: a draw needs a place in them, and the same one everywhere.
        self._followers = {
            context: "".join(letter * count for letter, count in sorted(counts.items()))
            for context, counts in followers.items()
        }

    def draw(self, dice: Dice, length: int) -> str | None:
        """A non-word of that length, or None where the letters led nowhere."""
        context, letters = _START * 2, []
        for _ in range(length):
            if context not in self._followers:
                return None
            letters.append(dice.choice(self._followers[context]))
            context = context[1] + letters[-1]
        word = "".join(letters)
        return word if context in self._ends and self.accepts(word) else None

    def accepts(self, word: str) -> bool:
        """Whether it can be said, is no word of the text, and means no offence."""
        return (
            word not in self.words
            and self._clusters.issuperset(_clusters(word))
            and not re.search(r"[aeiouy]{3}|[^aeiouy]{4}|(.)\1$|(..)\2", word)
            and not any(word[:end] in self.words for end in range(_PART - 1, len(word)))
            and not any(
                word[start:end] in self.words
                for start in range(1, len(word))
                for end in range(start + _PART, len(word) + 1)
            )
            and not is_offensive(word)
        )


def _clusters(word: str) -> set[str]:
    """Its runs of consonants and of vowels, each with where it stands: first, within, or last."""
    runs = _RUN.findall(word)
    if len(runs) == 1:
        return {f"{_START}{word}{_END}"}
    return {f"{_START}{runs[0]}", f"{runs[-1]}{_END}", *runs[1:-1]}


class _Generator:
    """Takes non-words one after the other, remembering what it has used and what it must not."""

    def __init__(self, sentences: Sequence[str], seed: int, rejected: Collection[str]) -> None:
        self.dice = Dice("nonwords", seed)
        self.model = LetterModel([word for sentence in sentences for word in sentence.split()])
        self.rejected = frozenset(rejected)
        self.words: Collection[str] = ()
        self.avoided: Collection[str] = ()
        self.hits: set[str] = set()
        self.used: Counter[str] = Counter()
        self.surplus: Counter[str] = Counter()  # letter pairs in the lists, less those in the words

    def like(self, sentence: str) -> list[str]:
        """The list for a sentence."""
        chosen: list[str] = []
        words = sentence.split()
        for word in words:
            self.surplus.subtract(letter_pairs(word))
        for word in words:
            chosen.append(self.take(len(word), chosen))
            self.surplus.update(letter_pairs(chosen[-1]))
            self.used[chosen[-1]] += 1
        return chosen

    def replace(self, avoided: Collection[str], chosen: list[str]) -> None:
        """Puts others in the place of those of a list that are to be avoided."""
        self.avoided = avoided
        for place, word in enumerate(chosen):
            if word in avoided:
                self.surplus.subtract(letter_pairs(word))
                chosen[place] = self.take(len(word), chosen)
                self.surplus.update(letter_pairs(chosen[place]))
                self.used[chosen[place]] += 1

    def take(self, length: int, chosen: Collection[str]) -> str:
        """The best candidate that is no word."""
        if length in _SHORT:
            known = _SHORT[length].split()
            fresh = [word for word in known if word not in chosen]
            return min(self.dice.shuffled(fresh or known), key=self.cost)
        candidates: list[str] = []
        for _ in range(_TRIES):
            word = self.model.draw(self.dice, length)
            if word is None or word in chosen or word in candidates:
                continue
            if length > _REUSED and word in self.used:
                continue
            candidates.append(word)
            if len(candidates) == _CANDIDATES:
                for word in sorted(candidates, key=self.cost):
                    if not self.is_word(word):
                        return word
                candidates = []
        raise UserError.at(SENTENCES, f"too few words to learn non-words of {length} letters from")

    def is_word(self, word: str) -> bool:
        """Whether a list says so, or said so when the committed file was made."""
        if word in self.words:
            self.hits.add(word)
        return word in self.hits or word in self.rejected or word in self.avoided

    def cost(self, word: str) -> int:
        """By how much it would raise the squared difference in letter pairs; repetition costs too."""
        return _REPETITION * self.used[word] + sum(
            count * (2 * self.surplus[pair] + count)
            for pair, count in Counter(letter_pairs(word)).items()
        )


def make_nonwords(
    sentences: Sequence[str],
    seed: int = 0,
    *,
    rejected: Collection[str] = (),
    avoided: Collection[str] = (),
    words: Collection[str] | None = None,
) -> tuple[list[str], list[str]]:
    """One list per sentence, and those rejected candidates that are ``words`` (without any: ``rejected``)."""
    generator = _Generator(sentences, seed, rejected if words is None else ())
    generator.words = words if words is not None else ()
    chosen = [generator.like(sentence) for sentence in sentences]
    for some in chosen:
        generator.replace(frozenset(avoided), some)
    lists = [" ".join(some) for some in chosen]
    return lists, sorted(rejected if words is None else generator.hits)


def _lines(path: Path) -> list[str]:
    return read_text(path).splitlines()


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the committed lists."""
    parser = argparse.ArgumentParser(prog="brodmann.stimuli.nonwords", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("stimuli"))
    parser.add_argument(
        "--words",
        type=Path,
        nargs="+",
        help="word lists to check against, instead of the words rejected before; see the README",
    )
    options = parser.parse_args(arguments)
    sentences = _lines(options.folder / SENTENCES)
    known, avoided = options.folder / REJECTED, options.folder / AVOIDED
    lists, rejected = make_nonwords(
        sentences,
        options.seed,
        rejected=_lines(known) if known.exists() else (),
        avoided=_lines(avoided) if avoided.exists() else (),
        words=Vocabulary.read(options.words) if options.words else None,
    )
    write_text(options.folder / NONWORDS, "".join(f"{line}\n" for line in lists))
    if options.words:
        write_text(known, "".join(f"{word}\n" for word in rejected))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None
