"""How consistent networks are: templates against the networks of single texts, and against each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from brodmann.networks.iou import from_units, iou
from brodmann.networks.maps import Networks, is_identified
from brodmann.store.tensors import facts_of

_TENSORS = ("units", "starts", "explained", "stability")


@dataclass(frozen=True)
class SampleNetworks:
    """The networks of one text, as the units (layer * width + unit) of each."""

    units: np.ndarray  # int32, one network after another
    starts: np.ndarray  # int64 [networks + 1]
    explained: np.ndarray  # [networks]
    stability: np.ndarray  # [networks]; see ``ica.stability``
    shape: tuple[int, int]  # (layers, units)
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Units in each network [networks]."""
        return np.diff(self.starts)

    @property
    def identified(self) -> np.ndarray:
        """Which networks all starts that were tried come to, up to little: bool [networks]."""
        return is_identified(self.stability)

    def only_identified(self) -> SampleNetworks:
        """Without the networks that depend on where the iteration starts."""
        kept = self.identified
        units = np.split(self.units, self.starts[1:-1])
        some = [own for own, there in zip(units, kept, strict=False) if there]
        return replace(
            self,
            units=np.concatenate([self.units[:0], *some]),
            starts=np.concatenate([[0], np.cumsum(self.sizes[kept])]).astype(np.int64),
            explained=self.explained[kept],
            stability=self.stability[kept],
        )

    @classmethod
    def of(cls, networks: Networks, **facts: Any) -> SampleNetworks:
        """What is kept of a text's networks."""
        n_units = int(np.prod(networks.shape))  # -1 says nothing where there is no network
        rows, units = np.nonzero(networks.members.reshape(len(networks), n_units))
        starts = np.searchsorted(rows, np.arange(len(networks) + 1))
        own = networks.explained, networks.stability, networks.shape
        return cls(units.astype(np.int32), starts.astype(np.int64), *own, facts)

    def pack(self) -> bytes:
        """As the content of a safetensors file."""
        from safetensors.numpy import save

        tensors = {name: getattr(self, name) for name in _TENSORS}
        metadata = {"shape": list(self.shape), "facts": self.facts}
        return save(tensors, metadata={"sample": json.dumps(metadata)})

    @classmethod
    def unpack(cls, content: bytes) -> SampleNetworks:
        """The inverse of ``pack``."""
        from safetensors.numpy import load

        metadata = facts_of(content, "sample")
        return cls(**load(content), shape=tuple(metadata["shape"]), facts=metadata["facts"])


@dataclass(frozen=True)
class DatasetNetworks:
    """A dataset's templates, and the networks of its single texts that are counted, of ``found``."""

    name: str
    templates: Networks
    samples: Sequence[SampleNetworks]
    found: int | None = None


CONSISTENCY = [
    *("dataset", "template", "count", "n_units", "mean_best_iou", "denominator", "samples"),
    *("stability", "identified", "found"),
]


def consistency_table(datasets: Sequence[DatasetNetworks], threshold: float) -> pd.DataFrame:
    """Per template: how many networks of single texts it is found in (IoU beyond ``threshold``).

    ``denominator``: the networks of all texts that are counted, of ``found``; ``mean_best_iou``: the largest
    IoU within a text, averaged over texts; ``identified``: whether the template is one that starts agree on.
    """
    rows = []
    for dataset in datasets:
        found = _against_samples(dataset)
        ends = np.cumsum([len(sample) for sample in dataset.samples])
        parts = np.split(found, ends[:-1]) if len(ends) else []
        best = [part.max(0) for part in parts if len(part)]
        own = dataset.templates
        table = pd.DataFrame({"template": range(len(own)), "n_units": own.n_units})
        rows.append(
            table.assign(
                dataset=dataset.name,
                count=(found > threshold).sum(0),
                mean_best_iou=np.mean(best, axis=0) if best else np.nan,
                denominator=len(found),
                samples=len(dataset.samples),
                stability=own.stability,
                identified=is_identified(own.stability).astype(int),
                found=len(found) if dataset.found is None else dataset.found,
            )
        )
    return (
        pd.concat(rows, ignore_index=True)[CONSISTENCY]
        if rows
        else pd.DataFrame(columns=CONSISTENCY)
    )


def _against_samples(dataset: DatasetNetworks) -> np.ndarray:
    """IoU of every network of every text with every template [networks, templates]."""
    n_units = int(np.prod(dataset.templates.shape))
    units = [sample.units for sample in dataset.samples]
    sizes = [sample.sizes for sample in dataset.samples]
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]) if sizes else np.zeros(1, int)
    joined = np.concatenate(units) if units else np.zeros(0, np.int32)
    return iou(from_units(joined, starts, n_units), dataset.templates.members)


TEMPLATE_IOU = ["dataset_a", "template_a", "dataset_b", "template_b", "iou", "above"]


def template_iou_table(datasets: Sequence[DatasetNetworks], threshold: float) -> pd.DataFrame:
    """IoU of every two templates, of one dataset or two, each pair once; ``above`` marks it > threshold."""
    names = [
        (dataset.name, template)
        for dataset in datasets
        for template in range(len(dataset.templates))
    ]
    columns = TEMPLATE_IOU
    if not names:
        return pd.DataFrame(columns=columns)
    members = np.concatenate([dataset.templates.members for dataset in datasets])
    found = iou(members, members)
    first, second = np.triu_indices(len(names), 1)
    rows = [
        (*names[i], *names[j], value, int(value > threshold))
        for i, j, value in zip(first, second, found[first, second], strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


SIZES = ["dataset", "level", "sample", "network", "n_units", "percent", "explained", "stability"]


def sizes_table(datasets: Sequence[DatasetNetworks], n_units: int) -> pd.DataFrame:
    """Size of every network; ``level``: group (templates) or individual (``sample`` is the text's number).

    ``n_units``: of the model, of the networks' site.
    """
    rows: list[tuple[Any, ...]] = []
    for dataset in datasets:
        own = dataset.templates
        parts: list[tuple[Any, ...]] = [(("group", ""), own.n_units, own)]
        for number, sample in enumerate(dataset.samples):
            parts.append((("individual", number), sample.sizes, sample))
        for level, sizes, found in parts:
            values = zip(sizes.tolist(), found.explained, found.stability, strict=True)
            rows += [
                (
                    dataset.name,
                    *level,
                    n,
                    size,
                    100 * size / n_units,
                    float(share),
                    float(stability),
                )
                for n, (size, share, stability) in enumerate(values)
            ]
    return pd.DataFrame(rows, columns=SIZES)


LAYERS = ["dataset", "level", "template", "layer", "n_units", "percent"]


def layers_table(datasets: Sequence[DatasetNetworks]) -> pd.DataFrame:
    """Where networks lie: units per layer of every template, and of the texts' networks taken together.

    ``percent``: of the network's (or all networks') units.
    """
    rows: list[tuple[Any, ...]] = []
    for dataset in datasets:
        for template, members in enumerate(dataset.templates.members):
            rows += _layer_rows(dataset.name, "group", template, members.sum(1))
        n_layers, width = dataset.templates.shape
        counts = np.zeros(n_layers, dtype=np.int64)
        for sample in dataset.samples:
            counts += np.bincount(sample.units // width, minlength=n_layers)
        rows += _layer_rows(dataset.name, "individual", "", counts)
    return pd.DataFrame(rows, columns=LAYERS)


def _layer_rows(name: str, level: str, template: Any, counts: np.ndarray) -> list[tuple[Any, ...]]:
    total = int(counts.sum())
    return [
        (name, level, template, layer, int(n), 100 * n / total if total else np.nan)
        for layer, n in enumerate(counts.tolist())
    ]
