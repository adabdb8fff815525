"""What the data files of the atlas hold (docs/atlas.md#data); for the page, atlas/src/contract.ts says it.

A field that is None is left out of its file. Arrays are numpy arrays here, and ``{dtype, shape, data}`` there
(``brodmann.atlas.encode``). Flat units are ``layer * width + unit``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

VERSION = 1


@dataclass(frozen=True)
class Made:
    """By what, when, from which config, and the command that makes the atlas again."""

    brodmann: str
    date: str
    config_hash: str
    command: str


@dataclass(frozen=True)
class Domain:
    """A domain of tasks, as figures show it."""

    name: str
    label: str
    colour: str


@dataclass(frozen=True)
class Task:
    """A task of the study: ``name`` is domain/task."""

    name: str
    label: str
    domain: str


@dataclass(frozen=True)
class Component:
    """A kind of unit that circuits consist of. ``bin``: units per cell where the model's units are binned;
    ``tried``: other estimators whose attributions are there, each at some positions (``relp at all``);
    ``width``: units of the widest layer, ``widths``: of each, where they differ."""

    name: str
    label: str
    width: int
    site: str
    bin: int | None = None
    estimator: str | None = None
    tried: list[str] | None = None
    widths: list[int] | None = None


@dataclass(frozen=True)
class TaskOfModel:
    """Whether a model does the task, and how well. ``accuracy``: share of items right in both directions."""

    included: bool
    reason: str
    accuracy: float
    n_items: int  # that circuits were found on


@dataclass(frozen=True)
class LocalizerOfModel:
    """A localizer that a model has."""

    name: str
    label: str
    site: str
    width: int
    selections: list[str]
    widths: list[int] | None = None


@dataclass(frozen=True)
class Network:
    """One network. ``label``: where its course is high, or low, as the report says. ``harm``: the factor that
    perplexity grows by where it is inhibited; ``control``: the same of as many random units (their mean)."""

    name: str
    n_units: int
    label: str
    harm: float | None = None
    control: float | None = None


@dataclass(frozen=True)
class NetworksOfModel:
    """The networks of one dataset."""

    dataset: str
    site: str
    width: int
    method: str
    networks: list[Network]
    widths: list[int] | None = None


@dataclass(frozen=True)
class Series:
    """Where a checkpoint stands in its series."""

    name: str
    axis: str
    step: float


@dataclass
class Model:
    """A model of the study. ``of``: whose untrained control it is; ``files``: logical name -> file."""

    name: str
    label: str
    control: bool
    matrices_only: bool
    layers: int
    components: list[Component]
    estimators: list[str]
    tasks: dict[str, TaskOfModel]
    sels: list[str]
    main_sel: str
    localizers: list[LocalizerOfModel]
    networks: list[NetworksOfModel]
    binned: bool
    files: dict[str, str]
    of: str | None = None
    series: Series | None = None
    weights: str | None = None  # as masks have them


@dataclass(frozen=True)
class Comparison:
    """Two models that are to be seen side by side. ``kind``: control (``other`` is it), series or models."""

    one: str
    other: str
    kind: str


@dataclass
class Manifest:
    """All that the first paint needs."""

    title: str
    made: Made
    domains: list[Domain]
    tasks: list[Task]
    models: list[Model]
    comparisons: list[Comparison]
    shared: str  # the colour of units of several domains
    average: bool = False
    files: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


@dataclass(frozen=True)
class Bins:
    """Cells of several units side by side in a layer; the last one of a layer may hold fewer."""

    width: int  # cells per layer
    size: int  # units per cell
    max: np.ndarray  # f32 [layers, cells]: the value of the largest magnitude, with its sign
    mean: np.ndarray  # f32 [layers, cells]
    count: np.ndarray  # u16 [layers, cells]: units of the main circuit
    positive: np.ndarray  # u16 [layers, cells]: units with an attribution above 0
    negative: np.ndarray  # u16 [layers, cells]: below 0


@dataclass(frozen=True)
class Scores:
    """One task's attribution: of every unit, or in bins (of units by index, and in the order of domains)."""

    scores: np.ndarray | None = None  # f32 [layers, width]
    bins: Bins | None = None
    domain_bins: Bins | None = None
    n_items: int | None = None  # of an estimator that was tried: on so many items


@dataclass(frozen=True)
class Layer:
    """All tasks' attribution in one layer."""

    tasks: list[str]
    scores: np.ndarray  # f32 [tasks, width]
    ranks: np.ndarray  # i32 [tasks, width]: 1 is the largest positive one of the whole model


@dataclass(frozen=True)
class Circuit:
    """A mask: flat units, best first, with their scores."""

    units: np.ndarray  # i32 [n]
    scores: np.ndarray  # f32 [n]


@dataclass(frozen=True)
class Order:
    """The domains' order of units."""

    domain: np.ndarray  # u16 or i32 [layers, width]: the unit that stands at each place of a layer
    how: str


@dataclass(frozen=True)
class Domains:
    """What domains the units (or bins) are of; first axes as in ``Manifest.domains``."""

    dominant: (
        np.ndarray
    )  # u8 [layers, cells]: index of the domain with the largest share; 255 where none
    share: np.ndarray  # f32 [layers, cells]: its share of all domains' |attribution|
    strength: (
        np.ndarray
    )  # f32 [layers, cells]: that of all domains, as a multiple of the mean unit's
    circuits: (
        np.ndarray
    )  # u16 [domains, layers, cells]: units in main circuits, counted for each task
    how: str
    size: int = 1  # units per cell
    domain_order: Domains | None = None  # the same of bins in the domains' order


@dataclass(frozen=True)
class Localizer:
    """t of every unit, and which units are selected."""

    t: np.ndarray  # f32 [layers, width]
    site: str
    selections: dict[str, np.ndarray]  # flat units, best first
    random: dict[str, np.ndarray]  # control draws
    texts: str | None = None


@dataclass(frozen=True)
class NetworkMaps:
    """Networks of one dataset as maps over units."""

    maps: np.ndarray  # f32 [networks, layers, width]
    members: list[np.ndarray]  # flat units
    names: list[str]
    threshold: float
    site: str
