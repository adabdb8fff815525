"""What a reader sees on pointing at a mark: values, as titles in a figure's SVG.

Drawing functions say of marks, cells and shapes what they stand for; ``svg_text`` lays outlines that cannot
be seen over them, each with its title. Browsers show titles without a script.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from brodmann.numerals import minus

# A figure of more is told nothing of: its page would be slow, and its marks lie on each other.
MOST = 4000
_REACH = 3.0  # points around a mark
_POINTS = 72
_STEPS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
# What matplotlib calls groups: the same in every figure, and no one refers to them.
_GROUP = re.compile(r'<g id="(?!nothing")[A-Za-z0-9.]+_\d+">')
_HEAD = re.compile(r"^.*?(?=<svg )", re.DOTALL)
# Not for a page: where the file came from, and a style for all that the page holds.
_LEFT_OUT = re.compile(r"\s*<metadata>.*?</metadata>|\s*<style.*?</style>", re.DOTALL)
_LINES = 'style="stroke-linejoin: round; stroke-linecap: butt"'
_TAG, _DIGITS = re.compile(r"<[^>]+>"), re.compile(r"(\.\d\d)\d+")


@dataclass(frozen=True, eq=False)
class _Told:
    """Something in ``axes``: a box in data coordinates (x0, y0, x1, y1), or a patch; and what it says."""

    axes: Axes
    outline: tuple[float, float, float, float] | Patch
    text: str


_TOLD: WeakKeyDictionary[Figure, list[_Told]] = WeakKeyDictionary()


def point(axes: Axes, x: float, y: float, text: str) -> None:
    """A mark at (x, y)."""
    _tell(axes, (float(x), float(y), float(x), float(y)), text)


def points(axes: Axes, x: np.ndarray, y: np.ndarray, texts: list[str]) -> None:
    """Several marks."""
    for place in zip(x, y, texts, strict=True):
        point(axes, *place)


def cells(axes: Axes, values: np.ndarray, text: Callable[[int, int], str]) -> None:
    """Every cell of an image of ``values`` [rows, columns] whose value is finite."""
    for row, column in np.argwhere(np.isfinite(values)).tolist():
        _tell(axes, (column - 0.5, row - 0.5, column + 0.5, row + 0.5), text(row, column))


def box(axes: Axes, ends: tuple[float, float, float, float], text: str) -> None:
    """A part of the panel, (x0, y0, x1, y1) in its data's coordinates."""
    _tell(axes, ends, text)


def shape(patch: Patch, text: str) -> None:
    """A bar, or another shape in its axes."""
    _tell(patch.axes, patch, text)


def _tell(axes: Axes, outline: tuple[float, float, float, float] | Patch, text: str) -> None:
    _TOLD.setdefault(axes.get_figure(root=True), []).append(_Told(axes, outline, minus(text)))


def svg_text(figure: Figure, frame: Bbox, name: str) -> str:
    """The part of the figure in ``frame`` (inches) as SVG, titles on top.

    ``name``: of the figure, so that several can stand in one page and each refers to its own parts.
    """
    stream = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", bbox_inches=frame, metadata={"Date": None})
    text = _LEFT_OUT.sub("", _HEAD.sub("", stream.getvalue(), count=1))
    text = _GROUP.sub("<g>", text).replace("<svg ", f"<svg {_LINES} ", 1)
    # A hundredth of a point is more than anyone sees.
    text = _TAG.sub(lambda tag: _DIGITS.sub(r"\1", tag[0]), text)
    told = _TOLD.get(figure, [])
    titles = [
        f'<path d="{_outline(one, frame)}"><title>{escape(one.text)}</title></path>'
        for one in (told if len(told) <= MOST else ())
    ]
    layer = "\n".join(['<g fill="none" stroke="none" pointer-events="all">', *titles, "</g>"])
    return text.replace("</svg>", f"{layer}\n</svg>" if titles else "</svg>")


def _outline(told: _Told, frame: Bbox) -> str:
    """The path of its outline, in the points of the SVG."""

    def placed(pixels: np.ndarray) -> np.ndarray:
        inches = np.asarray(pixels).reshape(-1, 2) / told.axes.get_figure(root=True).dpi
        return _POINTS * np.column_stack([inches[:, 0] - frame.x0, frame.y1 - inches[:, 1]])

    if not isinstance(told.outline, Patch):
        ends = np.reshape(told.outline, (2, 2))
        corners = placed(told.axes.transData.transform(ends))
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        if (x0, y0) == (x1, y1):
            x0, y0, x1, y1 = x0 - _REACH, y0 - _REACH, x1 + _REACH, y1 + _REACH
        return f"M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}z"
    path = told.outline.get_transform().transform_path(told.outline.get_path())
    if not {Path.CURVE3, Path.CURVE4} & set([] if path.codes is None else path.codes.tolist()):
        path = path.clip_to_bbox(told.axes.bbox)
    steps = []
    for vertices, code in path.iter_segments():
        ends = " ".join(f"{x:.1f} {y:.1f}" for x, y in placed(vertices))
        steps.append("z" if code == Path.CLOSEPOLY else _STEPS[code] + ends)
    return "".join(steps)
