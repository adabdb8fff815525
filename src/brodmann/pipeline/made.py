"""Whether results were made with the settings that the config has now: from small files, without Snakemake.

A stage's settings lie beside its store (rules/settings.smk), the whole config in ``provenance.json``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from brodmann.errors import UserError
from brodmann.files import file_digest, read_json

# Longer values are not spelt out.
_LONGEST = 40
# Sections of the config that a map's stages have their settings of, beside tasks and models; others have
# their map's name.
_SECTIONS = {
    "circuits": ("attribution", "selection", "ablation"),
    "localizers": ("localizer",),
    "comparison": ("localizer", "networks"),
}


def changes(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """What differs, a line for each value: ``inclusion.min_both_correct 0.6 -> 0.8``."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            below = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield f"{below} taken out"
            elif key not in old:
                yield f"{below} added"
            else:
                yield from changes(old[key], new[key], below)
    elif old != new:
        shown = [json.dumps(value, ensure_ascii=False) for value in (old, new)]
        short = max(map(len, shown)) <= _LONGEST
        yield f"{path} {' -> '.join(shown)}" if short else f"{path} changed"


def since(file: Path, wanted: Any) -> list[str]:
    """What has changed since the settings in ``file`` were noted; nothing if they never were."""
    try:
        return list(changes(read_json(file), json.loads(json.dumps(wanted))))
    except UserError:
        return []


def recorded(results: Path) -> dict[str, Any]:
    """The config of the run that came to the end last; nothing if none did."""
    try:
        return read_json(results / "provenance.json")["config"]
    except UserError:
        return {}


def in_config(found: Iterable[str], typed: Sequence[str], map_: str) -> Iterator[str]:
    """Changes of a stage's settings in the keys that a user types: those among ``typed``, the changes of
    the config, that are the same value's, or else those of the sections of the stage's map.

    What is not of the config (versions of methods), or not in ``typed``, stays as it is.
    """
    own = [one for one in typed if one.partition(".")[0] in _SECTIONS.get(map_, (map_,))]
    near = own + [one for one in typed if one.partition(".")[0] in ("tasks", "models")]
    for line in found:
        same = [one for one in near if _last(one) == _last(line)]
        yield from same or ([] if line.startswith("methods.") else own) or [line]


def _last(change: str) -> str:
    """The last key of a change's path, and from what to what."""
    path, _, values = change.partition(" ")
    return f"{path.rpartition('.')[2]} {values}"


def before(settings: Path, output: str, folder: Path) -> bool:
    """Whether an output of a job was made before its settings were noted: they are noted first of all.

    Snakemake remembers with which it was made, if it ran in this folder. ``output``: as Snakemake names it.
    """
    record = base64.urlsafe_b64encode(output.encode()).decode()
    try:
        known = read_json(folder / ".snakemake" / "metadata" / record).get("input_checksums") or {}
        then = known.get(str(settings.relative_to(folder)))
        return then is not None and then.removeprefix("sha256:") != file_digest(settings)
    except (UserError, OSError):
        return False


def few(found: Iterable[str], most: int) -> str:
    """So many of them, and how many more there are."""
    lines = list(dict.fromkeys(found))
    more = f", and {len(lines) - most} more" if len(lines) > most else ""
    return ", ".join(lines[:most]) + more
