"""Chord diagram of the overlap: tasks around a circle, links as wide as two circuits overlap.

All diagrams of a study have one scale: an overlap spans the same angle in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from pycirclize import Circos

from brodmann.figures import hover, style
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of, sort_key

LINK_COLUMNS = ["source", "target", "overlap"]

# Formal tasks by what their names begin with; the rest of the domain is a group of its own.
SUBGROUPS = {
    "arithmetic": ("add_sub", "mul_div", "simple_equation"),
    "logic": ("logic_",),
    "code & algorithmic": ("code_", "number_sequence", "number_sorting"),
}
SUBGROUP_COLOURS = {
    "arithmetic": "#154360",
    "logic": "#2471A3",
    "code & algorithmic": "#7FB3D5",
    "other formal": "#AEC6CF",
}

# Degrees of the circle.
TASK_GAP, GROUP_GAP, DOMAIN_GAP = 0.5, 2.0, 5.0
# Radii in pyCirclize's unit: 100 is the circle.
DOMAIN_RING, TASK_RING, LINK_RADIUS, LABEL_RADIUS = (94.0, 100.0), (90.0, 93.2), 89.3, 101.5
CROSS_ALPHA = 0.4
# Of the figure's width: a circle of few short labels does not fill it.
LARGEST, SMALLEST = 0.7, 0.3
# Up to so many tasks smaller circles suffice.
FEW, SOME = 16, 30


def chord_links(matrix: pd.DataFrame, minimum: float = 0.05) -> pd.DataFrame:
    """Columns source, target, overlap: each unordered pair of tasks with overlap >= ``minimum``, once.

    ``matrix`` is square, with the same ``domain/task`` labels on both axes. The overlap is the mean of the
    two directions, or the one that is finite. Pairs are in the standard order of tasks.
    """
    tasks = sorted(matrix.index, key=sort_key)
    values = matrix.reindex(index=tasks, columns=tasks).to_numpy(dtype=float)
    rows = []
    for a, b in combinations(range(len(tasks)), 2):
        both = np.array([values[a, b], values[b, a]])
        both = both[np.isfinite(both)]
        if len(both) and both.mean() >= minimum:
            rows.append((tasks[a], tasks[b], float(both.mean())))
    return pd.DataFrame(rows, columns=LINK_COLUMNS)


def subgroup(task: str) -> str:
    """A task's group in the circle: its domain, for formal one of ``SUBGROUP_COLOURS``."""
    domain, _, name = task.partition("/")
    if domain != "formal":
        return domain
    found = (group for group, stems in SUBGROUPS.items() if name.startswith(stems))
    return next(found, "other formal")


def circle_order(tasks: Sequence[str]) -> list[str]:
    """The standard order, with the subgroups of formal one after the other."""
    groups = list(SUBGROUP_COLOURS)

    def key(task: str) -> tuple[object, ...]:
        rank, domain, name = sort_key(task)
        group = subgroup(task)
        return rank, domain, groups.index(group) if group in groups else 0, name

    return sorted(tasks, key=key)


@dataclass(frozen=True, eq=False)
class Circle:
    """Tasks in their order around the circle, what links them, and the gaps (degrees) between them."""

    tasks: list[str]
    links: pd.DataFrame
    gaps: list[float]
    least: float  # degrees that a label needs

    @classmethod
    def of(cls, matrix: pd.DataFrame, minimum: float) -> Circle:
        """The tasks and links of a matrix as ``chord_links`` takes it."""
        tasks = circle_order(matrix.index)
        label = np.degrees(style.TYPE * 1.2 / 72 / (_size(tasks)[1] / 2))
        return cls(tasks, chord_links(matrix, minimum), _gaps(tasks), max(label - TASK_GAP, 0.5))

    @property
    def room(self) -> float:
        """Degrees that are left for the sectors."""
        return 360 - sum(self.gaps)

    @property
    def sums(self) -> dict[str, float]:
        """Task -> sum of its links."""
        sums = dict.fromkeys(self.tasks, 0.0)
        for source, target, overlap in self.links.itertuples(index=False):
            sums[source] += overlap
            sums[target] += overlap
        return sums

    @property
    def most(self) -> float:
        """The most degrees that an overlap of 1 can span here; infinite where nothing overlaps."""
        least = min(self.least, 0.9 * self.room / max(len(self.tasks), 1))
        sums = sorted(self.sums.values())
        # Tasks of little overlap have the least sector, and the others share what they leave.
        for small in range(len(sums)):
            rest = sum(sums[small:])
            scale = (self.room - small * least) / rest if rest else np.inf
            if scale * sums[small] >= least or not rest:
                return scale
        return np.inf

    def sectors(self, scale: float) -> dict[str, float]:
        """Task -> size of its sector, in overlap of which 1 spans ``scale`` degrees. They fill the circle:
        what the links leave is spread evenly."""
        if not np.isfinite(scale):
            return dict.fromkeys(self.tasks, 1.0)
        least = min(self.least, 0.9 * self.room / max(len(self.tasks), 1))
        sizes = {task: max(value, least / scale) for task, value in self.sums.items()}
        spare = (self.room / scale - sum(sizes.values())) / len(sizes)
        return {task: value + max(spare, 0.0) for task, value in sizes.items()}


def common_scale(circles: Iterable[Circle]) -> float:
    """Degrees of an overlap of 1 that all of these have room for."""
    return min((one.most for one in circles), default=np.inf)


def of_matrix(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of the overlaps of one model, or of the average, on the scale of ``files["every"]``."""
    table, minimum = read_matrix(files["containment"]), asked["chord_minimum"]
    every = (read_matrix(path) for path in files["every"])
    scale = common_scale(Circle.of(matrix, minimum) for matrix in every if len(matrix))
    figure = draw_chord(table, minimum=minimum, scale=scale, title=asked["title"])
    return figure, chord_links(table, minimum)


def draw_chord(
    matrix: pd.DataFrame, *, minimum: float = 0.05, scale: float | None = None, title: str
) -> Figure:
    """The links of ``chord_links`` in a circle of tasks, in domain order.

    The outer ring shows domains, the inner one tasks (formal in three blues); a link within a domain has its
    colour, one across domains is grey and lies beneath. An overlap of 1 spans ``scale`` degrees (None: as
    many as there is room for).
    """
    if len(matrix) < 2:
        return style.empty_figure(title, "fewer than two tasks are included")
    circle = Circle.of(matrix, minimum)
    tasks, links = circle.tasks, circle.links
    if links.empty:
        nothing = f"no two tasks overlap by {100 * minimum:g} % or more"
        return style.empty_figure(title, nothing)
    sizes = circle.sectors(scale or circle.most)
    circos = Circos(sizes, space=circle.gaps)
    _add_rings(circos, tasks)
    _add_links(circos, tasks, links, sizes)
    for sector in circos.sectors:
        colour = style.readable(style.domain_colour(domain_of(sector.name)))
        look = {"r": LABEL_RADIUS, "orientation": "vertical", "size": style.TYPE, "color": colour}
        sector.text(style.task_label(sector.name), **look)
    return _lay_out(circos, tasks, links, title)


def _gaps(tasks: Sequence[str]) -> list[float]:
    """Degrees after each task's sector, a third of the circle at most."""
    following = [*tasks[1:], tasks[0]]

    def gap(a: str, b: str) -> float:
        if domain_of(a) != domain_of(b):
            return DOMAIN_GAP
        return GROUP_GAP if subgroup(a) != subgroup(b) else TASK_GAP

    gaps = list(map(gap, tasks, following))
    scale = min(1.0, 120 / sum(gaps))
    return [gap * scale for gap in gaps]


def _colour(group: str) -> str:
    return SUBGROUP_COLOURS.get(group) or style.domain_colour(group)


def _add_rings(circos: Circos, tasks: Sequence[str]) -> None:
    """A rectangle per task, an arc per domain with the domain's name on it where it fits."""
    for sector in circos.sectors:
        colour = _colour(subgroup(sector.name))
        sector.rect(r_lim=TASK_RING, fc=colour, ec="white", lw=0.3)
    diameter = _size(tasks)[1]
    for domain, members in groupby(tasks, key=domain_of):
        start, end = circos.get_group_sectors_deg_lim(list(members))
        colour = style.domain_colour(domain)
        circos.rect(r_lim=DOMAIN_RING, deg_lim=(start, end), fc=colour, ec="none")
        room = np.radians(end - start) * diameter / 2
        high = (DOMAIN_RING[1] - DOMAIN_RING[0]) / 100 * diameter / 2 * 72 > style.TYPE
        name = style.domain_label(domain)
        if high and room > style.text_width(name) * 1.15:
            middle = (start + end) / 2 % 360
            turn = {"rotation": 180 - middle if 90 < middle < 270 else -middle}
            turn |= {"rotation_mode": "anchor", "va": "center"}
            # One colour on all: black is the one that every shipped domain leaves readable.
            look = {"size": style.TYPE, "color": "black", "fontweight": "bold"}
            circos.text(name, r=np.mean(DOMAIN_RING), deg=middle, **turn, **look)


def _add_links(
    circos: Circos, tasks: Sequence[str], links: pd.DataFrame, sizes: Mapping[str, float]
) -> None:
    """Ribbons; within a sector in the order that crosses least, in its middle if it has more room."""
    places = _link_places(tasks, links, sizes)
    same = links["source"].map(domain_of) == links["target"].map(domain_of)
    # Across domains first (beneath), then wide ones below narrow ones.
    order = sorted(links.index, key=lambda row: (same[row], -links.loc[row, "overlap"]))
    for row in order:
        source, target, overlap = links.loc[row, LINK_COLUMNS]
        own = {"color": style.domain_colour(domain_of(source)), "alpha": 0.6}
        look = own if same[row] else {"color": style.NEUTRAL, "alpha": CROSS_ALPHA}
        ends = [(task, *places[task, row]) for task in (source, target)]
        names = f"{style.task_label(source)} and {style.task_label(target)}"
        # The label is what a reader sees; only off the usual order is a link a patch of its own.
        look |= {"label": f"{names}: {100 * overlap:.1f} % shared", "zorder": 1.01}
        circos.link(*ends, r1=LINK_RADIUS, r2=LINK_RADIUS, allow_twist=False, lw=0, **look)


def _link_places(
    tasks: Sequence[str], links: pd.DataFrame, sizes: Mapping[str, float]
) -> dict[tuple[str, int], tuple[float, float]]:
    """(task, row of ``links``) -> where in the task's sector the link begins and ends."""
    number = {task: place for place, task in enumerate(tasks)}
    ends: dict[str, list[tuple[int, int, float]]] = {task: [] for task in tasks}
    for row, source, target, overlap in links.itertuples():
        for own, other in ((source, target), (target, source)):
            # Clockwise distance: what leads to the right-hand neighbours leaves on the right.
            ends[own].append(((number[other] - number[own]) % len(tasks), row, overlap))
    places = {}
    for task, own in ends.items():
        widths = [width for _, _, width in own]
        position = max(sizes[task] - sum(widths), 0) / 2
        for _, row, width in sorted(own, reverse=True):
            end = min(position + width, sizes[task])
            places[task, row] = (min(position, sizes[task]), end)
            position = end
    return places


def _lay_out(circos: Circos, tasks: Sequence[str], links: pd.DataFrame, title: str) -> Figure:
    """Title, circle with room for its labels, legend, scale; as large as the width allows."""
    width, _ = _size(tasks)
    diameter, (left, right, top, bottom) = _fit(circos, width - 0.1)
    handles = _legend(tasks, links)
    columns = 4 if width == style.DOUBLE else 2
    head = 0.1 + style.title_height(title, width)
    foot = 0.1 + 1.3 * style.LINE * -(-len(handles) // columns)
    height = head + top + bottom + foot
    figure = plt.figure(figsize=(width, height))
    # pyCirclize's axes go up to 105.
    outer = 1.05 * diameter
    x, y = (width + left - right) / 2, foot + bottom
    box = (x - outer / 2) / width, (y - outer / 2) / height, outer / width, outer / height
    axes = figure.add_axes(box, projection="polar")
    circos.plotfig(ax=axes)
    for patch in axes.patches:
        text = patch.get_label()
        if text and not text.startswith("_"):
            hover.shape(patch, text)
        patch.set_gid(None)  # pyCirclize's ids are of chance
    # The extent of curves in polar axes is guessed far too large; the frame is the figure's.
    for artist in (*axes.collections, *axes.patches):
        artist.set_in_layout(False)
    figure.add_artist(Rectangle((0, 0), 1, 1, transform=figure.transFigure, alpha=0))
    style.add_title(figure, title)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 0, "borderpad": 0}
    figure.legend(handles=handles, ncols=columns, handlelength=1.2, **place)
    return figure


def _size(tasks: Sequence[str]) -> tuple[float, float]:
    """Inches: the figure's width, and a circle that fits in it whatever the labels are."""
    if len(tasks) <= FEW:
        return style.SINGLE, 1.4
    return (1.4 * style.SINGLE, 2.0) if len(tasks) <= SOME else (style.DOUBLE, 4.2)


def _fit(circos: Circos, width: float) -> tuple[float, tuple[float, float, float, float]]:
    """The largest diameter, and how far circle and labels then reach left, right, up and down."""
    angles = np.array([np.radians(np.mean(sector.deg_lim)) for sector in circos.sectors])
    labels = [style.task_label(sector.name) for sector in circos.sectors]
    lengths = np.array([style.text_width(label) for label in labels])

    def reach(diameter: float) -> tuple[float, float, float, float]:
        ends = LABEL_RADIUS / 100 * diameter / 2 + lengths + 0.05
        across, up = ends * np.sin(angles), ends * np.cos(angles)
        ways = (-across, across, up, -up)
        return tuple(float(max(values.max(), diameter / 2 + 0.05)) for values in ways)

    diameters = np.linspace(LARGEST, SMALLEST, 60) * width
    fitting = (found for found in diameters if sum(reach(found)[:2]) <= width)
    diameter = float(next(fitting, diameters[-1]))
    return diameter, reach(diameter)


def _legend(tasks: Sequence[str], links: pd.DataFrame) -> list[Patch]:
    groups = [group for group in SUBGROUP_COLOURS if group in {subgroup(task) for task in tasks}]
    domains = style.ordered_domains(map(domain_of, tasks))
    handles = [
        Patch(color=style.domain_colour(domain), label=style.domain_label(domain))
        for domain in domains
    ]
    handles += [Patch(color=SUBGROUP_COLOURS[group], label=f"formal: {group}") for group in groups]
    crossing = links["source"].map(domain_of) != links["target"].map(domain_of)
    if crossing.any():
        handles.append(Patch(color=style.NEUTRAL, alpha=CROSS_ALPHA, label="across domains"))
    return handles
