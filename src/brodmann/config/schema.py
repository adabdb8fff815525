"""The JSON schema of config.yaml, of the sections' classes: for editors, messages and docs/config.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import yaml

from brodmann.config.section import Section
from brodmann.config.source import KeyPath
from brodmann.config.study import Config

_LEFT_OUT = ("title", "$defs", "const")


@cache
def config_schema(section: type[Section] = Config) -> dict[str, Any]:
    """The schema, without references: one mapping of plain JSON types."""
    whole = section.model_json_schema(mode="validation")
    return _plain(whole, whole.get("$defs", {}))


def schema_page() -> str:
    """``workflow/schemas/config.schema.yaml``."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "brodmann study"}
    note = "# Written from src/brodmann/config by `python -m brodmann.config.document`.\n"
    text: str = yaml.safe_dump(
        {**head, **config_schema()}, sort_keys=False, width=100, allow_unicode=True
    )
    return note + text


def _plain(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A schema of pydantic's with its references filled in and its alternatives merged."""
    if "$ref" in node:
        target = known[node["$ref"].rpartition("/")[2]]
        node = {**target, **{key: item for key, item in node.items() if key != "$ref"}}
    if options := node.get("anyOf") or node.get("oneOf"):
        merged: dict[str, Any] = {}
        types: list[str] = []
        for option in options:
            own = _plain(option, known)
            types += _listed(own.get("type", ()))
            merged |= own
        left = {k: v for k, v in node.items() if k not in ("anyOf", "oneOf", "discriminator")}
        node = {**merged, "type": types, **left}
    if "const" in node:
        node = {**node, "enum": [node["const"]]}
    plain: dict[str, Any] = {}
    if "description" in node:  # first, as people read it
        plain["description"] = " ".join(node["description"].split())
    for key, item in node.items():
        if key == "properties":
            plain[key] = {name: _plain(own, known) for name, own in item.items()}
        elif key in ("items", "additionalProperties") and isinstance(item, dict):
            plain[key] = _plain(item, known)
        elif key not in (*_LEFT_OUT, "description") and not (key == "type" and "enum" in node):
            plain[key] = item
    if "properties" in plain and plain.get("default"):
        plain["default"] = {}  # its keys have their own
    return plain


def at(schema: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    """The part of ``schema`` that is asked of the value at ``path``."""
    for part in path:
        others = schema.get("additionalProperties", {})
        within = schema.get("properties", {}).get(part, others)
        within = schema.get("items", {}) if isinstance(part, int) else within
        schema = within if isinstance(within, dict) else {}
    return schema


def typed(value: Any, path: KeyPath = ()) -> Any:
    """``value`` with text that stands for a number or a truth value read as such, where the schema
    wants one: Snakemake hands ``--config`` values inside mappings over as text."""
    if isinstance(value, dict):
        return {key: typed(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item, (*path, number)) for number, item in enumerate(value)]
    schema = at(config_schema(), path)
    if not isinstance(value, str) or not schema:
        return value
    try:
        read = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return value
    choices, types = schema.get("enum", ()), _listed(schema.get("type", ()))
    if read is None:
        # Nobody who writes "null" on a command line means the word, even where text is fine.
        return None if None in choices or "null" in types else value
    is_text = "string" in types and re.search(schema.get("pattern", ""), value)
    return value if is_text or value in choices else read


def _listed(types: str | Iterable[str]) -> list[str]:
    return [types] if isinstance(types, str) else list(types)
