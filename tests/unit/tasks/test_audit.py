"""The audit finds planted flaws, and finds none beyond the limits in the shipped tasks."""

import random

import pytest

from brodmann.commands.audit import ALIGNMENT_LIMIT, problems
from brodmann.tasks.audit import (
    LIMITED,
    SHORTCUT_LIMIT,
    SURFACE_FORMATS,
    audit,
    bag_of_words,
    contents,
    shortcuts,
    surface_formats,
)
from brodmann.tasks.catalogue import domain_of, list_tasks, task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.domains import PUBLISHED as DOMAINS
from brodmann.tasks.expand import expand
from brodmann.tasks.items import Item, TaskItems
from brodmann.tasks.vocabularies import reference_vocabularies

# At least this share of a domain's items must have a surface format for it to count as one of its own.
FORMAT_SHARE = 0.02


def pair(clean, corrupted, correct, incorrect):
    return Item(clean, corrupted, " " + correct, " " + incorrect)


def words(text):
    return [sum(map(ord, word)) for word in text.split()]


# Planted flaws


def test_sound_items_pass():
    dice = random.Random(0)
    pairs = []
    for n in range(400):
        sides = [(f"thing {n} is up so it", "falls"), (f"thing {n} is down so it", "rises")]
        dice.shuffle(sides)
        (clean, correct), (corrupted, incorrect) = sides
        pairs.append(pair(clean, corrupted, correct, incorrect))
    found = audit(TaskItems("physical/t", {"completion": pairs}), "completion", {"words": words})
    assert found.failures == [] and set(LIMITED) <= set(found.shortcuts)
    assert found.alignment == {"words": 1.0}


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("favourite", lambda n: pair(f"a {n}", f"b {n}", "yes", "no")),
        ("longer", lambda n: pair(f"a {n}", f"b {n}", f"long{n:04}", f"l{n:04}")),
        ("longer", lambda n: pair(f"a {n}", f"b {n}", f"l{n:04}", f"long{n:04}")),  # the shorter
        ("more_frequent", lambda n: pair(f"a {n}", f"b {n}", f"a{n:04}", f"z{n:04}")),
        (
            "listed_first",  # and the published layout has it: the right option first, in both prompts
            lambda n: (
                pair(f"a {n}: up or down?", f"b {n}: down or up?", "up", "down")
                if n % 2
                else pair(f"a {n}: down or up?", f"b {n}: up or down?", "down", "up")
            ),
        ),
    ],
)
def test_planted_shortcuts_are_found(rule, make):
    items = TaskItems("physical/t", {"completion": [make(n) for n in range(200)]})
    found = audit(items, "completion", {"words": words}, classifier=False)
    assert any(line.startswith(f"{rule}:") for line in found.failures), found
    assert any(rule in line for line in problems("physical/t", {"completion": found}))


def test_mention_rules_follow_the_text():
    pairs = [pair("In the box, not the bag: the", "In the bag, not the box: the", "box", "bag")] * 4
    scores = shortcuts(pairs, None)
    assert scores["mentioned_first"].both_correct == 1
    assert scores["mentioned_last"].accuracy == scores["mentioned_last"].both_correct == 0
    # A word within a longer one is no mention.
    assert (
        shortcuts([pair("boxes and bags", "bags", "box", "bag")], None)["mentioned_first"].accuracy
        == 0.5
    )


def test_bag_of_words_sees_unseen_contents_only():
    """Each content word's side can be learned, but not for words that were never seen."""
    contents_only = [pair(f"up{n}", f"down{n}", "rises", "falls") for n in range(200)]
    assert bag_of_words(contents_only).both_correct < 0.1
    # A cue word beside the content gives it away whatever the content is.
    cued = [
        pair(f"quickly up{n}", f"slowly down{n}", "rises", "falls")
        if n % 2
        else pair(f"slowly up{n}", f"quickly down{n}", "falls", "rises")
        for n in range(200)
    ]
    fixed = [pair(f"quickly it {n}", f"slowly it {n}", "rises", "falls") for n in range(200)]
    assert bag_of_words(fixed).both_correct == 1
    assert bag_of_words(cued).accuracy <= 1


def test_misaligned_items_are_counted():
    pairs = [pair("one two", "one", "a", "b"), pair("one two", "one three", "a", "b")]
    found = audit(TaskItems("physical/t", {"completion": pairs}), "completion", {"words": words})
    assert found.alignment == {"words": 0.5}
    assert any("aligned" in line for line in problems("physical/t", {"completion": found}))


def test_names_and_numbers_make_no_contents():
    pairs = [
        pair("Amina has 3 apples and", "Amina has 4 apples and", "x", "y"),
        pair("Kenji has 7 apples and", "Kenji has 9 apples and", "x", "y"),
        pair("Kenji has 7 pears and", "Kenji has 9 pears and", "x", "y"),
    ]
    assert len(contents(pairs, ["Amina", "Kenji"])) == 2


def test_surface_formats():
    def only(*pairs):
        return {name for name, share in surface_formats(pairs).items() if share}

    assert only(pair("A leaf will", "A stone will", "float", "sink")) == {"sentence"}
    assert only(pair("Will a leaf sink?", "Will a stone sink?", "no", "yes")) == {"question"}
    assert "choice" in only(pair("Leaf: float or sink:", "Nail: float or sink:", "float", "sink"))
    assert "dialogue" in only(
        pair('"A leaf," she said, "will', '"A nail," she said, "will', "a", "b")
    )
    start = "Log: float.\nKey: sink.\n"
    worked = [pair(f"{start}Leaf{n}:", f"{start}Nail{n}:", "float", "sink") for n in range(9)]
    assert only(*worked) == {"examples"}
    # Stories of three sentences are no examples, as long as they differ.
    told = [pair(f"He has {n}. It is. So", f"He has {n}. It was. So", "a", "b") for n in range(9)]
    assert only(*told) == {"sentence"}
    assert set(SURFACE_FORMATS) >= only(pair("A leaf", "A nail", "a", "b"))


# The shipped tasks


@pytest.fixture(scope="module")
def vocabularies():
    found = reference_vocabularies()
    if len(found) < 2:
        pytest.skip("the packages of locks/tokenizers.txt are not installed (make setup-dev)")
    return found


# 1000 items of the formal tasks take a minute, and with fewer the limits are within chance.
CASES = [
    pytest.param(domain, marks=pytest.mark.slow if domain == "formal" else ()) for domain in DOMAINS
]


@pytest.mark.parametrize("domain", CASES)
def test_shipped_tasks_have_no_shortcuts_and_aligned_tokens(root, vocabularies, domain):
    found, formats = [], dict.fromkeys(SURFACE_FORMATS, 0.0)
    tasks = [task for task in list_tasks(root / "data") if domain_of(task) == domain]
    for task in tasks:
        items = expand(task, load_definition(task_path(root / "data", task)), seed=0, count=1000)
        for wording in items.wordings:
            result = audit(items, wording, vocabularies, classifier=False)
            found += problems(task, {wording: result})
            # 1000 items, or what the material gives; names and numbers make no contents.
            assert result.n_items >= 300 and max(result.n_contents, result.n_units) >= 100, task
            if wording == "completion":
                for name, share in result.formats.items():
                    formats[name] += share / len(tasks)
    assert found == [], f"limits: shortcuts {SHORTCUT_LIMIT}, alignment {ALIGNMENT_LIMIT}"
    own = [name for name, share in formats.items() if share >= FORMAT_SHARE]
    assert len(own) >= 3, f"{domain} has too few surface formats: {formats}"


def test_no_surface_format_belongs_to_one_domain(root):
    domains = {name: set() for name in SURFACE_FORMATS}
    for task in list_tasks(root / "data"):
        items = expand(task, load_definition(task_path(root / "data", task)), seed=0, count=60)
        for name, share in surface_formats(items.wordings["completion"]).items():
            if share:
                domains[name].add(domain_of(task))
    assert all(len(found) >= 2 for found in domains.values()), domains
