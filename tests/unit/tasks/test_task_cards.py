"""The task cards under docs/tasks: one for each shipped task, with a real item as example."""

import re
from pathlib import Path

import pytest

from brodmann.tasks.catalogue import list_tasks, task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.domains import PUBLISHED as DOMAINS
from brodmann.tasks.expand import expand

ROOT = Path(__file__).parents[3]
KEYS = ["clean", "corrupted", "right after clean", "right after corrupted"]
# Units are stated roughly; this share of change is still "about" as many.
TOLERANCE = 0.1
LINE_LENGTH = 118

TASKS = list_tasks(ROOT / "data")


def page(domain):
    return (ROOT / "docs" / "tasks" / f"{domain}.md").read_text(encoding="utf-8")


def cards(domain):
    """(name, text) of each card of a page, in its order."""
    parts = re.split(r"^## +(.*)\n", page(domain), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def examples(card):
    """The fenced blocks of a card, as they stand, with continued lines joined."""
    for block in re.findall(r"^```text\n(.*?)^```$", card, flags=re.MULTILINE | re.DOTALL):
        lines = re.sub(r"\n +", " ", block).splitlines()
        yield dict(line.split(": ", 1) for line in lines)


def is_prompt(shown, prompt):
    """Whether a shown text is the prompt, or its end if it begins with [...]."""
    text = shown.replace("\\n", "\n")
    if text.startswith("[...]"):
        return prompt.endswith(text.removeprefix("[...]").lstrip())
    return prompt == text


def shows(example, item):
    """Whether an example is this item, or the item with its sides exchanged."""
    prompts = (item.clean_prompt, item.corrupted_prompt)
    answers = (item.correct.strip(), item.incorrect.strip())
    shown = example["clean"], example["corrupted"]
    stated = (example["right after clean"], example["right after corrupted"])
    return any(
        stated == answers[::step] and all(map(is_prompt, shown, prompts[::step]))
        for step in (1, -1)
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_task_has_one_card_on_its_domains_page(domain):
    names = [name for name, _ in cards(domain)]
    assert sorted(names) == [task.split("/")[1] for task in TASKS if task.startswith(f"{domain}/")]


@pytest.mark.parametrize("domain", DOMAINS)
def test_lines_are_short(domain):
    long = [line for line in page(domain).splitlines() if len(line) > LINE_LENGTH]
    assert long == []


@pytest.mark.parametrize("task", TASKS)
def test_a_card_is_about_the_items(task):
    domain, name = task.split("/")
    card = dict(cards(domain))[name]
    found = list(examples(card))
    assert len(found) >= 1 and all(list(example) == KEYS for example in found)

    definition = load_definition(task_path(ROOT / "data", task))
    stated = re.findall(r"about (\d+) units", card.replace("\n", " "))
    # Asking for more items never changes the first ones: most tasks need few.
    for count in (1000,) if stated else (100, 1000):
        items = expand(task, definition, seed=0, count=count)
        pairs = items.wordings["completion"]
        gone = [one for one in found if not any(shows(one, item) for item in pairs)]
        if not gone:
            break
    assert gone == [], (
        f"docs/tasks/{domain}.md: no item of {name} any more; take another one, such as {pairs[0]}"
    )
    units = len(set(items.groups))
    for number in stated:
        assert int(number) == pytest.approx(units, rel=TOLERANCE), f"{name} has {units} units"
