"""What is wrong with the values of a config, in words a user can act on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from brodmann.config.renamed import now_called
from brodmann.config.schema import at, config_schema
from brodmann.config.section import TAGS
from brodmann.config.source import ConfigSource, KeyPath
from brodmann.config.study import Config
from brodmann.errors import Problem, did_you_mean

# What JSON calls its types, in the words of a YAML file.
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "less_than_equal": ("le", "{} or less"),
    "greater_than": ("gt", "more than {}"),
}
# Stands in where there are no models to check the rest of a config beside.
_A_MODEL = {"a-model": {"source": "hf:a-model"}}


def validated(
    values: Mapping[str, Any], source: ConfigSource
) -> tuple[Config, list[Problem], set[KeyPath]]:
    """(the config, every problem in the order of the file, the keys that they are of).

    The config is whole whatever is wrong: a default stands for every value that was refused.
    """
    left = copy.deepcopy(dict(values))
    problems: set[Problem] | None = None
    broken: set[KeyPath] = set()
    while True:
        try:
            config = Config.model_validate(left, by_alias=True, by_name=False)
        except ValidationError as error:
            errors = [one for one in error.errors(include_url=False) if not _is_echo(one)]
        else:
            order = sorted(problems or (), key=lambda one: source.order(one.where))
            return config, order, broken
        said: set[Problem] = set()
        for found in errors:
            path = tuple(part for part in found["loc"] if part not in TAGS)
            said.add(_explain(path, found, source))
            broken.add(path)
            _remove(left, path)
        # What is missing later was taken out here.
        problems = said if problems is None else problems


def _is_echo(found: Mapping[str, Any]) -> bool:
    """A list is called too short where its entries were refused; these are named by themselves."""
    if found["type"] != "too_short":
        return False
    return len(found["input"]) >= int(found["ctx"]["min_length"])


def _remove(values: dict[str, Any], path: KeyPath) -> None:
    """Take out the value at ``path``, with the list that it is in, or the mapping that cannot be without."""
    place, steps = values, list(path)
    while len(steps) > 1 and isinstance(place.get(steps[0]), dict) and isinstance(steps[1], str):
        if steps[1] not in place[steps[0]] and len(steps) == 2:
            break  # a key is missing there
        place = place[steps.pop(0)]
    place.pop(steps[0], None)
    if not values.get("models"):
        values["models"] = _A_MODEL


def show(value: Any) -> str:
    """A value as it stands in an error message: short, and typed as in YAML."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _explain(path: KeyPath, found: Mapping[str, Any], source: ConfigSource) -> Problem:
    """The problem in one of pydantic's errors."""
    where, value, rule = source.where(path), found["input"], found.get("ctx", {})
    schema = at(config_schema(), path)
    meaning = schema.get("description", "")
    match found["type"]:
        case "extra_forbidden":
            if new := now_called(path):
                return Problem(where, f"is called {new.new} since {new.since}", "rename it")
            known = at(config_schema(), path[:-1]).get("properties", {})
            key, colon, _ = str(path[-1]).partition(":")
            if colon and key in known:
                return Problem(where, "unknown key", f"put a space after '{key}:'")
            return Problem(where, "unknown key", did_you_mean(path[-1], known))
        case "missing":
            place = where if len(path) == 1 else f"{source.where(path[:-1])}.{path[-1]}"
            return Problem(place, "missing", meaning)
        case "literal_error":
            choices = schema["enum"]
            hint = did_you_mean(str(value), [str(choice) for choice in choices])
            allowed = ", ".join(show(choice) for choice in choices)
            fix = hint if hint.startswith("did you mean") else ""
            return Problem(where, f"found {show(value)}, allowed: {allowed}", fix)
        case "greater_than_equal" | "less_than_equal" | "greater_than" as bound:
            key, words = _BOUNDS[bound]
            return Problem(where, f"found {show(value)}, allowed: {words.format(f'{rule[key]:g}')}")
        case "too_short" | "string_too_short":
            return Problem(where, "must not be empty", meaning)
        case "twice":
            return Problem(where, "holds the same entry twice")
        case "string_pattern_mismatch":
            return Problem(where, f"found {show(value)}", meaning)
        case _:
            types = schema.get("type", "object")
            names = [_TYPES[name] for name in ([types] if isinstance(types, str) else types)]
            return Problem(where, f"expected {' or '.join(names)}, found {show(value)}")
