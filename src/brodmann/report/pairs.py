"""Two minimal pairs of every task, with what the models answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brodmann.files import read_json
from brodmann.report.page import Cell, Group, Marked, Table
from brodmann.report.sources import Sources
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.domains import label
from brodmann.tasks.items import Item, begin_alike, read_items

PAIRS = 2
_KEPT = 160  # characters on each side of what differs


def minimal_pairs(sources: Sources) -> Group:
    """A table per domain; a column per model. The first pairs, right or wrong: none is chosen."""
    study = sources.study
    tables: dict[str, list[list[Cell]]] = {}
    for task in study.tasks.selected if study.run_models else ():
        items = read_items(sources.results / "items" / f"{task}.json")
        records = {
            name: read_json(sources.results / name / "baseline" / f"{task}.json")
            for name in study.run_models
        }
        # Models may be asked in other words.
        asked = [items.wordings[own["metadata"]["prompts"]["wording"]] for own in records.values()]
        for number in range(min(PAIRS, len(items))):
            pairs = zip(records.values(), asked, strict=True)
            answers = [_answers(own, number, texts[number]) for own, texts in pairs]
            shown = sources.task(task) if number == 0 else ""
            row = [shown, *_prompts(asked[0][number]), *answers]
            tables.setdefault(domain_of(task), []).append(row)
    heads = ("task", "minimal pair", "answers", *map(sources.called, study.run_models))
    shown = frozenset(range(len(heads)))
    made = [Table(f"{label(domain)}.", heads, rows, shown) for domain, rows in tables.items()]
    lead = sources.say("overview.pairs") if made else []
    return Group("Two minimal pairs of every task, with the models' answers", lead, tables=made)


def _prompts(item: Item) -> tuple[Cell, Cell]:
    """Both prompts as one text, what differs marked; and both answers."""
    before, clean, corrupted, after = differing(item.clean_prompt, item.corrupted_prompt)
    if len(before) > _KEPT:
        before = f"\u2026{before[-_KEPT:]}"
    if len(after) > 2 * _KEPT:
        after = f"{after[:_KEPT]} \u2026 {after[-_KEPT:]}"
    parts = ((before, False), (clean, True), (" | ", False), (corrupted, True), (after, False))
    answers = [item.correct.strip(), *([] if item.incorrect is None else [item.incorrect.strip()])]
    return Marked(parts), " | ".join(answers)


def differing(one: str, other: str) -> tuple[str, str, str, str]:
    """(what both begin with, the middle of the one, of the other, what both end with); words stay whole."""
    first, second = _words(one), _words(other)
    start = begin_alike([first, second])
    shortest = min(len(first), len(second)) - start
    end = min(begin_alike([first[::-1], second[::-1]]), shortest)
    middles = ("".join(words[start : len(words) - end]) for words in (first, second))
    return "".join(first[:start]), *middles, "".join(first[len(first) - end :])


def _words(text: str) -> list[str]:
    """Words and the spaces between them; together, the text."""
    found, word = [], ""
    for character in text:
        if word and (character.isspace() != word[-1].isspace()):
            found.append(word)
            word = ""
        word += character
    return [*found, *([word] if word else [])]


def _answers(record: Mapping[str, Any], number: int, item: Item) -> str:
    """What a model prefers on the clean and on the corrupted prompt, and by how much."""
    row = next((one for one in record["items"] if one["id"] == number), None)
    if row is None:
        return "not asked: its prompts differ in length"
    if item.incorrect is None:
        margin = row["clean_joint"] - row["corrupted_joint"]
        which = "the first text" if margin > 0 else "the second text"
        return f"{_mark(margin)} {which} (by {abs(margin):.1f})"
    margins = (
        row["clean_correct"] - row["clean_incorrect"],
        row["corrupted_incorrect"] - row["corrupted_correct"],
    )
    pair = item.correct.strip(), item.incorrect.strip()
    return " | ".join(
        f"{_mark(margin)} {own if margin > 0 else other} (by {abs(margin):.1f})"
        for margin, own, other in zip(margins, pair, pair[::-1], strict=True)
    )


def _mark(margin: float) -> str:
    return "\u2713" if margin > 0 else "\u2717"
