"""``networks:``: what is decomposed and how, and where the texts of its datasets come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from brodmann.config.massive import Massive, massive_settings
from brodmann.config.network_use import (
    EditingSettings,
    FollowingSettings,
    NetworkUse,
    ProbingSettings,
)
from brodmann.config.resolve import FOLDER_NAME, IN_NAMES, Resolver
from brodmann.config.section import (
    AS_WHOLE,
    Count,
    DistinctSome,
    Positive,
    Section,
    Share,
    SomeText,
    Truth,
    Whole,
)
from brodmann.config.stages import NETWORK_USE, NETWORKS
from brodmann.errors import UserError, did_you_mean
from brodmann.sites import SITES, UNIT_SITES

# Whose activations are decomposed: what a block is made of, then what it puts out.
NETWORK_SITES = tuple(sorted(UNIT_SITES, key=lambda name: not SITES[name].named))
Site = Literal[NETWORK_SITES]  # type: ignore[valid-type]
# A dataset's name is a folder's; this one holds something else, and tables lie beside it.
RESERVED_DATASETS = frozenset({"interpretation"})
# Which networks of single samples are counted.
IDENTIFIED_ONLY, ALL_FOUND = "identified", "all"
# Which side of the threshold counts.
BOTH, POSITIVE = "both", "positive"
CORPUS, HUB, TASK, FILE = "corpus", "hf", "task", "file"


def keeps_signs(method: str, side: str) -> bool:
    """Whether maps keep the sign they come with, as in the published FastICA path: what lies above the
    threshold is taken."""
    return method == "fastica" and side == POSITIVE


def is_dataset_name(name: str) -> bool:
    """Whether a dataset's folder may be called so."""
    free = name not in RESERVED_DATASETS and not name.endswith(".csv")
    return free and FOLDER_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class Dataset:
    """One entry of ``networks.datasets``. ``source`` is what ``load_corpus`` takes: paths are resolved."""

    name: str
    source: str

    @property
    def kind(self) -> str:
        """corpus | hf | task | file."""
        return source_kind(self.source)[0]

    @property
    def task(self) -> str | None:
        """The task whose prompts these are, if any."""
        return self.source.partition(":")[2] if self.kind == TASK else None

    @property
    def shown(self) -> str:
        """The source without the folders of the machine that it is read on."""
        return Path(self.source).name if self.kind == FILE else self.source

    @property
    def file(self) -> str | None:
        """The file or folder that the texts are read from, if any; a field of it is left out."""
        return existing(self.source) if self.kind == FILE else None


def source_kind(text: str) -> tuple[str, str]:
    """(kind, what stands behind it) of a source as it is written."""
    kind, colon, rest = text.partition(":")
    if colon and kind in (CORPUS, HUB, TASK):
        return kind, rest
    return FILE, text


def existing(source: str) -> str:
    """The path in ``PATH#FIELD``; names of files may hold '#' themselves."""
    return source if Path(source).exists() else source.rpartition("#")[0] or source


class NetworkKeys(Section):
    """Functional networks (docs/networks.md): a model's signals over texts, decomposed by independent
    component analysis as those of a brain. Nothing is computed without datasets."""

    sources: dict[str, SomeText] = Field(default={}, alias="datasets")
    """Name -> texts (docs/networks.md). `corpus:encyclopedia`, `corpus:news`, `corpus:maths` or
    `corpus:code` (shipped); a folder of .txt files; `FILE.txt`; `FILE.jsonl` or `FILE.jsonl#FIELD`;
    `hf:ORG/NAME:CONFIG:SPLIT#COLUMN`, a dataset of the Hugging Face hub; or `task:DOMAIN/NAME` for a task's
    own prompts. Paths are relative to the config file."""
    method: Literal["canica", "fastica", "dictionary"] = "canica"
    """canica - spatial ICA of the reduced signals; fastica - temporal ICA; dictionary - sparse maps."""
    site: Site = "mlp_output"
    """The units - what every MLP, attention or block puts out, or every MLP's hidden neurons."""
    layers: DistinctSome[Whole] | None = None
    """Layers whose units are decomposed, from 0; null takes all."""
    scope: Literal["all", "layer", "window"] = "all"
    """What is decomposed together - all layers, each layer by itself, or windows of neighbouring layers."""
    window: Count = 4
    """Layers in a window."""
    group_samples: Count = 100
    """Samples of a dataset that are concatenated and decomposed into its templates."""
    individual_samples: Whole = 100
    """Further samples that are decomposed one by one."""
    group_components: Count = 10
    """Templates of a dataset."""
    individual_components: Count = 64
    """Networks of one sample; one of t tokens has at most t - 1."""
    individual_kept: Literal["identified", "all"] = "identified"
    """identified counts those networks of a sample that several starts of the iteration agree on; all counts
    what one start found, as published."""
    threshold: Positive = 3.6
    """A unit belongs to a network if its z lies beyond this."""
    side: Literal["both", "positive"] = "both"
    """both - beyond the threshold on either side; positive - above it only."""
    zscore: Truth = True
    """Whether every unit's signal is standardised over the tokens."""
    row_norm: Truth = False
    """Whether every token's signals are then scaled to length 1."""
    drop_first: Truth = False
    """Whether the first token of a sample is left out, where attention sinks live."""
    massive: Massive = "keep"
    """Units of massive activations (docs/localizers.md) - keep decomposes them as all others; exclude leaves
    them out of the signals and of random controls; separate does so, too, and edits them as a set of their
    own."""
    max_tokens: Annotated[int, Strict(), Field(ge=2), AS_WHOLE] = 512
    """Tokens of a sample that are read, special tokens included."""
    restarts: Count = 10
    """Starts of the iteration, of which one run is kept; the stability of networks is measured over all."""
    seed: Whole = 0
    """Seed of the starts, of the samples' order, of the items drawn for editing and probing, and of
    `corpus:maths`."""
    iou_threshold: Share = 0.2
    """A template is found in an individual network if their IoU lies beyond this."""
    editing: EditingSettings = EditingSettings()
    probing: ProbingSettings = ProbingSettings()
    following: FollowingSettings = FollowingSettings()

    def resolved(self, selected: tuple[str, ...], here: Resolver) -> NetworkSettings:
        """The section with its files and tasks found."""
        own = {
            "sources": {
                name: _found(name, source, selected, here) for name, source in self.sources.items()
            },
            "layers": None if self.layers is None else tuple(sorted(self.layers)),
            "editing": self.editing.resolved(selected, here),
            "probing": self.probing.resolved(selected, here),
            "following": self.following.resolved(here),
            "stimuli": str((here.root / "stimuli").resolve()),
        }
        return NetworkSettings(**{**dict(self), **own})


def _found(name: str, source: str, selected: tuple[str, ...], here: Resolver) -> str:
    """A dataset's source, a path resolved; texts are read later, but what names them must be there."""
    # Jobs, which find their study resolved, do without these.
    from brodmann.stimuli.corpora import SHIPPED
    from brodmann.stimuli.hub import HubDataset

    path = ("networks", "datasets", name)
    if not is_dataset_name(name):
        here.problem(path, f"{name!r} cannot be a dataset's folder", IN_NAMES)
    kind, rest = source_kind(source)
    if kind == CORPUS and rest not in SHIPPED:
        here.problem(path, f"no shipped corpus '{rest}'", did_you_mean(rest, SHIPPED))
    if kind == HUB:
        try:
            HubDataset.parse(rest)
        except UserError as error:
            here.take(error, path)
    if kind == TASK and selected and rest not in selected:
        what = f"'{rest}' is not among the tasks of the study"
        here.problem(path, what, did_you_mean(rest, selected))
    if kind != FILE:
        return source
    place = here.resolve(source, path)
    file = here.resolve(source.rpartition("#")[0] or source, path)
    if not (here.exists(place, folder=True) or here.exists(place) or here.exists(file)):
        fix = "or corpus:NAME, hf:NAME, task:NAME"
        here.problem(path, f"no such file or folder: {place}", fix)
    return str(place)


class NetworkSettings(NetworkKeys):
    """``networks:``. Without datasets nothing is computed."""

    stimuli: str  # folder of the shipped corpora

    @property
    def compared(self) -> str:
        """What is held against the threshold, in words."""
        return "z" if self.side == POSITIVE else "|z|"

    @property
    def names(self) -> tuple[str, ...]:
        """The datasets, in the order of the config."""
        return tuple(self.sources)

    @property
    def datasets(self) -> dict[str, Dataset]:
        """Name -> where its texts come from."""
        return {name: Dataset(name, source) for name, source in self.sources.items()}

    @property
    def of_tasks(self) -> bool:
        """Whether a dataset is of a task's prompts, which depend on how the model is addressed."""
        return any(one.task for one in self.datasets.values())

    @property
    def use(self) -> NetworkUse:
        """What is done with networks once they are found."""
        return NetworkUse(self.editing, self.probing, self.following)

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Of networks, their use, and what is set beside them."""
        if stage in NETWORKS:
            # A path is an input: a study may move.
            texts = {n: one.kind if one.file else one.source for n, one in self.datasets.items()}
            counted = ("iou_threshold", "individual_kept") if stage == "networks" else ()
            return {
                **self.extraction(),
                **self.decomposition(),
                **massive_settings(self.massive),
                "datasets": texts,
                "samples": [self.group_samples, self.individual_samples],
                "components": [self.group_components, self.individual_components],
                **{key: getattr(self, key) for key in counted},
            }
        found: dict[str, Any] = {}
        if stage in (*NETWORK_USE, "network_agreement"):
            found |= {"site": self.site, "seed": self.seed}
        if stage in NETWORK_USE:
            found |= massive_settings(self.massive)
            found["editing"] = self.editing.measurement()
            found["probing"] = self.probing.model_dump()
            found["texts"] = self.following.texts
        return found

    def extraction(self) -> dict[str, Any]:
        """What decides the signals, beside the model and the texts."""
        return self.part("site", "layers", "drop_first", "max_tokens")

    def decomposition(self) -> dict[str, Any]:
        """What decides the maps of given signals, beside how many there are."""
        return {
            "method": self.method,
            "scope": self.scope,
            "window": self.window if self.scope == "window" else None,
            "zscore": self.zscore,
            "row_norm": self.row_norm,
            "restarts": self.restarts,
            "seed": self.seed,
            "threshold": self.threshold,
            "side": self.side,
        }
