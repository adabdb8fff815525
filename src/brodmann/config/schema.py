"""Check a config against its JSON schema and fill in defaults, in words a user can act on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from brodmann.circuits.estimators import ESTIMATORS
from brodmann.config.networks import NETWORK_SITES
from brodmann.config.source import ConfigSource
from brodmann.errors import Problem, did_you_mean
from brodmann.sites import COMPONENTS, LOCALIZED

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


def load_schema(path: str | Path) -> dict[str, Any]:
    """Read the schema file (YAML), and fill in which estimators and sites there are."""
    schema = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    chosen = schema["properties"]["attribution"]["properties"]["estimator"]
    chosen["enum"] = list(ESTIMATORS)
    known = "; ".join(f"{name}: {one.summary}" for name, one in ESTIMATORS.items())
    chosen["description"] = f"{chosen['description']} {known}."
    sections = {name: own.get("properties", {}) for name, own in schema["properties"].items()}
    sections["attribution"]["components"]["items"] = {"enum": list(COMPONENTS)}
    sections["localizer"]["site"]["enum"] = list(LOCALIZED)
    sections["networks"]["site"]["enum"] = list(NETWORK_SITES)
    return schema


def show(value: Any) -> str:
    """A value as it stands in an error message: short, and typed as in YAML."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def schema_problems(config: Any, schema: dict[str, Any], source: ConfigSource) -> list[Problem]:
    """Every way in which ``config`` breaks ``schema``, in the order of the file."""
    problems = []
    for error in Draft202012Validator(schema).iter_errors(config):
        problems.extend(_explain(error, source))
    return sorted(set(problems), key=lambda problem: source.order(problem.where))


def typed(value: Any, schema: dict[str, Any]) -> Any:
    """``value`` with text that stands for a number or a truth value read as such, where the schema
    wants one: Snakemake hands ``--config`` values inside mappings over as text."""
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return {key: typed(item, properties.get(key, others)) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and schema:
        validator = Draft202012Validator(schema)
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        # "null" is fine as text, too, but nobody who writes it on a command line means the word.
        wanted = read is None or not validator.is_valid(value)
        if wanted and validator.is_valid(read):
            return read
    return value


def _explain(error: Any, source: ConfigSource) -> Iterator[Problem]:
    """The problems in one schema violation (unknown keys are reported one by one)."""
    path = tuple(error.absolute_path)
    where = source.where(path)
    rule, value = error.validator_value, error.instance
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for key in value:
                if key not in known:
                    yield Problem(
                        source.where((*path, key)), "unknown key", did_you_mean(key, known)
                    )
        case "required":
            for key in rule:
                if key not in value:
                    place = source.where((*path, key)) if not path else f"{where}.{key}"
                    yield Problem(place, "missing", _describe(error.schema, key))
        case "type":
            allowed = [rule] if isinstance(rule, str) else rule
            names = " or ".join(_TYPES[name] for name in allowed)
            yield Problem(where, f"expected {names}, found {show(value)}")
        case "enum":
            yield Problem(
                where,
                f"found {show(value)}, allowed: {', '.join(show(choice) for choice in rule)}",
                _suggestion(value, rule),
            )
        case "minimum":
            yield Problem(where, f"found {show(value)}, allowed: {rule} or more")
        case "maximum":
            yield Problem(where, f"found {show(value)}, allowed: {rule} or less")
        case "exclusiveMinimum":
            yield Problem(where, f"found {show(value)}, allowed: more than {rule}")
        case "minLength" | "minItems" | "minProperties":
            yield Problem(where, "must not be empty", error.schema.get("description", ""))
        case "uniqueItems":
            yield Problem(where, "holds the same entry twice")
        case _:
            yield Problem(where, f"found {show(value)}", error.schema.get("description", ""))


def _describe(schema: dict[str, Any], key: str) -> str:
    return " ".join(schema.get("properties", {}).get(key, {}).get("description", "").split())


def _suggestion(value: Any, choices: list[Any]) -> str:
    hint = did_you_mean(str(value), [str(choice) for choice in choices])
    return hint if hint.startswith("did you mean") else ""


def with_defaults(config: Any, schema: dict[str, Any]) -> Any:
    """A copy of ``config`` in which every key that was left out has the schema's default."""
    if not isinstance(config, dict):
        types = schema.get("type", ())
        whole = "integer" in types and "number" not in types  # a JSON integer may be written 3.0
        if whole and isinstance(config, float) and config.is_integer():
            return int(config)
        return copy.deepcopy(config)
    filled = {}
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for key, value in config.items():
        subschema = properties.get(key, others if isinstance(others, dict) else {})
        filled[key] = with_defaults(value, subschema)
    for key, subschema in properties.items():
        if key not in filled and "default" in subschema:
            filled[key] = with_defaults(copy.deepcopy(subschema["default"]), subschema)
    return filled
