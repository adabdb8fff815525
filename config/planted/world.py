"""Four small worlds of made-up words, and sixteen tasks about them: written as task files and texts.

Every world has words of its own. They share the words that sentences are made with, two answers, and the four
forms of a task:

- blend: ``mix A with B`` gives a word that depends on both, as a sum modulo three does;
- order: ``two after A`` is the word that stands so many places further on a ring of seven;
- claim: ``the A is P`` is answered with ``yes`` or ``no``: each property is of half of the things;
- compare: ``of A and B the greater`` is the one that is higher in an order.

No answer is a sum of what its words say one by one, so that a model must combine them.
"""

from __future__ import annotations

from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import yaml

from brodmann.files import write_text

HERE = Path(__file__).resolve().parent
SEED = 0
# World -> its colour, and the consonants of its words.
WORLDS = {
    "north": ("#2471A3", "bdgmz"),
    "east": ("#E67E22", "fhksp"),
    "south": ("#C0392B", "lrtvj"),
    "west": ("#27AE60", "nqwxy"),
}
# The world whose lines the localizer contrasts with those of the others.
LOCALIZED = "north"
NUMBERS = ("one", "two", "three", "four")
SHARED = ("mix", "with", "after", "is", "yes", "no", "of", "and", "the", ".")
MORE, LESS = "greater", "lesser"
FORMS = ("blend", "order", "claim", "compare")
# How many words a world has for each part of a form.
PARTS = {"first": 6, "second": 6, "result": 3, "ring": 7, "thing": 8, "property": 4, "rank": 6}
# Sentences of a passage, and of a line of twelve words.
SENTENCES = 4
PASSAGES, LINES = 64, 60


def vocabulary() -> list[str]:
    """Every word there is, in a fixed order."""
    own = [word for world in WORLDS for part in words(world).values() for word in part]
    return [*SHARED, *NUMBERS, MORE, LESS, *own]


def owners(neurons: int) -> list[int]:
    """The number of the world that owns each neuron of a layer: neighbours, as many for each."""
    return [number * len(WORLDS) // neurons for number in range(neurons)]


def words(world: str) -> dict[str, list[str]]:
    """Part -> the words that a world has for it: two syllables each, drawn without replacement."""
    dice = np.random.default_rng([SEED, *map(ord, world)])
    syllables = [c + v for c, v in product(WORLDS[world][1], "aeiou")]
    pairs = [a + b for a, b in permutations(syllables, 2)]
    drawn = iter(dice.permutation(pairs).tolist())
    return {part: [next(drawn) for _ in range(number)] for part, number in PARTS.items()}


def rows(world: str, form: str) -> tuple[list[str], list[list[str]], str, list[str]]:
    """(names of columns, rows, text with slots, the two columns that change places) of a task.

    The last two columns are the answers. Each row makes one minimal pair.
    """
    own = words(world)
    dice = np.random.default_rng([SEED, FORMS.index(form), *map(ord, world)])
    if form == "blend":
        left, right = (dice.permutation(np.arange(6) % 3) for _ in range(2))
        made = [
            [own["first"][a], own["second"][b], own["second"][c]]
            + [own["result"][(left[a] + right[one]) % 3] for one in (b, c)]
            for a in range(6)
            for b, c in combinations(range(6), 2)
            if right[b] != right[c]
        ]
        return ["left", "b", "c", "x", "y"], made, "mix {row.left} with {it}", ["b", "c"]
    if form == "order":
        ring = own["ring"]
        made = [
            [word, NUMBERS[m], NUMBERS[n], ring[(place + m + 1) % 7], ring[(place + n + 1) % 7]]
            for place, word in enumerate(ring)
            for m, n in combinations(range(4), 2)
        ]
        return ["word", "m", "n", "x", "y"], made, "{it} after {row.word}", ["m", "n"]
    if form == "claim":
        made = []
        for word in own["property"]:
            things = dice.permutation(own["thing"]).tolist()
            made += [[word, a, b, "yes", "no"] for a, b in product(things[:4], things[4:])]
        return ["property", "a", "b", "x", "y"], made, "the {it} is {row.property}", ["a", "b"]
    made = [
        [own["rank"][a], own["rank"][b], MORE, LESS, own["rank"][max(a, b)], own["rank"][min(a, b)]]
        for a, b in permutations(range(6), 2)
    ]
    return ["a", "b", "m", "l", "x", "y"], made, "of {row.a} and {row.b} the {it}", ["m", "l"]


DESCRIPTIONS = {
    "blend": ("What two things give when they are mixed.", "Adding two remainders of three"),
    "order": ("Which word stands so many places further on.", "Counting on a ring of seven"),
    "claim": ("Whether a thing has a property.", "Knowing a table of truths"),
    "compare": ("The higher or the lower of two.", "Knowing an order of six"),
}


def task_file(world: str, form: str) -> str:
    """The task's definition, as docs/tasks/format.md says."""
    names, made, text, pair = rows(world, form)
    description, measures = DESCRIPTIONS[form]
    head = {
        "title": f"{form} ({world})",
        "description": description,
        "measures": f"{measures}, in words of one world only.",
        "contrast": {"it": [f"{{row.{name}}}" for name in pair]},
        "answers": ["{row.x}", "{row.y}"],
        "units": ["row"],
        "frames": [{"text": text}],
    }
    listed = "".join(f"      - [{', '.join(map(_quoted, row))}]\n" for row in made)
    table = f"lexicon:\n  row:\n    forms: [{', '.join(names)}]\n    entries:\n{listed}"
    return yaml.safe_dump(head, sort_keys=False, width=100) + table


def _quoted(word: str) -> str:
    """YAML reads some words as something else than text."""
    return f'"{word}"'


def sentences(world: str) -> list[str]:
    """Every sentence that is true of a world, once, in order."""
    found: dict[str, None] = {}
    for form in FORMS:
        names, made, text, pair = rows(world, form)
        for row in made:
            value = dict(zip(names, row, strict=True))
            for side, answer in zip(pair, ("x", "y"), strict=True):
                shown = text.replace("{it}", value[side])
                for name in names:
                    shown = shown.replace(f"{{row.{name}}}", value[name])
                found[f"{shown} {value[answer]} ."] = None
    return list(found)


def passage(world: str, dice: np.random.Generator) -> str:
    """Sentences of one world, in a row."""
    return " ".join(dice.choice(sentences(world), SENTENCES, replace=False))


def line(world: str, dice: np.random.Generator) -> str:
    """Two sentences of six words, as many as a line of the localizer has."""
    of_six = [one for one in sentences(world) if len(one.split()) == 6]
    return " ".join(dice.choice(of_six, 2, replace=False))


def write_texts(folder: Path) -> None:
    """Passages of all worlds in turn, as samples of networks and to measure perplexity; lines of one world
    and of the others, for the localizer; and an example with a sentence of each world."""
    dice = np.random.default_rng(SEED)
    names = list(WORLDS)
    for name, count in (("passages", 4 * PASSAGES), ("held", 4 * 4)):
        found = [passage(names[n % 4], dice) for n in range(count)]
        write_text(folder / f"{name}.txt", "\n\n".join(found) + "\n")
    lines = {
        "sentences": [line(LOCALIZED, dice) for _ in range(LINES)],
        "nonwords": [line(names[1 + n % 3], dice) for n in range(LINES)],
    }
    for name, found in lines.items():
        write_text(folder / "stimuli" / "language" / f"{name}.txt", "\n".join(found) + "\n")
    example = " ".join(str(dice.choice(sentences(world))) for world in WORLDS)
    write_text(folder / "example.txt", example + "\n")


def write(folder: Path = HERE) -> None:
    """Write ``tasks/`` and ``texts/``."""
    write_texts(folder / "texts")
    for world, (colour, _) in WORLDS.items():
        own = folder / "tasks" / world
        said = {"name": world, "colour": colour, "text": f"The made-up world in the {world}."}
        write_text(own / "domain.yaml", yaml.safe_dump(said, sort_keys=False))
        for form in FORMS:
            write_text(own / f"{form}.yaml", task_file(world, form))


if __name__ == "__main__":
    write()
