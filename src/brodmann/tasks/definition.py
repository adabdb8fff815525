"""One task, one YAML file: read it, and say everything that is wrong with it at once.

docs/tasks/format.md is the reference of the format. A lexicon may be a shared one, from its own file
(``data/lexicons/NAME.yaml``). A *frame* is a problem text in both wordings; its
*contrast* is the only thing in which the clean and the corrupted problem differ. Frames draw the rest of
their words from a lexicon or from a generator. An explicit item is a frame without slots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.files import digest
from brodmann.tasks.catalogue import DEFAULT_LEVEL, TASK_SUFFIX, shared_lexicons
from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import Generator, generators
from brodmann.tasks.items import WORDINGS
from brodmann.tasks.template import Reference, Template, parse_reference, parse_template
from brodmann.tasks.yaml_source import read_yaml

# Where the two options stand in a prompt. Which answer fills which is balanced over the items and the
# same in the clean and the corrupted prompt (see expand.py), whatever the names suggest: they are those
# of the published layout.
OPTION_SLOTS = ("correct_answer", "incorrect_answer")

DEFAULT_COUNT = 1000
CONSTRAINTS = ("distinct", "same", "less")

_KEYS = (
    "description",
    "measures",
    "force_base_evaluation",
    "single_answer",
    "seed",
    "count",
    "prompt",
    "lexicon",
    "slots",
    "constraints",
    "contrast",
    "answers",
    "answer",
    "units",
    "frames",
    "items",
    "generator",
    "difficulty",
)
_FRAME_KEYS = (*WORDINGS, "text", "contrast", "answers", "answer", "when", "unit")
_PROMPT_KEYS = ("prefix", "concatenation", "suffix", "answer_prefix")
# Raw text goes on with a space before the next word; in a chat turn the answer comes first.
_ANSWER_PREFIX = {"completion": " ", "chat": ""}

# A lexicon entry: the texts of its forms, "" being the only form of a plain word. Numbers serve
# constraints.
Entry = Mapping[str, "Template | float"]


@dataclass(frozen=True)
class PromptParts:
    """What surrounds the problem: prefix + problem + concatenation + (" " + suffix, if any)."""

    prefix: str = ""
    concatenation: str = ""
    suffix: str = ""
    answer_prefix: str = ""


@dataclass(frozen=True)
class Frame:
    """A problem in its wordings; ``texts[w]`` is (clean, corrupted), the same text unless spelt out."""

    where: str
    texts: Mapping[str, tuple[Template, Template]]
    contrast: Mapping[str, tuple[Template, Template]]
    answers: tuple[Template, ...]
    slots: tuple[str, ...]  # the lexicon slots it draws, sorted
    unit_slots: tuple[str, ...]  # those whose entries make an independent unit
    unit: str = ""  # a name for the unit, where there are no such slots
    when: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskDefinition:
    """A checked task file."""

    path: str
    description: str
    measures: str
    force_base_evaluation: bool
    single_answer: bool
    seed: int
    count: int
    prompt: Mapping[str, PromptParts]
    slots: Mapping[str, tuple[Entry, ...]]  # slot -> the entries it is filled from
    constraints: tuple[tuple[str, Reference, Reference], ...]
    frames: tuple[Frame, ...]
    explicit: bool  # frames are items
    generator: Generator | None
    arguments: Mapping[str, object]
    levels: Mapping[str, Mapping[str, object]]  # difficulty -> the arguments it changes
    sha256: str

    def at_level(self, level: str) -> TaskDefinition:
        """The task at another difficulty; UserError unless the file offers it."""
        if level == DEFAULT_LEVEL:
            return self
        if level not in self.levels:
            offered = ", ".join((DEFAULT_LEVEL, *self.levels))
            raise UserError.at(self.path, f"no difficulty '{level}'", f"it offers: {offered}")
        return replace(self, arguments={**self.arguments, **self.levels[level]})


def load_definition(path: str | Path, level: str = DEFAULT_LEVEL) -> TaskDefinition:
    """Read and check a task file; raises UserError with every problem in it.

    Its folder's parent is taken for the folder of all tasks (``data/``), where shared lexicons are.
    """
    path = Path(path)
    return parse_definition(read_yaml(path), str(path), path.parent.parent).at_level(level)


def parse_definition(raw: object, path: str, data: Path | None = None) -> TaskDefinition:
    """Check the parsed content of a task file; ``path`` is for the messages.

    ``data`` is the folder of all tasks, for the lexicons that they share.
    """
    return _Parser(path, data).parse(raw)


class _Parser:
    """Reads the parts of a task file, noting problems and going on with what is left."""

    def __init__(self, path: str, data: Path | None) -> None:
        self.path = path
        self.data = data
        self.shared: dict[str, object] = {}  # name -> content of the shared lexicons in use
        self.problems: list[Problem] = []

    # Problems and plain values

    def problem(self, where: str, what: str, fix: str = "") -> None:
        self.problems.append(Problem(f"{self.path}: {where}" if where else self.path, what, fix))

    def mapping(self, value: object, where: str, allowed: Iterable[str] | None = None) -> dict:
        """``value`` as a mapping with known text keys; empty if it is missing or something else."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problem(where, f"must be a mapping, found {_kind(value)}")
            return {}
        result = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.problem(
                    where, f"the key {key!r} is {_kind(key)}, not text", "put it in quotes"
                )
            elif allowed is not None and key not in allowed:
                name = f"{where}.{key}" if where else key
                self.problem(name, "unknown key", did_you_mean(key, allowed))
            else:
                result[key] = item
        return result

    def text(self, value: object, where: str, *, empty: bool = False) -> str:
        """``value`` as text; an error unless it is one, and (unless ``empty``) says something."""
        if value is None and empty:
            return ""
        if value is None:
            self.problem(where, "missing")
        elif not isinstance(value, str):
            self.problem(where, f"must be text, found {_kind(value)} {value!r}", "put it in quotes")
        elif not value.strip() and not empty:
            self.problem(where, "is empty")
        else:
            return value
        return ""

    def flag(self, value: object, where: str) -> bool:
        if not isinstance(value, bool):
            self.problem(where, f"must be true or false, found {value!r}")
        return value is True

    def whole(self, value: object, where: str, lowest: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            self.problem(where, f"must be a whole number from {lowest} on, found {value!r}")
            return lowest
        return value

    def template(self, value: object, where: str) -> Template:
        text = self.text(value, where)
        try:
            return parse_template(text)
        except ValueError as error:
            self.problem(where, str(error))
            return Template("", ())

    # The file

    def parse(self, raw: object) -> TaskDefinition:
        if raw is None:
            raise UserError.at(self.path, "the file is empty")
        data = self.mapping(raw, "", _KEYS)
        if not isinstance(raw, dict):
            raise UserError(*self.problems)
        single = self.flag(data.get("single_answer", False), "single_answer")
        self.lexicon = self.read_lexicon(data.get("lexicon"))
        generator, arguments = self.read_generator(data.get("generator"))
        self.generator = generator
        levels = self.read_levels(data.get("difficulty"), arguments)
        self.slots = self.read_slots(data.get("slots"))
        self.shared_contrast = self.read_contrast(data.get("contrast"), "contrast")
        prompt = self.read_prompt(data.get("prompt"))
        explicit = "items" in data
        if explicit and "generator" in data:
            self.problem("items", "a task has either items or a generator", "remove one of them")
        if explicit == ("frames" in data):
            what = "missing" if not explicit else "a task has either frames or items"
            self.problem("frames", what, "write frames (with slots), or items (without)")
        frames = self.read_frames(data, single, explicit)
        constraints = self.read_constraints(data.get("constraints"))
        if explicit:
            self.check_repeated_items(frames)
        definition = TaskDefinition(
            path=self.path,
            description=self.text(data.get("description"), "description"),
            measures=self.text(data.get("measures"), "measures"),
            force_base_evaluation=self.flag(
                data.get("force_base_evaluation", False), "force_base_evaluation"
            ),
            single_answer=single,
            seed=self.whole(data.get("seed", 0), "seed", 0),
            count=self.whole(data.get("count", DEFAULT_COUNT), "count", 1),
            prompt=prompt,
            slots=self.slots,
            constraints=constraints,
            frames=tuple(frames),
            explicit=explicit,
            generator=generator,
            arguments=arguments,
            levels=levels,
            sha256="" if self.problems else digest([raw, self.shared] if self.shared else raw),
        )
        if self.problems:
            raise UserError(*dict.fromkeys(self.problems))
        return definition

    def read_prompt(self, value: object) -> dict[str, PromptParts]:
        given = self.mapping(value, "prompt", WORDINGS)
        prompt = {}
        for wording in WORDINGS:
            where = f"prompt.{wording}"
            parts = self.mapping(given.get(wording), where, _PROMPT_KEYS)
            texts = {"answer_prefix": _ANSWER_PREFIX[wording]} | {
                key: self.text(part, f"{where}.{key}", empty=True) for key, part in parts.items()
            }
            for key, text in texts.items():
                for slot in _fields(text):
                    if key == "answer_prefix" or slot not in OPTION_SLOTS:
                        self.problem(
                            f"{where}.{key}",
                            f"unknown slot {{{slot}}}",
                            "a prompt part may hold {correct_answer} and {incorrect_answer}",
                        )
            prompt[wording] = PromptParts(**texts)
        return prompt

    # Words

    def read_lexicon(self, value: object) -> dict[str, tuple[Entry, ...]]:
        lexicon = {}
        for name, entries in self.mapping(value, "lexicon").items():
            where = f"lexicon.{name}"
            if not name.isidentifier() or name[0].isupper():
                self.problem(where, "a name is made of letters, digits and _, its first one small")
                continue
            if name in OPTION_SLOTS:
                self.problem(where, "the name is reserved for the listed options")
                continue
            if isinstance(entries, str):
                entries, where = self.shared_lexicon(entries, where)
            if entries is not None:
                lexicon[name] = self.read_entries(entries, where)
        return lexicon

    def shared_lexicon(self, name: str, where: str) -> tuple[object, str]:
        """The content of a shared lexicon and its file's name; None and a problem if there is none."""
        known = shared_lexicons(self.data) if self.data else []
        paths = {path.name.removesuffix(TASK_SUFFIX): path for path in known}
        if name not in paths:
            self.problem(where, f"no shared lexicon '{name}'", did_you_mean(name, paths))
            return None, where
        try:
            self.shared[name] = read_yaml(paths[name])
        except UserError as error:
            self.problems.extend(error.problems)
            return None, where
        return self.shared[name] or [], f"{where} ({paths[name].name})"

    def read_entries(self, value: object, where: str) -> tuple[Entry, ...]:
        """Entries as plain words, as mappings form -> text, or as a table ``forms`` + ``entries``."""
        forms: list[str] = []
        if isinstance(value, dict):
            table = self.mapping(value, where, ("forms", "entries"))
            value = table.get("entries")
            forms = table.get("forms") or []
            if not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
                self.problem(f"{where}.forms", "must be a list of names")
                return ()
            where = f"{where}.entries"
        if not isinstance(value, list) or not value:
            what = (
                "has no entries" if value in (None, []) else f"must be a list, found {_kind(value)}"
            )
            self.problem(where, what)
            return ()
        entries: list[dict[str, Template | float]] = []
        for number, item in enumerate(value):
            here = f"{where}[{number}]"
            if forms and (not isinstance(item, list) or len(item) != len(forms)):
                self.problem(here, f"must list {len(forms)} values: {', '.join(forms)}")
                continue
            named = dict(zip(forms, item, strict=True)) if forms else item
            if not isinstance(named, dict):
                entries.append({"": self.template(named, here)})
                continue
            entries.append(
                {
                    form: text
                    if isinstance(text, int | float) and not isinstance(text, bool)
                    else self.template(text, f"{here}.{form}")
                    for form, text in self.mapping(named, here).items()
                }
            )
        self.check_entries(entries, where)
        return tuple(entries)

    def check_entries(self, entries: list[dict[str, Template | float]], where: str) -> None:
        first = set(entries[0]) if entries else set()
        seen: dict[tuple, int] = {}
        for number, entry in enumerate(entries):
            if set(entry) != first:
                odd = ", ".join(sorted(form or "a plain word" for form in set(entry) ^ first))
                self.problem(
                    f"{where}[{number}]", f"its forms differ from the first entry's: {odd}"
                )
            key = tuple(
                sorted((k, v.text if isinstance(v, Template) else str(v)) for k, v in entry.items())
            )
            if key in seen and any(text for _, text in key):
                self.problem(f"{where}[{number}]", f"repeats entry {seen[key]}", "remove one")
            seen.setdefault(key, number)

    def read_slots(self, value: object) -> dict[str, tuple[Entry, ...]]:
        """Slot -> entries: every lexicon is a slot of its own name, ``slots`` adds more."""
        slots = dict(self.lexicon)
        for name, source in self.mapping(value, "slots").items():
            where = f"slots.{name}"
            if not name.isidentifier() or name[0].isupper() or name in OPTION_SLOTS:
                self.problem(where, "a name is made of letters, digits and _, its first one small")
            elif name in self.lexicon:
                self.problem(where, "a lexicon has the same name", "rename the slot")
            elif not isinstance(source, str) or source not in self.lexicon:
                self.problem(
                    where, f"no lexicon '{source}'", did_you_mean(str(source), self.lexicon)
                )
            else:
                slots[name] = self.lexicon[source]
        return slots

    def read_generator(self, value: object) -> tuple[Generator | None, dict[str, object]]:
        if value is None:
            return None, {}
        given = self.mapping(value, "generator", ("function", "args"))
        name = self.text(given.get("function"), "generator.function")
        known = generators()
        if name not in known:
            if name:
                hint = did_you_mean(name, known)
                self.problem("generator.function", f"no generator '{name}'", hint)
            return None, {}
        arguments = self.mapping(given.get("args"), "generator.args", known[name].arguments)
        try:
            next(known[name].contents(Dice("check"), arguments), None)
        except (ValueError, TypeError) as error:
            self.problem("generator.args", str(error))
        return known[name], arguments

    def read_levels(
        self, value: object, arguments: Mapping[str, object]
    ) -> dict[str, dict[str, object]]:
        """Difficulty levels: generator arguments that replace those of the file."""
        levels = {}
        for level, changes in self.mapping(value, "difficulty").items():
            where = f"difficulty.{level}"
            if self.generator is None:
                self.problem(where, "only a generator has difficulties", "remove it")
                continue
            if level == DEFAULT_LEVEL:
                self.problem(where, "the name stands for the file as it is", "rename it")
                continue
            changed = self.mapping(changes, where, self.generator.arguments)
            try:
                next(self.generator.contents(Dice("check"), {**arguments, **changed}), None)
            except (ValueError, TypeError) as error:
                self.problem(where, str(error))
            levels[level] = changed
        return levels

    # Frames

    def read_contrast(self, value: object, where: str) -> dict[str, tuple[Template, Template]]:
        contrast = {}
        for name, pair in self.mapping(value, where).items():
            here = f"{where}.{name}"
            if not name.isidentifier() or name[0].isupper() or name in OPTION_SLOTS:
                self.problem(here, "a name is made of letters, digits and _, its first one small")
            elif name in self.slots:
                self.problem(here, "a slot has the same name", "rename one of them")
            elif not isinstance(pair, list) or len(pair) != 2:
                self.problem(here, "must be a list of two: the clean and the corrupted value")
            elif pair[0] == pair[1]:
                self.problem(here, f"clean equals corrupted: {pair[0]!r}")
            else:
                # One side may be empty ("not" against nothing).
                contrast[name] = tuple(
                    Template("", ()) if text == "" else self.template(text, f"{here}[{side}]")
                    for side, text in enumerate(pair)
                )
        return contrast

    def read_frames(self, data: dict, single: bool, explicit: bool) -> list[Frame]:
        key = "items" if explicit else "frames"
        given = data.get(key)
        if key in data and (not isinstance(given, list) or not given):
            self.problem(
                key, "has no entries" if not given else f"must be a list, found {_kind(given)}"
            )
            return []
        units = self.read_units(data.get("units"))
        frames = []
        for number, item in enumerate(given or []):
            where = f"{key}[{number}]"
            if not isinstance(item, dict):
                self.problem(where, f"must be a mapping, found {_kind(item)}")
                continue
            before = len(self.problems)
            frame = self.read_frame(item, where, data, single, units)
            if len(self.problems) == before:
                frames.append(frame)
        return frames

    def read_units(self, value: object) -> tuple[str, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list):
            self.problem("units", f"must be a list of slots, found {_kind(value)}")
            return None
        known = [isinstance(name, str) and name in self.slots for name in value]
        for name, is_known in zip(value, known, strict=True):
            if not is_known:
                self.problem("units", f"no slot '{name}'", did_you_mean(str(name), self.slots))
        return tuple(name for name, is_known in zip(value, known, strict=True) if is_known)

    def read_frame(
        self, item: dict, where: str, data: dict, single: bool, units: tuple[str, ...] | None
    ) -> Frame:
        given = self.mapping(item, where, _FRAME_KEYS)
        contrast = self.shared_contrast | self.read_contrast(
            given.get("contrast"), f"{where}.contrast"
        )
        answers = self.read_answers(given, where, data, single)
        texts = {}
        for wording in WORDINGS:
            if wording in given:
                texts[wording] = self.read_text(given[wording], f"{where}.{wording}")
            elif "text" in given:
                texts[wording] = self.read_text(given["text"], f"{where}.text")
            else:
                self.problem(f"{where}.{wording}", "missing", f"write {wording}, or text for both")
        if self.generator is None and "when" in given:
            self.problem(f"{where}.when", "only a generator's frames have conditions")
        when = self.mapping(
            given.get("when"),
            f"{where}.when",
            self.generator.conditions if self.generator else None,
        )
        drawn: set[str] = set()
        for wording, pair in texts.items():
            used: set[str] = set()
            for text in pair:
                used |= self.follow(text, contrast, f"{where}.{wording}", drawn)
            if pair[0].text == pair[1].text and not self.differs(used, contrast):
                self.problem(
                    f"{where}.{wording}",
                    "clean equals corrupted: the text holds nothing that differs",
                    f"use one of {', '.join(f'{{{name}}}' for name in contrast) or 'a contrast'}",
                )
        content: set[str] = set()
        for answer in answers:
            reached = self.follow(answer, {}, f"{where}.answers", drawn, hidden=contrast)
            content |= reached & set(self.slots)
        for name, pair in contrast.items():
            for text in pair:
                reached = self.follow(text, {}, f"contrast.{name}", set(), hidden=contrast)
                if any(
                    reference.slot == name
                    for texts_of in texts.values()
                    for template in texts_of
                    for reference in template.references
                ):
                    content |= reached & set(self.slots)
        if drawn and where.startswith("items"):
            names = ", ".join(f"{{{name}}}" for name in sorted(drawn))
            self.problem(
                where, f"an item has no slots, found {names}", "write frames instead of items"
            )
        unit_slots = sorted(content) if units is None else [name for name in units if name in drawn]
        unit = self.text(given.get("unit"), f"{where}.unit", empty=True)
        return Frame(
            where=where,
            texts=texts,
            contrast=contrast,
            answers=answers,
            slots=tuple(sorted(drawn)),
            unit_slots=() if unit else tuple(unit_slots),
            unit=unit or where,
            when=when,
        )

    def read_text(self, value: object, where: str) -> tuple[Template, Template]:
        """One text for both sides, or ``{clean: ..., corrupted: ...}``."""
        if not isinstance(value, dict):
            template = self.template(value, where)
            return template, template
        given = self.mapping(value, where, ("clean", "corrupted"))
        clean, corrupted = (
            self.template(given.get(side), f"{where}.{side}") for side in ("clean", "corrupted")
        )
        if clean.text and clean.text == corrupted.text:
            self.problem(where, f"clean equals corrupted: {clean.text!r}")
        return clean, corrupted

    def read_answers(
        self, given: dict, where: str, data: dict, single: bool
    ) -> tuple[Template, ...]:
        """The answers of a frame: its own, else the task's; none if a generator makes them."""
        key, other = ("answer", "answers") if single else ("answers", "answer")
        for source, place in ((given, f"{where}.{other}"), (data, other)):
            if other in source:
                kind = "a single-answer" if single else "a two-answer"
                self.problem(place, f"not in {kind} task", f"write {key}")
        here = f"{where}.{key}" if key in given else key
        value = given.get(key, data.get(key))
        if self.generator is not None:
            if value is not None:
                self.problem(here, "the generator makes the answers", f"remove {key}")
            return ()
        if value is None:
            self.problem(f"{where}.{key}", "missing")
            return ()
        if single:
            return (self.template(value, here),)
        if not isinstance(value, list) or len(value) != 2:
            self.problem(here, "must be a list of two: right after clean, right after corrupted")
            return ()
        pair = tuple(self.template(text, f"{here}[{side}]") for side, text in enumerate(value))
        texts = [template.text for template in pair]
        if texts[0] and texts[0] == texts[1]:
            self.problem(here, f"the answers are equal: {texts[0]!r}")
        elif texts[0] and texts[0].split() == texts[1].split():
            self.problem(
                here, f"the answers differ only in white space: {texts[0]!r}, {texts[1]!r}"
            )
        return pair

    def differs(self, used: set[str], contrast: Mapping[str, object]) -> bool:
        generated = self.generator.slots if self.generator else ()
        return any(name in contrast or name in generated for name in used)

    def follow(
        self,
        template: Template,
        contrast: Mapping[str, tuple[Template, Template]],
        where: str,
        drawn: set[str],
        hidden: Iterable[str] = (),
        path: tuple[str, ...] = (),
    ) -> set[str]:
        """All slots that ``template`` reaches, through contrasts and lexicon entries too.

        Lexicon slots are added to ``drawn``. ``hidden`` are the contrasts it must not name.
        """
        generated = self.generator.slots if self.generator else ()
        reached: set[str] = set()
        for reference in template.references:
            name = reference.slot
            if name in path:
                self.problem(where, f"{{{name}}} refers to itself: {' -> '.join((*path, name))}")
                continue
            reached.add(name)
            inner: list[Template] = []
            if name in contrast:
                self.check_formless(reference, where)
                inner = list(contrast[name])
            elif name in self.slots:
                drawn.add(name)
                inner = self.check_form(reference, where)
            elif name in generated or name in OPTION_SLOTS:
                self.check_formless(reference, where)
            elif name in hidden:
                self.problem(
                    where, f"{{{name}}} differs between clean and corrupted", "use its parts"
                )
            else:
                known = {*contrast, *self.slots, *generated}
                self.problem(where, f"unknown slot {{{name}}}", did_you_mean(name, known))
            for text in inner:
                reached |= self.follow(text, contrast, where, drawn, hidden, (*path, name))
        return reached

    def check_formless(self, reference: Reference, where: str) -> None:
        if reference.form:
            self.problem(where, f"{{{reference.slot}}} has no forms", f"write {{{reference.slot}}}")

    def check_form(self, reference: Reference, where: str) -> list[Template]:
        """The texts a lexicon reference can give; a problem if it has no such form."""
        entries = self.slots[reference.slot]
        forms = set(entries[0]) if entries else {reference.form}
        if reference.form in forms:
            values = [entry[reference.form] for entry in entries if reference.form in entry]
            if any(not isinstance(value, Template) for value in values):
                self.problem(
                    where, f"{{{reference}}} is a number", "put it in quotes in the lexicon"
                )
            return [value for value in values if isinstance(value, Template) and value.references]
        if not reference.form:
            self.problem(where, f"{{{reference.slot}}} needs a form: {', '.join(sorted(forms))}")
        elif forms == {""}:
            self.problem(where, f"{{{reference.slot}}} has no forms", f"write {{{reference.slot}}}")
        else:
            hint = did_you_mean(reference.form, forms)
            self.problem(where, f"unknown form {{{reference}}}", hint)
        return []

    # Constraints and repeated items

    def read_constraints(self, value: object) -> tuple[tuple[str, Reference, Reference], ...]:
        constraints = []
        for kind, pairs in self.mapping(value, "constraints", CONSTRAINTS).items():
            if not isinstance(pairs, list):
                self.problem(
                    f"constraints.{kind}", f"must be a list of pairs, found {_kind(pairs)}"
                )
                continue
            for number, pair in enumerate(pairs):
                where = f"constraints.{kind}[{number}]"
                if not isinstance(pair, list) or len(pair) != 2:
                    self.problem(where, "must be a list of two slots or slot.form")
                    continue
                sides = [self.constraint_side(name, where, kind) for name in pair]
                if None in sides:
                    continue
                left, right = sides
                sizes = [len(self.slots[side.slot]) for side in sides]
                same_words = self.slots[left.slot] is self.slots[right.slot]
                if kind == "distinct" and same_words and max(sizes) < 2:
                    self.problem(where, f"'{left.slot}' has a single entry: none is left for both")
                constraints.append((kind, left, right))
        return tuple(constraints)

    def constraint_side(self, name: object, where: str, kind: str) -> Reference | None:
        try:
            reference = parse_reference(str(name))
        except ValueError as error:
            self.problem(where, str(error))
            return None
        if reference.slot not in self.slots:
            hint = did_you_mean(reference.slot, self.slots)
            self.problem(where, f"no slot '{reference.slot}'", hint)
            return None
        entries = self.slots[reference.slot]
        if reference.form and entries and reference.form not in entries[0]:
            hint = did_you_mean(reference.form, (form for form in entries[0] if form))
            self.problem(where, f"unknown form '{reference}'", hint)
            return None
        if kind == "less":
            values = [entry.get(reference.form) for entry in entries]
            if any(not isinstance(value, int | float) for value in values):
                self.problem(where, f"'{reference}' is not a number in every entry")
                return None
        return reference

    def check_repeated_items(self, frames: list[Frame]) -> None:
        """An item, or its mirror (clean and corrupted exchanged), may stand only once."""
        for wording in WORDINGS:
            seen: dict[frozenset[str], str] = {}
            for frame in frames:
                sides = tuple(_plain(frame, wording, side) for side in (0, 1))
                key = frozenset(sides)
                if key in seen:
                    what = f"repeats {seen[key]} (or mirrors it)"
                    self.problem(f"{frame.where}.{wording}", what, "remove one")
                seen.setdefault(key, frame.where)


def _plain(frame: Frame, wording: str, side: int) -> str:
    """The problem text of a frame without slots, options left as they are."""
    value: Callable[[Reference], str] = lambda reference: (  # noqa: E731
        frame.contrast[reference.slot][side].text
        if reference.slot in frame.contrast
        else f"{{{reference}}}"
    )
    return frame.texts[wording][side].render(value)


def _fields(text: str) -> list[str]:
    """The ``{names}`` in a prompt part, where other braces are plain text."""
    return re.findall(r"\{([A-Za-z_]\w*)\}", text)


def _kind(value: Any) -> str:
    """What a YAML value is, in words; a bare yes/no/on/off is a frequent surprise."""
    names = {bool: "a YAML boolean", int: "a number", float: "a number", list: "a list"}
    names |= {dict: "a mapping", type(None): "nothing", str: "text"}
    return names.get(type(value), f"a YAML {type(value).__name__}")
