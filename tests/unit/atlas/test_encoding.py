"""Data files of the atlas: whatever they hold, they are one call, and give back what was put in."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest

from brodmann.atlas.encode import inline, plain, script
from brodmann.atlas.names import Names

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\u2028\u2029\x00\x7f\ud800",
    "\"';`${x}\\",
    "]]>&lt;é\N{GRINNING FACE}",
]


def parts(text: str) -> tuple[str, object]:
    """Name and value of a call ``atlas(NAME, VALUE);``, read as JSON."""
    assert text.startswith("atlas(") and text.endswith(");\n")
    name, value = json.loads(f"[{text[len('atlas(') : -len(');' + chr(10))]}]")
    return name, value


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_script(text):
    made = script(text, {text: [text]})
    assert made.isascii() and "<" not in made and made.count("\n") == 1
    assert parts(made) == (text, {text: [text]})


class Scripts(HTMLParser):
    """A browser's view of a page: its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        assert tag == "script"
        self.names.append(dict(attrs)["data-atlas"])
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


def test_nor_its_place_in_a_single_file():
    page = Scripts()
    texts = [text for text in HOSTILE if "\x00" not in text]  # in attributes NUL is replaced
    page.feed("".join(inline(script(text, text)) for text in texts))
    assert page.names == texts
    assert [json.loads(text) for text in page.texts] == texts


@pytest.mark.parametrize(
    ("kind", "name", "sign"),
    [("f4", "f32", "f"), ("i4", "i32", "i"), ("u2", "u16", "H"), ("u1", "u8", "B")],
)
def test_arrays_are_little_endian_in_base64(kind, name, sign):
    values = np.arange(12).reshape(3, 4).astype(kind)
    for given in (values, values.astype(f">{kind}"), values.T.copy().T):
        made = plain(given)
        assert (made["dtype"], made["shape"]) == (name, [3, 4])
        assert struct.unpack(f"<12{sign}", base64.b64decode(made["data"])) == tuple(range(12))


def test_an_array_of_another_type_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="float64"):
        plain(np.zeros(2))


def test_what_is_not_known_is_left_out_and_what_is_no_number_is_null():
    @dataclass
    class Row:
        kept: float
        left: str | None = None

    assert plain([Row(float("nan")), Row(np.float32(0.5), "x"), {1: float("inf")}]) == [
        {"kept": None},
        {"kept": 0.5, "left": "x"},
        {"1": None},
    ]


def test_no_two_files_have_one_name():
    names = Names()
    made = [names.of(one) for one in ("m.a--b/c", "m.a/b--c", "M.A/B--C", "m.x y/../é")]
    assert made[0] == "m.a--b--c" and len({one.lower() for one in made}) == 4
    assert all("/" not in one and one.isascii() and " " not in one for one in made)
