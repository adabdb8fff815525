"""From a task definition to items: every choice drawn, every prompt composed.

The items for a seed are one fixed endless list, of which ``count`` takes the beginning: asking for more
never changes those that were there. Balance holds for every beginning of even length: half of the items
have their clean and corrupted roles exchanged, so neither answer is always right, and where a prompt lists
both options the right one stands first in half of them. Beginnings whose length is a multiple of four are
balanced in both jointly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from brodmann.errors import Problem, UserError
from brodmann.tasks.definition import OPTION_SLOTS, Entry, Frame, PromptParts, TaskDefinition
from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import Content
from brodmann.tasks.items import WORDINGS, Item, TaskItems
from brodmann.tasks.template import Reference, Template

# An endless generator has nothing new to give when this many draws in a row were known already.
_PATIENCE = 2000

# A wording and its two (problem, answer) sides, in no order.
_Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class _Draw:
    """One content: a frame, a lexicon entry for each of its slots, and what a generator made."""

    definition: TaskDefinition
    frame: Frame
    entries: dict[str, Entry]
    content: Content | None = None

    def problem(self, wording: str, side: int, options: tuple[str, ...] = OPTION_SLOTS) -> str:
        """The problem text of one side (0 clean, 1 corrupted), listing ``options`` in this order."""
        return self._render(self.frame.texts[wording][side], side, options)

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers: right on side 0, right on side 1 (or the only one)."""
        if self.content is not None:
            return self.content.answers
        return tuple(self._render(answer, 0, OPTION_SLOTS) for answer in self.frame.answers)

    @property
    def unit(self) -> str:
        """The independent unit that the item belongs to."""
        if self.content is not None:
            return self.content.unit
        if not self.frame.unit_slots:
            return self.frame.unit
        return " ".join(f"{slot}={_label(self.entries[slot])}" for slot in self.frame.unit_slots)

    @property
    def possible(self) -> bool:
        """Whether the draw meets the constraints and makes a minimal pair."""
        if not all(self._holds(*constraint) for constraint in self.definition.constraints):
            return False
        answers = [answer.split() for answer in self.answers]
        if len(answers) == 2 and answers[0] == answers[1]:
            return False
        return all(
            self.problem(wording, 0) != self.problem(wording, 1) and not self._solved(wording)
            for wording in WORDINGS
        )

    def _solved(self, wording: str) -> bool:
        """Whether one of the problems is among the worked examples of the prompt."""
        prefix = self.definition.prompt[wording].prefix
        return bool(prefix) and any(
            f"\n{self.problem(wording, side).strip()}" in f"\n{prefix}" for side in (0, 1)
        )

    def keys(self) -> list[_Key]:
        """What makes the item the same as another one, or as its mirror: one key per wording."""
        first, last = self.answers[0], self.answers[-1]
        return [
            (
                wording,
                frozenset({(self.problem(wording, 0), first), (self.problem(wording, 1), last)}),
            )
            for wording in WORDINGS
        ]

    def item(self, wording: str, exchanged: bool, right_first: bool) -> Item:
        """Compose the item; ``exchanged`` swaps the roles of the two sides and of the answers."""
        parts = self.definition.prompt[wording]
        answers = self.answers
        clean, corrupted = (1, 0) if exchanged else (0, 1)
        if len(answers) == 1:
            options = (answers[0], answers[0])
        else:
            # The clean prompt decides which option counts as the right one; both prompts then list
            # the same order.
            options = tuple(answers) if exchanged != right_first else (answers[1], answers[0])
        correct, *incorrect = (
            parts.answer_prefix + answers[side] for side in (clean, corrupted)[: len(answers)]
        )
        return Item(
            clean_prompt=_compose(parts, self.problem(wording, clean, options), options),
            corrupted_prompt=_compose(parts, self.problem(wording, corrupted, options), options),
            correct=correct,
            incorrect=incorrect[0] if incorrect else None,
        )

    def _render(self, template: Template, side: int, options: tuple[str, ...]) -> str:
        def value_of(reference: Reference) -> str:
            name = reference.slot
            if name in self.frame.contrast:
                return self.frame.contrast[name][side].render(value_of)
            if name in self.entries:
                value = self.entries[name][reference.form]
                return value.render(value_of) if isinstance(value, Template) else str(value)
            if name in OPTION_SLOTS:
                return options[OPTION_SLOTS.index(name)]
            assert self.content is not None  # the definition was checked
            return (self.content.clean, self.content.corrupted)[side][name]

        return template.render(value_of)

    def _holds(self, kind: str, left: Reference, right: Reference) -> bool:
        if left.slot not in self.entries or right.slot not in self.entries:
            return True  # this frame does not draw both
        values = []
        for reference in (left, right):
            entry = self.entries[reference.slot]
            if not reference.form and reference.form not in entry:
                values.append(_label(entry))  # the entry as a whole
                continue
            value = entry[reference.form]
            values.append(value.text if isinstance(value, Template) else value)
        if kind == "less":
            return values[0] < values[1]
        return (values[0] == values[1]) == (kind == "same")


def expand(
    task: str, definition: TaskDefinition, *, seed: int, count: int | None = None
) -> TaskItems:
    """The first ``count`` items of ``task`` (``domain/name``) for ``seed``; None: as many as it says.

    Material that allows fewer gives fewer; ``metadata["note"]`` then says so.
    """
    wanted = definition.count if count is None else count
    draws: list[_Draw] = []
    seen: set[_Key] = set()
    idle = 0
    for draw in _draws(definition, Dice(task, definition.seed, seed, "contents")):
        keys = draw.keys() if draw is not None and draw.possible else []
        if draw is None or not keys or not seen.isdisjoint(keys):
            idle += 1
            if definition.generator is not None and idle == _PATIENCE:
                break
            continue
        idle = 0
        seen.update(keys)
        draws.append(draw)
        if len(draws) == wanted:
            break
    if not draws:
        fix = "the lexicon is too small for the constraints"
        raise UserError.at(definition.path, "no item can be made", fix)
    _check_frames(definition, draws, exhausted=len(draws) < wanted)
    roles = _roles(Dice(task, definition.seed, seed, "roles"))
    wordings: dict[str, list[Item]] = {wording: [] for wording in WORDINGS}
    for draw in draws:
        exchanged, right_first = next(roles)
        for wording in WORDINGS:
            # A single answer is right after the clean problem only: its sides keep their roles.
            swapped = exchanged and not definition.single_answer
            wordings[wording].append(draw.item(wording, swapped, right_first))
    groups = [draw.unit for draw in draws]
    metadata: dict[str, object] = {
        "seed": seed,
        "count": wanted,
        "n_units": len(set(groups)),
        "definition_sha256": definition.sha256,
    }
    if len(draws) < wanted:
        metadata["note"] = f"the material gives {len(draws)} items; {wanted} were asked for"
    return TaskItems(
        task=task,
        wordings=wordings,
        single_answer=definition.single_answer,
        force_base_evaluation=definition.force_base_evaluation,
        groups=groups,
        metadata=metadata,
    )


def _compose(parts: PromptParts, problem: str, options: tuple[str, ...]) -> str:
    def fill(text: str) -> str:
        for slot, option in zip(OPTION_SLOTS, options, strict=True):
            text = text.replace(f"{{{slot}}}", option)
        return text

    prompt = fill(parts.prefix) + problem + fill(parts.concatenation)
    return f"{prompt} {fill(parts.suffix)}" if parts.suffix else prompt


def _label(entry: Entry) -> str:
    """An entry's name: all its texts."""
    return "/".join(value.text for value in entry.values() if isinstance(value, Template))


def _roles(dice: Dice) -> Iterator[tuple[bool, bool]]:
    """Endless (roles exchanged, right option listed first), balanced as the module says."""
    while True:
        exchanged, right_first = dice.below(2) == 1, dice.below(2) == 1
        pairs = [
            [(exchanged, right_first), (not exchanged, not right_first)],
            [(exchanged, not right_first), (not exchanged, right_first)],
        ]
        for pair in dice.shuffled(pairs):
            yield from dice.shuffled(pair)


def _draws(definition: TaskDefinition, dice: Dice) -> Iterator[_Draw | None]:
    """The draws of a definition in random order, frames taking turns; None where none came of it."""
    if definition.explicit:
        for index in dice.permutation(len(definition.frames)):
            yield _Draw(definition, definition.frames[index], {})
    elif definition.generator is None:
        yield from _lexicon_draws(definition, dice)
    else:
        yield from _generator_draws(definition, dice)


def _lexicon_draws(definition: TaskDefinition, dice: Dice) -> Iterator[_Draw]:
    streams = {
        number: _combinations(definition, frame, Dice(dice.below(1 << 32), number))
        for number, frame in enumerate(definition.frames)
    }
    while streams:
        for number in dice.shuffled(list(streams)):
            draw = next(streams[number], None)
            if draw is None:
                del streams[number]
            else:
                yield draw


def _combinations(definition: TaskDefinition, frame: Frame, dice: Dice) -> Iterator[_Draw]:
    """Every possible filling of one frame's slots once, in random order."""
    sizes = [len(definition.slots[slot]) for slot in frame.slots]
    for index in dice.permutation(math.prod(sizes)):
        entries = {}
        for slot, size in zip(frame.slots, sizes, strict=True):
            index, place = divmod(index, size)
            entries[slot] = definition.slots[slot][place]
        draw = _Draw(definition, frame, entries)
        if draw.possible:
            yield draw


def _generator_draws(definition: TaskDefinition, dice: Dice) -> Iterator[_Draw | None]:
    assert definition.generator is not None
    decks: dict[tuple[int, ...], list[int]] = {}
    contents = definition.generator.contents(
        Dice(dice.below(1 << 32), "generator"), definition.arguments
    )
    for content in contents:
        matching = tuple(
            number
            for number, frame in enumerate(definition.frames)
            if all(content.conditions.get(key) == value for key, value in frame.when.items())
        )
        if not matching:
            yield None
            continue
        # Frames take turns: a deck is dealt out before it is shuffled again.
        deck = decks.setdefault(matching, [])
        if not deck:
            deck.extend(dice.shuffled(matching))
        frame = definition.frames[deck.pop()]
        entries = {slot: dice.choice(definition.slots[slot]) for slot in frame.slots}
        yield _Draw(definition, frame, entries, content)


def _check_frames(definition: TaskDefinition, draws: list[_Draw], exhausted: bool) -> None:
    """A frame that gave nothing although everything was drawn is a mistake of its author."""
    if not exhausted or definition.explicit:
        return
    used = {draw.frame.where for draw in draws}
    idle = [frame.where for frame in definition.frames if frame.where not in used]
    what, fix = (
        "gives no item of its own",
        "its constraints exclude every draw, or it repeats another frame",
    )
    if idle:
        raise UserError(*(Problem(f"{definition.path}: {where}", what, fix) for where in idle))
