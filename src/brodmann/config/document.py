"""docs/config.md and the schema for editors, written from the sections' classes.

``python -m brodmann.config.document``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brodmann.config.schema import config_schema, schema_page
from brodmann.files import write_text

_INTRODUCTION = """# The config file

Written from `src/brodmann/config` by `python -m brodmann.config.document`, as is the schema for editors,
`workflow/schemas/config.schema.yaml`.

Without `--configfile`, Snakemake reads `config.yaml` of the working directory, or, if there is none, the one
beside the Snakefile. A file given with `--configfile` stands alone: what it leaves out takes the defaults
below, never the values of `config.yaml`. `--config key=value` is laid over either, e.g.
`--config 'tasks={items: 50}'`. Relative paths are relative to the config file. Unknown keys are errors.
"Published", below, is what the released code of Han et al. (2026; circuits), AlKhamissi et al. (2025;
localizers) or Liu et al. (2025; networks) does: README, "Where the methods are from".

`brodmann check` reads the config, and the tasks, texts and models that it names as far as they are here.
It reports all problems that it finds.

Changing a value recomputes what depends on it and nothing else. `execution`, `device_map`,
`max_memory`, `gpus`, `parallel` and `attn_implementation` say how it runs: they change no result and
recompute nothing.
"""


def config_page() -> str:
    """The Markdown page: one table per section."""
    return "\n".join([_INTRODUCTION, *_sections(config_schema())]) + "\n"


def _sections(schema: dict[str, Any]) -> Iterator[str]:
    for name, section in schema["properties"].items():
        yield f"## `{name}`\n"
        if "properties" not in section and "additionalProperties" not in section:
            yield f"{_values(section)}; default {_show(section)}. {_line(section['description'])}\n"
            continue
        if section.get("description"):
            yield f"{_line(section['description'])}\n"
        if "object" not in section["type"]:  # one value
            yield f"{_values(section)}; default {_show(section)}.\n"
            continue
        entries = section
        if name == "models":
            entries = section["additionalProperties"]
            yield "Keys of each entry:\n"
        yield "| key | values | default | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from _rows(entries, "")
        yield ""


def _rows(entries: dict[str, Any], prefix: str) -> Iterator[str]:
    """One row per key, those of a mapping below it."""
    for key, value in entries["properties"].items():
        required = key in entries.get("required", ())
        nested = value.get("type") == "object" and "properties" in value
        default = "required" if required else "" if nested else _show(value)
        text = _line(value.get("description", ""))
        yield f"| `{prefix}{key}` | {_values(value)} | {default} | {text} |"
        if nested:
            yield from _rows(value, f"{prefix}{key}.")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _show(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`" if value != "" else '`""`'


def _values(schema: dict[str, Any]) -> str:
    """The allowed values in a few words."""
    if "enum" in schema:
        shown = ("null" if c is None else f"`{str(c).lower()}`" for c in schema["enum"])
        return ", ".join(dict.fromkeys(shown))
    types = schema.get("type", "")
    text = " or ".join([types] if isinstance(types, str) else types)
    if "items" in schema:
        text += f" of {_values(schema['items'])}"
    for key, words in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤")):
        if key in schema:
            text += f", {words} {schema[key]}"
    return text


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[3]
    write_text(root / "workflow" / "schemas" / "config.schema.yaml", schema_page())
    write_text(root / "docs" / "config.md", config_page())
    sys.exit(0)
