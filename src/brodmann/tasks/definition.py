"""One task, one YAML file: read it, and say everything that is wrong with it at once.

docs/tasks/format.md is the reference of the format. A lexicon may be a shared one, from its own file
(``data/lexicons/NAME.yaml``). A *frame* is a problem text in both wordings; its
*contrast* is the only thing in which the clean and the corrupted problem differ. Frames draw the rest of
their words from a lexicon or from a generator. An explicit item is a frame without slots.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from brodmann.errors import Problem, UserError, closest, did_you_mean
from brodmann.files import digest
from brodmann.tasks.catalogue import DEFAULT_LEVEL, LONGEST_TITLE, TASK_SUFFIX, shared_lexicons
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
    *(
        "title",
        "description",
        "measures",
        "force_base_evaluation",
        "single_answer",
        "seed",
        "count",
        "prompt",
    ),
    *(
        "lexicon",
        "slots",
        "constraints",
        "contrast",
        "answers",
        "answer",
        "units",
        "frames",
        "items",
    ),
    *("generator", "difficulty"),
)
_FRAME_KEYS = (*WORDINGS, "text", "contrast", "answers", "answer", "when", "unit")
_PROMPT_KEYS = ("prefix", "concatenation", "suffix", "answer_prefix")
# Raw text goes on with a space before the next word; in a chat turn the answer comes first.
_ANSWER_PREFIX = {"completion": " ", "chat": ""}

# Sections that name what others write in braces.
_NAMING = ("lexicon", "slots", "generator", "contrast")

# A lexicon entry: the texts of its forms, "" being the only form of a plain word. Numbers serve
# constraints.
Entry = Mapping[str, "Template | float"]
Pair = tuple[Template, Template]  # (clean, corrupted)


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
    texts: Mapping[str, Pair]
    contrast: Mapping[str, Pair]
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
        if value is not None and not isinstance(value, dict):
            self.problem(where, f"must be a mapping, found {_kind(value)}")
        result = {}
        for key, item in value.items() if isinstance(value, dict) else ():
            if not isinstance(key, str):
                what = f"the key {key!r} is {_kind(key)}, not text"
                self.problem(where, what, "put it in quotes")
            elif allowed is not None and key not in allowed:
                name = f"{where}.{key}" if where else key
                self.problem(name, "unknown key", did_you_mean(key, allowed))
            else:
                result[key] = item
        return result

    def named(
        self, value: object, where: str, taken: Iterable[str] = (), by: str = ""
    ) -> Iterator[tuple[str, Any, str]]:
        """(name, value, place) of a mapping whose keys may stand in braces; none may be ``taken``."""
        for name, item in self.mapping(value, where).items():
            here = f"{where}.{name}"
            if not name.isidentifier() or name[0].isupper():
                self.problem(here, "a name is made of letters, digits and _, its first one small")
            elif name in OPTION_SLOTS:
                self.problem(here, "the name is reserved for the listed options")
            elif name in taken:
                self.problem(here, f"a {by} has the same name", "rename one of them")
            else:
                yield name, item, here

    def entries(self, value: object, where: str, of: str = "") -> list[Any]:
        """``value`` as a list that holds something."""
        if isinstance(value, list) and value:
            return value
        what = f"must be a list{of}, found {_kind(value)}" if value else "has no entries"
        self.problem(where, what)
        return []

    def pair(self, value: object, where: str, of: str) -> bool:
        if good := isinstance(value, list) and len(value) == 2:
            return good
        self.problem(where, f"must be a list of two{of}")
        return False

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

    def flag(self, data: dict, key: str) -> bool:
        value = data.get(key, False)
        if not isinstance(value, bool):
            self.problem(key, f"must be true or false, found {value!r}")
        return value is True

    def whole(self, value: object, where: str, lowest: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            self.problem(where, f"must be a whole number from {lowest} on, found {value!r}")
            return lowest
        return value

    def template(self, value: object, where: str) -> Template:
        try:
            return parse_template(self.text(value, where))
        except ValueError as error:
            self.problem(where, str(error))
            return Template("", ())

    # The file

    def parse(self, raw: object) -> TaskDefinition:
        if raw is None:
            raise UserError.at(self.path, "the file is empty")
        data = self.mapping(raw, "", _KEYS)
        # The slots of a section whose name is misspelt are missed everywhere: that is one mistake.
        if not isinstance(raw, dict) or any(
            closest(str(key), _NAMING) for key in raw if key not in _KEYS
        ):
            raise UserError(*self.problems)
        single = self.flag(data, "single_answer")
        lexicon = dict(self.read_lexicon(data.get("lexicon")))
        self.generator, arguments = self.read_generator(data.get("generator"))
        self.generated = self.generator.slots if self.generator else ()
        levels = dict(self.read_levels(data.get("difficulty"), arguments))
        # Every lexicon is a slot of its own name.
        self.slots = lexicon | dict(self.read_slots(data.get("slots"), lexicon))
        self.shared_contrast = self.read_contrast(data.get("contrast"), "contrast")
        explicit = "items" in data
        if explicit and "generator" in data:
            self.problem("items", "a task has either items or a generator", "remove one of them")
        if explicit == ("frames" in data):
            what = "missing" if not explicit else "a task has either frames or items"
            self.problem("frames", what, "write frames (with slots), or items (without)")
        frames = self.read_frames(data, single, explicit)
        if explicit:
            self.check_repeated_items(frames)
        # What it is called changes nothing that is measured: neither does it change its digest.
        measured = {key: value for key, value in raw.items() if key != "title"}
        source = [measured, self.shared] if self.shared else measured
        if "title" in data:
            self.read_title(data["title"])
        definition = TaskDefinition(
            path=self.path,
            description=self.text(data.get("description"), "description"),
            measures=self.text(data.get("measures"), "measures"),
            force_base_evaluation=self.flag(data, "force_base_evaluation"),
            single_answer=single,
            seed=self.whole(data.get("seed", 0), "seed", 0),
            count=self.whole(data.get("count", DEFAULT_COUNT), "count", 1),
            prompt=self.read_prompt(data.get("prompt")),
            slots=self.slots,
            constraints=tuple(self.read_constraints(data.get("constraints"))),
            frames=tuple(frames),
            explicit=explicit,
            generator=self.generator,
            arguments=arguments,
            levels=levels,
            sha256="" if self.problems else digest(source),
        )
        if self.problems:
            raise UserError(*dict.fromkeys(self.problems))
        return definition

    def read_title(self, value: object) -> None:
        """It is read by ``catalogue.task_titles``, from one line."""
        title = self.text(value, "title")
        if "\n" in title or len(title) > LONGEST_TITLE:
            fix = f"one line of at most {LONGEST_TITLE} characters"
            self.problem("title", "does not fit on the axis of a figure", fix)

    def read_prompt(self, value: object) -> dict[str, PromptParts]:
        given = self.mapping(value, "prompt", WORDINGS)
        prompt = {}
        for wording in WORDINGS:
            where = f"prompt.{wording}"
            texts = {"answer_prefix": _ANSWER_PREFIX[wording]}
            for key, part in self.mapping(given.get(wording), where, _PROMPT_KEYS).items():
                texts[key] = self.text(part, f"{where}.{key}", empty=True)
                known = () if key == "answer_prefix" else OPTION_SLOTS
                for slot in re.findall(r"\{([A-Za-z_]\w*)\}", texts[key]):  # other braces are text
                    if slot not in known:
                        fix = "a prompt part may hold {correct_answer} and {incorrect_answer}"
                        self.problem(f"{where}.{key}", f"unknown slot {{{slot}}}", fix)
            prompt[wording] = PromptParts(**texts)
        return prompt

    # Words

    def read_lexicon(self, value: object) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        for name, entries, where in self.named(value, "lexicon"):
            if isinstance(entries, str):
                entries, where = self.shared_lexicon(entries, where)
            if entries is not None:
                yield name, self.read_entries(entries, where)

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
            value, forms = table.get("entries"), table.get("forms") or []
            if not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
                self.problem(f"{where}.forms", "must be a list of names")
                return ()
            where = f"{where}.entries"
        entries: list[Entry] = []
        seen: dict[tuple, int] = {}
        for number, item in enumerate(self.entries(value, where)):
            here = f"{where}[{number}]"
            if forms and (not isinstance(item, list) or len(item) != len(forms)):
                self.problem(here, f"must list {len(forms)} values: {', '.join(forms)}")
                continue
            named = dict(zip(forms, item, strict=True)) if forms else item
            if isinstance(named, dict):
                given = self.mapping(named, here).items()
                entry = {form: self.form(text, f"{here}.{form}") for form, text in given}
            else:
                entry = {"": self.template(named, here)}
            entries.append(entry)
            if odd := set(entry) ^ set(entries[0]):
                listed = ", ".join(sorted(form or "a plain word" for form in odd))
                self.problem(here, f"its forms differ from the first entry's: {listed}")
            texts = tuple(sorted((form, _written(text)) for form, text in entry.items()))
            if texts in seen and any(text for _, text in texts):
                self.problem(here, f"repeats entry {seen[texts]}", "remove one")
            seen.setdefault(texts, len(entries) - 1)
        return tuple(entries)

    def form(self, value: object, where: str) -> Template | float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if number else self.template(value, where)  # type: ignore[return-value]

    def read_slots(
        self, value: object, lexicon: dict[str, tuple[Entry, ...]]
    ) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        for name, source, where in self.named(value, "slots", lexicon, "lexicon"):
            if isinstance(source, str) and source in lexicon:
                yield name, lexicon[source]
            else:
                self.problem(where, f"no lexicon '{source}'", did_you_mean(str(source), lexicon))

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
        return known[name], self.arguments(known[name], given.get("args"), {}, "generator.args")

    def arguments(
        self, generator: Generator, value: object, others: Mapping[str, object], where: str
    ) -> dict[str, object]:
        """Arguments of a generator, which must work together with ``others``."""
        given = self.mapping(value, where, generator.arguments)
        try:
            next(generator.contents(Dice("check"), {**others, **given}), None)
        except (ValueError, TypeError) as error:
            self.problem(where, str(error))
        return given

    def read_levels(
        self, value: object, arguments: Mapping[str, object]
    ) -> Iterator[tuple[str, dict[str, object]]]:
        """Difficulty levels: generator arguments that replace those of the file."""
        for level, changes in self.mapping(value, "difficulty").items():
            where = f"difficulty.{level}"
            if self.generator is None:
                self.problem(where, "only a generator has difficulties", "remove it")
            elif level == DEFAULT_LEVEL:
                self.problem(where, "the name stands for the file as it is", "rename it")
            else:
                yield level, self.arguments(self.generator, changes, arguments, where)

    # Frames

    def read_contrast(self, value: object, where: str) -> dict[str, Pair]:
        contrast = {}
        for name, pair, here in self.named(value, where, self.slots, "slot"):
            if not self.pair(pair, here, ": the clean and the corrupted value"):
                continue
            if pair[0] == pair[1]:
                self.problem(here, f"clean equals corrupted: {pair[0]!r}")
                continue
            # One side may be empty ("not" against nothing).
            clean, corrupted = (
                Template("", ()) if text == "" else self.template(text, f"{here}[{side}]")
                for side, text in enumerate(pair)
            )
            contrast[name] = clean, corrupted
        return contrast

    def read_frames(self, data: dict, single: bool, explicit: bool) -> list[Frame]:
        key = "items" if explicit else "frames"
        units = self.read_units(data.get("units"))
        frames = []
        for number, item in enumerate(self.entries(data[key], key) if key in data else ()):
            where = f"{key}[{number}]"
            before = len(self.problems)
            if not isinstance(item, dict):
                self.problem(where, f"must be a mapping, found {_kind(item)}")
                continue
            frame = self.read_frame(item, where, data, single, units)
            if len(self.problems) == before:
                frames.append(frame)
        return frames

    def read_units(self, value: object) -> list[str] | None:
        if value is None:
            return None
        if not isinstance(value, list):
            self.problem("units", f"must be a list of slots, found {_kind(value)}")
            return None
        known = [name for name in value if isinstance(name, str) and name in self.slots]
        for name in value:
            if name not in known:
                self.problem("units", f"no slot '{name}'", did_you_mean(str(name), self.slots))
        return known

    def read_frame(
        self, item: dict, where: str, data: dict, single: bool, units: list[str] | None
    ) -> Frame:
        given = self.mapping(item, where, _FRAME_KEYS)
        contrast = self.shared_contrast | self.read_contrast(
            given.get("contrast"), f"{where}.contrast"
        )
        answers = self.read_answers(given, where, data, single)
        texts = {}
        for wording in WORDINGS:
            key = wording if wording in given else "text"
            if key in given:
                texts[wording] = self.read_text(given[key], f"{where}.{key}")
            else:
                self.problem(f"{where}.{wording}", "missing", f"write {wording}, or text for both")
        if self.generator is None and "when" in given:
            self.problem(f"{where}.when", "only a generator's frames have conditions")
        conditions = self.generator.conditions if self.generator else None
        when = self.mapping(given.get("when"), f"{where}.when", conditions)
        drawn: set[str] = set()
        for wording, (clean, corrupted) in texts.items():
            here = f"{where}.{wording}"
            used = self.follow(clean, contrast, here, drawn)
            used |= self.follow(corrupted, contrast, here, drawn)
            if clean.text == corrupted.text and used.isdisjoint({*contrast, *self.generated}):
                self.problem(
                    here,
                    "clean equals corrupted: the text holds nothing that differs",
                    f"use one of {', '.join(f'{{{name}}}' for name in contrast) or 'a contrast'}",
                )
        content: set[str] = set()
        for answer in answers:
            content |= self.follow(answer, {}, f"{where}.answers", drawn, hidden=contrast)
        named = {one.slot for pair in texts.values() for text in pair for one in text.references}
        for name, pair in contrast.items():
            for text in pair:
                reached = self.follow(text, {}, f"contrast.{name}", set(), hidden=contrast)
                content |= reached if name in named else set()
        if drawn and where.startswith("items"):
            names = ", ".join(f"{{{name}}}" for name in sorted(drawn))
            fix = "write frames instead of items"
            self.problem(where, f"an item has no slots, found {names}", fix)
        own = (
            sorted(content & set(self.slots)) if units is None else [n for n in units if n in drawn]
        )
        unit = self.text(given.get("unit"), f"{where}.unit", empty=True)
        return Frame(
            where=where,
            texts=texts,
            contrast=contrast,
            answers=answers,
            slots=tuple(sorted(drawn)),
            unit_slots=() if unit else tuple(own),
            unit=unit or where,
            when=when,
        )

    def read_text(self, value: object, where: str) -> Pair:
        """One text for both sides, or ``{clean: ..., corrupted: ...}``."""
        if not isinstance(value, dict):
            template = self.template(value, where)
            return template, template
        sides = ("clean", "corrupted")
        given = self.mapping(value, where, sides)
        clean, corrupted = (self.template(given.get(side), f"{where}.{side}") for side in sides)
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
        if not self.pair(value, here, ": right after clean, right after corrupted"):
            return ()
        pair = tuple(self.template(text, f"{here}[{side}]") for side, text in enumerate(value))
        one, two = (template.text for template in pair)
        if one and one == two:
            self.problem(here, f"the answers are equal: {one!r}")
        elif one and one.split() == two.split():
            self.problem(here, f"the answers differ only in white space: {one!r}, {two!r}")
        return pair

    def follow(
        self,
        template: Template,
        contrast: Mapping[str, Pair],
        where: str,
        drawn: set[str],
        hidden: Iterable[str] = (),
        path: tuple[str, ...] = (),
    ) -> set[str]:
        """All slots that ``template`` reaches, through contrasts and lexicon entries too.

        Lexicon slots are added to ``drawn``. ``hidden`` are the contrasts it must not name.
        """
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
            elif name in self.generated or name in OPTION_SLOTS:
                self.check_formless(reference, where)
            elif name in hidden:
                self.problem(
                    where, f"{{{name}}} differs between clean and corrupted", "use its parts"
                )
            else:
                known = {*contrast, *self.slots, *self.generated}
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

    def read_constraints(self, value: object) -> Iterator[tuple[str, Reference, Reference]]:
        for kind, pairs in self.mapping(value, "constraints", CONSTRAINTS).items():
            if not isinstance(pairs, list):
                what = f"must be a list of pairs, found {_kind(pairs)}"
                self.problem(f"constraints.{kind}", what)
                continue
            for number, pair in enumerate(pairs):
                where = f"constraints.{kind}[{number}]"
                if not self.pair(pair, where, " slots or slot.form"):
                    continue
                left, right = (self.constraint_side(name, where, kind) for name in pair)
                if left is None or right is None:
                    continue
                words = self.slots[left.slot]
                if kind == "distinct" and words is self.slots[right.slot] and len(words) == 1:
                    self.problem(where, f"'{left.slot}' has a single entry: none is left for both")
                yield kind, left, right

    def constraint_side(self, name: object, where: str, kind: str) -> Reference | None:
        try:
            reference = parse_reference(str(name))
        except ValueError as error:
            return self.problem(where, str(error))
        slot, form = reference.slot, reference.form
        if slot not in self.slots:
            return self.problem(where, f"no slot '{slot}'", did_you_mean(slot, self.slots))
        entries = self.slots[slot]
        if form and entries and form not in entries[0]:
            hint = did_you_mean(form, (one for one in entries[0] if one))
            return self.problem(where, f"unknown form '{reference}'", hint)
        values = [entry.get(form) for entry in entries]
        if kind == "less" and any(not isinstance(value, int | float) for value in values):
            return self.problem(where, f"'{reference}' is not a number in every entry")
        return reference

    def check_repeated_items(self, frames: list[Frame]) -> None:
        """An item, or its mirror (clean and corrupted exchanged), may stand only once."""
        for wording in WORDINGS:
            seen: dict[frozenset[str], str] = {}
            for frame in frames:
                sides = frozenset(_plain(frame, wording, side) for side in (0, 1))
                if (first := seen.setdefault(sides, frame.where)) != frame.where:
                    what = f"repeats {first} (or mirrors it)"
                    self.problem(f"{frame.where}.{wording}", what, "remove one")


def _written(value: Template | float) -> str:
    return value.text if isinstance(value, Template) else str(value)


def _plain(frame: Frame, wording: str, side: int) -> str:
    """The problem text of a frame without slots, options left as they are."""

    def value(reference: Reference) -> str:
        own = frame.contrast.get(reference.slot)
        return own[side].text if own else f"{{{reference}}}"

    return frame.texts[wording][side].render(value)


def _kind(value: Any) -> str:
    """What a YAML value is, in words; a bare yes/no/on/off is a frequent surprise."""
    names = {bool: "a YAML boolean", int: "a number", float: "a number", list: "a list"}
    names |= {dict: "a mapping", type(None): "nothing", str: "text"}
    return names.get(type(value), f"a YAML {type(value).__name__}")
