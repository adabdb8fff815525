"""What a unit's page says of it from the model: a file per model, and its reader.

``results/{model}/units/pages.json`` holds, of the units that the study's maps chose, which tokens they
promote and suppress (the logit lens) and at which tokens of the networks' texts they are driven most;
``results/{model}/units/silenced.csv`` what patching a unit alone did, where that has been measured. How both
are computed: docs/atlas.md#units.

Signs: a unit that is driven above 0 raises the logits of what it promotes; where its value is below 0, it
lowers them. A head's direction has no sign of its own: either list may be the one that it promotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from brodmann.errors import UserError
from brodmann.files import REBUILD, incomplete, read_dicts, read_json, write_json
from brodmann.sites import SITES

VERSION = 1
SILENCED_COLUMNS = ("component", "task", "layer", "unit", "effect", "source")
# So many times as far below as above: then the places below are those that drive it (as for networks).
FARTHER = 2

# A token and the change of its logit.
Token = tuple[str, float]


@dataclass(frozen=True)
class Place:
    """A token of a text at which something is strong.

    ``text``: number of the text among its dataset's samples, from 0. ``position``: of the token in the text,
    from 0, special tokens counted. ``before`` and ``after``: what stands around it. ``value``: the unit's
    activation, the length of what a head writes, or a network's mean course (z).
    """

    dataset: str
    text: int
    position: int
    before: str
    token: str
    after: str
    value: float


@dataclass(frozen=True)
class Driven:
    """Where something is highest and lowest over the networks' texts, strongest first.

    ``mean`` and ``sd`` are those over all tokens that count; ``first``: the value of largest magnitude at a
    text's first token, which does not count. NaN where none was read. A head's length has no lowest places.
    """

    highest: tuple[Place, ...] = ()
    lowest: tuple[Place, ...] = ()
    mean: float = float("nan")
    sd: float = float("nan")
    first: float = float("nan")

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it is driven most: the highest places, or the lowest where it goes twice as far from its
        mean there."""
        if not self.lowest or not self.highest:
            return self.highest
        above, below = self.highest[0].value - self.mean, self.mean - self.lowest[0].value
        return self.lowest if below >= FARTHER * max(above, 0.0) else self.highest


@dataclass(frozen=True)
class UnitPage:
    """One unit of a site (``brodmann.sites``); ``unit`` counts heads where the site is that of heads.

    ``share``: of a head's output weights, the share of their squared length that lies on the direction whose
    tokens are listed; 1 for all other units.
    """

    site: str
    layer: int
    unit: int
    promotes: tuple[Token, ...] = ()
    suppresses: tuple[Token, ...] = ()
    share: float = 1.0
    driven: Driven = field(default_factory=Driven)

    @property
    def component(self) -> str:
        """``neurons`` or ``heads``; empty for dimensions of the residual stream."""
        return SITES[self.site].component


@dataclass(frozen=True)
class NetworkPage:
    """One network of a dataset: ``network`` counts from 0, as in templates.safetensors."""

    dataset: str
    network: int
    site: str
    n_units: int
    promotes: tuple[Token, ...] = ()
    suppresses: tuple[Token, ...] = ()
    driven: Driven = field(default_factory=Driven)


@dataclass(frozen=True)
class Pages:
    """All pages of a model. ``notes``: what is not there, and why, in sentences."""

    units: tuple[UnitPage, ...] = ()
    networks: tuple[NetworkPage, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def by_unit(self) -> Mapping[tuple[str, int, int], UnitPage]:
        """(site, layer, unit) -> page."""
        return {(one.site, one.layer, one.unit): one for one in self.units}


@dataclass(frozen=True)
class Silenced:
    """What a unit alone did to a task, measured: ``effect`` is what the metric gains where only this unit has
    its clean activation in the corrupted run (docs/circuits.md), in units of the metric.

    ``source``: ``agreement`` (a sample of units of attribution.agreement), ``estimators, POSITIONS`` (of the
    comparison of estimators) or ``attribution`` (the study's own estimator is ``exact``).
    """

    component: str
    task: str
    layer: int
    unit: int
    effect: float
    source: str


def pages_file(results: str | Path, model: str) -> Path:
    """Where a model's pages are."""
    return Path(results, model, "units", "pages.json")


def silenced_file(results: str | Path, model: str) -> Path:
    """Where the effects of single units are."""
    return Path(results, model, "units", "silenced.csv")


def write_pages(path: str | Path, pages: Pages) -> None:
    """Write ``pages`` as JSON: numbers to six digits, those that are not finite as null."""
    write_json(path, {"version": VERSION, **_rounded(asdict(pages))}, indent=None)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(own) for own in value]
    return value


def read_pages(path: str | Path) -> Pages:
    """The inverse of ``write_pages``."""
    found = read_json(path)
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise UserError.at(str(path), f"is not of version {VERSION}", REBUILD)
    try:
        return Pages(
            units=tuple(
                UnitPage(**{**_page(one), "share": _number(one["share"])}) for one in found["units"]
            ),
            networks=tuple(NetworkPage(**_page(one)) for one in found["networks"]),
            notes=tuple(found["notes"]),
        )
    except (KeyError, TypeError, ValueError):
        raise incomplete(path) from None


def read_silenced(path: str | Path) -> list[Silenced]:
    """Rows of silenced.csv."""
    try:
        return [
            Silenced(
                row["component"],
                row["task"],
                int(row["layer"]),
                int(row["unit"]),
                float(row["effect"]),
                row["source"],
            )
            for row in read_dicts(path, SILENCED_COLUMNS)
        ]
    except ValueError as error:
        raise UserError.at(str(path), f"cannot be read: {error}", REBUILD) from None


def _page(written: dict[str, Any]) -> dict[str, Any]:
    own = written["driven"]
    driven = Driven(
        _places(own["highest"]),
        _places(own["lowest"]),
        *(_number(own[name]) for name in ("mean", "sd", "first")),
    )
    tokens = {
        name: tuple((str(token), float(logit)) for token, logit in written[name])
        for name in ("promotes", "suppresses")
    }
    return {**written, **tokens, "driven": driven}


def _places(written: Sequence[dict[str, Any]]) -> tuple[Place, ...]:
    return tuple(Place(**one) for one in written)


def _number(written: float | None) -> float:
    return float("nan") if written is None else float(written)
