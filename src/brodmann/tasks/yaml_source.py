"""Task files as YAML: plain data only, and a key written twice is an error, not a silent loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from brodmann.errors import Problem, UserError
from brodmann.files import read_text
from brodmann.unreadable import how_to_mend

# More than any file that is written by hand, or by a script, holds.
MOST_VALUES = 3_000_000
MOST_LEVELS = 50

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Noting:
    """A safe loader that notes keys that a mapping repeats: (line, key)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)  # type: ignore[call-arg]
        self.repeated: list[tuple[int, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.repeated.append((key.start_mark.line + 1, key.value))
                seen.add(key.value)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


class _Loader(_Noting, _SafeLoader):  # type: ignore[misc,valid-type]
    """The fast one."""


class PlainLoader(_Noting, yaml.SafeLoader):
    """Slower; it takes halves of characters, of which others say where they are."""


def refuse_depth(text: str, path: str | Path) -> None:
    """An error for what is nested deeper than any such file: the C parser would end the process."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_LEVELS:
                where = f"{path}:{event.start_mark.line + 1}"
                what = f"not valid YAML: nested in more than {MOST_LEVELS} levels"
                raise UserError.at(where, what)
    except yaml.YAMLError:
        return  # whoever reads it says so in the same words as ever


def refuse_explosion(root: yaml.Node | None, path: str | Path) -> None:
    """An error for aliases that hold themselves or that a small file piles up to millions of values, and
    for texts that no file could hold."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if isinstance(node, yaml.ScalarNode):
            _refuse_surrogates(node, path)
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = MOST_VALUES  # of an alias within itself
            pairs = isinstance(node, yaml.MappingNode)
            parts = [part for pair in node.value for part in pair] if pairs else node.value
            sizes[id(node)] = 1 + sum(map(size, parts))
        return sizes[id(node)]

    if root is not None and size(root) >= MOST_VALUES:
        what = "its aliases (*name) stand for too many values, or for themselves"
        raise UserError.at(str(path), f"not valid YAML: {what}")


def _refuse_surrogates(node: yaml.ScalarNode, path: str | Path) -> None:
    """Half a character (``"\\ud800"``) is no text."""
    try:
        node.value.encode()
    except UnicodeEncodeError:
        where = f"{path}:{node.start_mark.line + 1}"
        raise UserError.at(where, "holds half a character (a surrogate)", "write it out") from None


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; every error names the file and, where known, the line."""
    value, _, repeated = read_nodes(path)
    if repeated:
        what = "the key '{}' stands twice in one mapping"
        problems = [Problem(f"{path}:{n}", what.format(key), "keep one") for n, key in repeated]
        raise UserError(*problems)
    return value


def read_nodes(
    path: str | Path, loading: Any = _Loader
) -> tuple[Any, yaml.Node | None, list[tuple[int, str]]]:
    """The content of a YAML file, its nodes, and the keys that a mapping repeats: (line, key)."""
    text = read_text(path)
    loader = None
    try:
        refuse_depth(text, path)
        loader = loading(text)
        node = loader.get_single_node()
        refuse_explosion(node, path)
        value = None if node is None else loader.construct_document(node)
        return value, node, sorted(set(loader.repeated))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # What is not closed is missed behind the last line.
        lines = text.splitlines()
        number = min(mark.line + 1, len(lines)) if mark else 0
        where = f"{path}:{number}" if mark else str(path)
        what, fix = getattr(error, "problem", None) or error, ""
        if isinstance(error, yaml.constructor.ConstructorError):
            what, fix = f"not plain data: {what}", "write text, numbers and lists only"
        else:
            fix = how_to_mend(str(what), lines[number - 1] if number else "")
            what = f"not valid YAML: {what}"
        raise UserError.at(where, what, fix) from None
    # Numbers with thousands of digits, dates that no calendar has, what is nested too deeply.
    except (ValueError, RecursionError) as error:
        raise UserError.at(str(path), f"not valid YAML: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()
