"""Values as the atlas's data files have them: scripts that hand JSON to the page.

Whatever a name or a text holds, it cannot end its script: ``<`` and everything beyond ASCII (also U+2028 and
U+2029) is written as an escape.
"""

from __future__ import annotations

import base64
import html
import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

# numpy's name of a type -> the contract's.
_TYPES = {"float32": "f32", "int32": "i32", "uint16": "u16", "uint8": "u8"}


def array(values: np.ndarray) -> dict[str, Any]:
    """An array as the page reads it: little endian, in base64."""
    name = _TYPES.get(values.dtype.name)
    if name is None:
        raise TypeError(f"no array of {values.dtype} in the atlas")
    content = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    data = base64.b64encode(content).decode("ascii")
    return {"dtype": name, "shape": list(values.shape), "data": data}


def plain(value: Any) -> Any:
    """As JSON has it: dataclasses without fields that are None; numbers that are not finite are null."""
    if is_dataclass(value) and not isinstance(value, type):
        own = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {name: plain(item) for name, item in own if item is not None}
    if isinstance(value, np.ndarray):
        return array(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def script(name: str, value: Any) -> str:
    """The data file ``name``: a call that hands its value to the page."""
    return f"atlas({_json(name)}, {_json(plain(value))});\n"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def inline(text: str) -> str:
    """A data file (as ``script`` writes it) as a part of a page, which is not read before it is wanted."""
    name, _, value = text.removeprefix("atlas(").partition(", ")
    quoted = html.escape(json.loads(name), quote=True)
    value = value.removesuffix(");\n")
    return f'<script type="application/json" data-atlas="{quoted}">{value}</script>\n'
