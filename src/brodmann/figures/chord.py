"""Chord diagram of the overlap: tasks around a circle, links as wide as two circuits overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from pycirclize import Circos

from brodmann.figures import style
from brodmann.figures.panels import domain_patches
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
LABEL_SIZE = 6.0
CROSS_ALPHA = 0.4
# Of the figure's width: a circle of few short labels does not fill it.
LARGEST, SMALLEST = 0.7, 0.3
# Up to this many tasks the smaller circle suffices.
FEW = 16


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


def sector_sizes(tasks: Sequence[str], links: pd.DataFrame, share: float) -> dict[str, float]:
    """Task -> size of its sector: the sum of its links, but no less than ``share`` of all sizes.

    The unit is that of the overlap, so that links are equally wide for equal overlap anywhere.
    """
    sums = {task: 0.0 for task in tasks}
    for source, target, overlap in links.itertuples(index=False):
        sums[source] += overlap
        sums[target] += overlap
    share = min(share, 0.9 / max(len(tasks), 1))
    small: set[str] = set()
    while True:
        rest = sum(value for task, value in sums.items() if task not in small)
        least = share * rest / (1 - share * len(small))
        more = {task for task, value in sums.items() if value < least} - small
        if not more:
            break
        small |= more
    return {task: max(value, least) if rest else 1.0 for task, value in sums.items()}


def of_matrix(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of the overlaps of one model, or of the average."""
    table, minimum = read_matrix(files["containment"]), asked["chord_minimum"]
    return draw_chord(table, minimum=minimum, title=asked["title"]), chord_links(table, minimum)


def draw_chord(matrix: pd.DataFrame, *, minimum: float = 0.05, title: str) -> Figure:
    """The links of ``chord_links`` in a circle of tasks, in domain order.

    The outer ring shows domains, the inner one tasks (formal in three blues); a link within a domain has its
    colour, one across domains is grey and lies beneath. Widths are linear in overlap.
    """
    tasks = circle_order(matrix.index)
    if not tasks:
        return style.empty_figure(title)
    links = chord_links(matrix, minimum)
    gaps = _gaps(tasks)
    label_degrees = np.degrees(LABEL_SIZE * 1.2 / 72 / (_size(tasks)[1] / 2))
    share = max(label_degrees - TASK_GAP, 0.5) / (360 - sum(gaps))
    sizes = sector_sizes(tasks, links, share)
    circos = Circos(sizes, space=gaps)
    _add_rings(circos, tasks)
    _add_links(circos, tasks, links, sizes)
    for sector in circos.sectors:
        colour = style.readable(style.domain_colour(domain_of(sector.name)))
        look = {"r": LABEL_RADIUS, "orientation": "vertical", "size": LABEL_SIZE, "color": colour}
        sector.text(style.task_label(sector.name), **look)
    return _lay_out(circos, tasks, links, minimum, title)


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
        name = style.domain_label(domain)
        if room > style.text_width(name, LABEL_SIZE) * 1.15:
            middle = (start + end) / 2 % 360
            turn = {"rotation": 180 - middle if 90 < middle < 270 else -middle}
            turn |= {"rotation_mode": "anchor", "va": "center"}
            # One colour on all: black is the one that every shipped domain leaves readable.
            look = {"size": LABEL_SIZE, "color": "black", "fontweight": "bold"}
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
        source, target = links.loc[row, "source"], links.loc[row, "target"]
        own = {"color": style.domain_colour(domain_of(source)), "alpha": 0.6}
        look = own if same[row] else {"color": style.NEUTRAL, "alpha": CROSS_ALPHA}
        ends = [(task, *places[task, row]) for task in (source, target)]
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


def _lay_out(
    circos: Circos, tasks: Sequence[str], links: pd.DataFrame, minimum: float, title: str
) -> Figure:
    """Title, circle with room for its labels, legend, scale; as large as the width allows."""
    width, _ = _size(tasks)
    diameter, (left, right, top, bottom) = _fit(circos, width - 0.1)
    handles = _legend(tasks, links)
    columns = 3 if width == style.DOUBLE else 2
    head, foot = 0.1 + style.title_height(title, width), 0.5 + 0.16 * -(-len(handles) // columns)
    height = head + top + bottom + foot
    figure = plt.figure(figsize=(width, height))
    # pyCirclize's axes go up to 105.
    outer = 1.05 * diameter
    x, y = (width + left - right) / 2, foot + bottom
    box = (x - outer / 2) / width, (y - outer / 2) / height, outer / width, outer / height
    axes = figure.add_axes(box, projection="polar")
    circos.plotfig(ax=axes)
    # The extent of curves in polar axes is guessed far too large; the frame is the figure's.
    for artist in axes.collections:
        artist.set_in_layout(False)
    figure.add_artist(Rectangle((0, 0), 1, 1, transform=figure.transFigure, alpha=0))
    style.add_title(figure, title)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.22 / height), "borderaxespad": 0}
    figure.legend(handles=handles, ncols=columns, handlelength=1.2, **place)
    figure.text(0.5, 0.04 / height, _scale_text(links, minimum), ha="center", fontsize=6.5)
    return figure


def _size(tasks: Sequence[str]) -> tuple[float, float]:
    """Inches: the figure's width, and a circle that fits in it whatever the labels are."""
    return (1.4 * style.SINGLE, 2.0) if len(tasks) <= FEW else (style.DOUBLE, 4.2)


def _fit(circos: Circos, width: float) -> tuple[float, tuple[float, float, float, float]]:
    """The largest diameter, and how far circle and labels then reach left, right, up and down."""
    angles = np.array([np.radians(np.mean(sector.deg_lim)) for sector in circos.sectors])
    labels = [style.task_label(sector.name) for sector in circos.sectors]
    lengths = np.array([style.text_width(label, LABEL_SIZE) for label in labels])

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
    handles = domain_patches(tasks)
    handles += [Patch(color=SUBGROUP_COLOURS[group], label=f"formal: {group}") for group in groups]
    crossing = links["source"].map(domain_of) != links["target"].map(domain_of)
    if crossing.any():
        handles.append(Patch(color=style.NEUTRAL, alpha=CROSS_ALPHA, label="across domains"))
    return handles


def _scale_text(links: pd.DataFrame, minimum: float) -> str:
    if links.empty:
        return f"no two tasks overlap by {minimum:g} or more"
    low, high = links["overlap"].min(), links["overlap"].max()
    return f"width: overlap, {low:.2f} to {high:.2f} (pairs below {minimum:g} are left out)"
