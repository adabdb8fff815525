"""What could be wrong with a task's items without any model knowing: an audit.

*Shortcuts* are rules that answer without doing the task: from the answers alone (a favourite one, the
longer, the more frequent) or from where the prompt mentions them. A rule's accuracy is that on the clean
prompts, one half where it cannot decide; both-correct is the share of items that it gets right in both
directions. *Alignment* is the share of items whose two prompts have equally many tokens. *Contents*
are the distinct pairs that are left when names, numbers and function words are masked.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from brodmann.tasks.items import Item, TaskItems
from brodmann.tasks.vocabularies import Encode

# A task fails its audit when one of these rules does better.
SHORTCUT_LIMIT = 0.55
# Rules that no task may fall to; the others are reported.
LIMITED = ("favourite", "longer", "more_frequent", "listed_first")

SURFACE_FORMATS = ("sentence", "question", "choice", "examples", "dialogue")

# Chooses 0 (the first answer), 1 (the second) or None (cannot decide) from a prompt and two answers.
Rule = Callable[[str, str, str], int | None]

_WORD = re.compile(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]")
_FUNCTION_WORD_LIST = (
    "a an and any are as at be been being but by can could did do does for from had has have he her "
    "here hers him his how i if in into is it its me my no nor not of off on or our out over she so "
    "some than that the their them then there these they this those to too under up was we were what "
    "when where which who whom whose why will with would you your "
)
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())


@dataclass(frozen=True)
class Score:
    """A rule's share of right choices, and of items right in both directions."""

    accuracy: float
    both_correct: float


@dataclass(frozen=True)
class Audit:
    """One wording of one task."""

    n_items: int
    n_units: int  # independent units (``TaskItems.groups``)
    n_contents: int  # distinct pairs, names, numbers and function words masked
    alignment: dict[str, float] = field(default_factory=dict)  # tokenizer -> share of the items
    shortcuts: dict[str, Score] = field(default_factory=dict)
    formats: dict[str, float] = field(default_factory=dict)  # surface format -> share of the items
    fixed_contrast: bool = False  # the same few words make the contrast everywhere

    @property
    def failures(self) -> list[str]:
        """The limited rules that do better than they may."""
        # The opposite of a rule (the shorter, the rarer) is a rule, too; a learned favourite has none.
        return [
            f"{name}: accuracy {score.accuracy:.2f}, both correct {score.both_correct:.2f}"
            for name, score in self.shortcuts.items()
            if name in LIMITED
            and max(
                score.accuracy,
                score.both_correct,
                1 - score.accuracy if name != "favourite" else 0,
            )
            > SHORTCUT_LIMIT
        ]


def audit(
    items: TaskItems,
    wording: str,
    vocabularies: Mapping[str, Encode],
    *,
    names: Iterable[str] = (),
    classifier: bool = True,
) -> Audit:
    """Audit one wording. ``names`` are masked with numbers and function words.

    ``classifier`` asks for the bag-of-words classifier, too, which takes seconds. The first of
    ``vocabularies`` says how frequent an answer is: earlier tokens are more frequent ones.
    """
    pairs = items.wordings[wording]
    groups = items.groups or [str(number) for number in range(len(pairs))]
    scores = shortcuts(pairs, next(iter(vocabularies.values()), None))
    if classifier and scores:
        scores["bag_of_words"] = bag_of_words(pairs)
    return Audit(
        n_items=len(pairs),
        n_units=len(set(groups)),
        n_contents=len(contents(pairs, names)),
        alignment={name: _aligned(pairs, encode) for name, encode in vocabularies.items()},
        shortcuts=scores,
        formats=surface_formats(pairs),
        fixed_contrast=fixed_contrast(pairs),
    )


def _aligned(pairs: Sequence[Item], encode: Encode) -> float:
    lengths = [
        (len(encode(item.clean_prompt)), len(encode(item.corrupted_prompt))) for item in pairs
    ]
    return sum(clean == corrupted for clean, corrupted in lengths) / len(lengths)


def contents(pairs: Sequence[Item], names: Iterable[str] = ()) -> set[frozenset[str]]:
    """The distinct pairs of masked problems."""
    hidden = _FUNCTION_WORDS | {name.lower() for name in names}

    def mask(text: str) -> str:
        words = _WORD.findall(text)
        return " ".join(
            "#" if word.isdigit() else "_" if word.lower() in hidden else word.lower()
            for word in words
        )

    return {frozenset((mask(item.clean_prompt), mask(item.corrupted_prompt))) for item in pairs}


# Shortcuts


def shortcuts(pairs: Sequence[Item], encode: Encode | None) -> dict[str, Score]:
    """Every rule's score on dual-answer items."""
    dual = [item for item in pairs if item.incorrect is not None]
    if not dual:
        return {}
    rules: dict[str, Rule] = {
        "longer": lambda _, one, two: _larger(len(one), len(two)),
        "listed_first": _listed_first,
        "mentioned_first": lambda prompt, one, two: _mentioned(prompt, one, two, last=False),
        "mentioned_last": lambda prompt, one, two: _mentioned(prompt, one, two, last=True),
    }
    if encode is not None:
        # Vocabularies are ordered by merges: few tokens, early ones, are frequent words.
        rank = {
            answer: (len(ids := encode(answer)), ids[0])
            for item in dual
            for answer in (item.correct, item.incorrect)
        }
        rules["more_frequent"] = lambda _, one, two: _larger(rank[two], rank[one])
    scores = {"favourite": _favourite(dual)}
    scores |= {name: _score(dual, rule) for name, rule in rules.items()}
    return scores


def _larger(one, two) -> int | None:
    return None if one == two else int(two > one)


def _place(prompt: str, answer: str, *, last: bool) -> int:
    """Where ``prompt`` mentions ``answer`` as a whole word or phrase; -1 if it does not."""
    pattern = rf"(?<!\w){re.escape(answer.strip())}(?!\w)"
    places = [match.start() for match in re.finditer(pattern, prompt)]
    return -1 if not places else places[-1] if last else places[0]


def _listed_first(prompt: str, one: str, two: str) -> int | None:
    """The answer that comes first, where the prompt names both."""
    places = _place(prompt, one, last=True), _place(prompt, two, last=True)
    return None if min(places) < 0 else _larger(places[1], places[0])


def _mentioned(prompt: str, one: str, two: str, *, last: bool) -> int | None:
    """The answer mentioned first (last), or the only one mentioned."""
    places = [_place(prompt, answer, last=last) for answer in (one, two)]
    if max(places) < 0:
        return None
    if min(places) < 0:
        return int(places[1] >= 0)
    return int(places[1] > places[0]) if last else int(places[1] < places[0])


def _score(pairs: Sequence[Item], rule: Rule) -> Score:
    right, both = 0.0, 0
    for item in pairs:
        # In sorted order, so that a rule cannot know which of the two is right after the clean prompt.
        answers = sorted((item.correct, item.incorrect))
        clean = answers.index(item.correct)
        chosen = rule(item.clean_prompt, *answers), rule(item.corrupted_prompt, *answers)
        hits = [
            0.5 if choice is None else float(choice == wanted)
            for choice, wanted in zip(chosen, (clean, 1 - clean), strict=True)
        ]
        right += hits[0]
        both += hits == [1.0, 1.0]
    return Score(right / len(pairs), both / len(pairs))


def _favourite(pairs: Sequence[Item]) -> Score:
    """Always the answer that is right more often after clean prompts, learned on the other items.

    Both directions never: it gives one answer to both prompts of a pair.
    """
    hits = 0.0
    for part in (0, 1):
        wins: Counter[str] = Counter()
        for item in pairs[part::2]:
            wins[item.correct] += 1
            wins[item.incorrect] -= 1
        for item in pairs[1 - part :: 2]:
            difference = wins[item.correct] - wins[item.incorrect]
            hits += 0.5 if difference == 0 else float(difference > 0)
    return Score(hits / len(pairs), 0.0)


def bag_of_words(pairs: Sequence[Item], splits: int = 5) -> Score:
    """A linear classifier on the words of the prompt, tested on contents that it has not seen.

    The words that differ between the prompts of a pair are its content. Each split deals all of them into
    two halves, learns from the items of the one and is tested on those of the other. Where a task has too
    few such words to be dealt out (this, these), their meaning can be learned: it is then tested on
    items that it has not seen, and does well by right (``fixed_contrast``).
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    differing = [_differing(item) for item in pairs]
    fixed = fixed_contrast(pairs)
    words = sorted(set().union(*differing))
    texts = [text for item in pairs for text in (item.clean_prompt, item.corrupted_prompt)]
    features = CountVectorizer(token_pattern=r"\w+|[^\w\s]", binary=True).fit_transform(texts)
    labels = [
        int(answer == min(item.correct, item.incorrect))
        for item in pairs
        for answer in (item.correct, item.incorrect)
    ]
    dice = random.Random(0)
    hits: list[tuple[bool, bool]] = []
    for _ in range(splits):
        dealt = set(dice.sample(words, len(words) // 2))
        halves = (
            [dice.random() < 0.5 for _ in pairs]
            if fixed
            else [own <= dealt if own <= dealt or not own & dealt else None for own in differing]
        )
        learn, test = (
            [n for n, half in enumerate(halves) if half is side] for side in (True, False)
        )
        rows = [2 * n + side for n in learn for side in (0, 1)]
        if not test or len({labels[row] for row in rows}) < 2:
            continue
        model = LogisticRegression(max_iter=200).fit(features[rows], [labels[row] for row in rows])
        for n in test:
            chosen = model.predict(features[[2 * n, 2 * n + 1]])
            hits.append((chosen[0] == labels[2 * n], chosen[1] == labels[2 * n + 1]))
    if not hits:
        return Score(0.5, 0.0)
    return Score(sum(first for first, _ in hits) / len(hits), sum(map(all, hits)) / len(hits))


def fixed_contrast(pairs: Sequence[Item]) -> bool:
    """Whether the same few words make the contrast of all items."""
    return len(set().union(*map(_differing, pairs))) < 12


def _differing(item: Item) -> set[str]:
    """The words of one prompt that the other lacks."""
    clean, corrupted = (
        set(_WORD.findall(text.lower())) for text in (item.clean_prompt, item.corrupted_prompt)
    )
    return clean ^ corrupted


# Surface


def surface_formats(pairs: Sequence[Item]) -> dict[str, float]:
    """The share of the items in each surface format; an item may have several.

    examples: worked cases come first, the same ones in many items; choice: both options are listed;
    question: the problem asks one; dialogue: it quotes someone; sentence: it has none of these.
    """
    openings = Counter(_opening(item.clean_prompt) for item in pairs)
    common = {text for text, count in openings.items() if text and count >= len(pairs) * 0.02 + 1}
    found: Counter[str] = Counter()
    for item in pairs:
        opening = _opening(item.clean_prompt)
        worked = opening in common
        problem = (
            _last_case(item.clean_prompt, item.corrupted_prompt) if worked else item.clean_prompt
        )
        marks = {
            "examples": worked,
            "choice": item.incorrect is not None
            and min(_place(problem, a, last=True) for a in (item.correct, item.incorrect)) >= 0,
            "question": "?" in problem,
            "dialogue": bool(re.search(r"[\"“”]|^[A-Z]\w+: ", problem, re.MULTILINE))
            and not re.search(r"^(Question|Answer): |\w\(", problem),
        }
        marks["sentence"] = not any(marks.values())
        found.update(name for name, there in marks.items() if there)
    return {name: found[name] / len(pairs) for name in SURFACE_FORMATS}


def _opening(prompt: str) -> str:
    """The first two sentences or lines; nothing if there are not as many before the last."""
    ends = [match.end() for match in re.finditer(r"[.!?][\s\"]+|\n+", prompt)]
    return prompt[: ends[1]] if len(ends) >= 2 else ""


def _last_case(clean: str, corrupted: str) -> str:
    """What of the clean prompt comes after the worked cases: its last paragraph, line or sentence that
    holds all the difference."""
    shared = 0
    while shared < min(len(clean), len(corrupted)) and clean[shared] == corrupted[shared]:
        shared += 1
    for end in (r"\n\n", r"\n", r"[.!?]\s"):
        ends = [match.end() for match in re.finditer(end, clean[:shared])]
        if ends:
            return clean[ends[-1] :]
    return clean
