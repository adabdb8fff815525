"""Mask files: chosen units, and of which model and site they are units.

A CSV file: ``layer``, ``unit`` and the score by which units were chosen, best first. Then, the same in every
row, ``ORIGIN``: the model's name in its study, its weights (the first digits of their hash), the site
(``brodmann.sites``), and the selection. Last, where neurons are experts', ``expert``: whose each is. These
are columns, and not a file beside the mask, because masks are copied, filtered and joined, and a file beside
them would stay behind.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from brodmann.errors import UserError, did_you_mean
from brodmann.files import read_text, write_text
from brodmann.sites import PLACES

ORIGIN = ("model", "weights", "site", "selection")
EXPERT = "expert"
# (layer, unit) -> which expert's neuron it is; None where it is none's.
ExpertOf = Callable[[int, int], int | None]
# Of the hash of the weights: enough to tell models apart, short enough to be read.
_DIGITS = 12
_AGAIN = (
    "'snakemake --cores 1 masks localizers' makes masks of an earlier version again and runs no model; "
    "to a mask of your own add the columns model and site"
)


@dataclass(frozen=True)
class Origin:
    """What a mask's units are units of. ``weights`` may be unknown: then the model's name tells it."""

    model: str
    weights: str
    site: str

    @classmethod
    def of(cls, model: str, weights_hash: str, site: str) -> Origin:
        """Of a model with these weights."""
        # Without letters in front of it, a hash of digits would come out of a spreadsheet as a number.
        return cls(model, f"sha256:{weights_hash[:_DIGITS]}", site)

    @property
    def label(self) -> str:
        """For a message."""
        return f"'{self.model}'" + (f" ({self.weights})" if self.weights else "")

    def is_of(self, model: Origin) -> bool:
        """Whether it is of the same model, whatever that is called."""
        if self.weights and model.weights:
            return self.weights == model.weights
        return self.model == model.model


@dataclass(frozen=True)
class Chosen:
    """What a mask file says: (layer, unit) of each, and their origin; None where there is no unit."""

    units: tuple[tuple[int, int], ...]
    origin: Origin | None


def write(
    path: str | Path,
    score: str,
    units: Iterable[tuple[int, int, str]],
    origin: Origin,
    selection: str,
    expert_of: ExpertOf | None = None,
) -> None:
    """``units``: (layer, unit, score as text), in order; ``score``: what it is called. ``expert_of``: of a
    model with experts; the column is empty for a unit of a layer that has none."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    more = () if expert_of is None else (EXPERT,)
    table.writerow(("layer", "unit", score, *ORIGIN, *more))
    said = {**asdict(origin), "selection": selection}
    last = [said[name] for name in ORIGIN]
    for layer, unit, value in units:
        own = () if expert_of is None else (expert_of(layer, unit),)
        table.writerow((layer, unit, value, *last, *own))
    write_text(path, text.getvalue())


def read(path: str | Path) -> Chosen:
    """A mask of ours, or a user's own: any CSV file with the columns layer, unit, model and site."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path, "utf-8-sig"), newline="")))
        header, body = rows[0], [row for row in rows[1:] if row]
        layer, unit = header.index("layer"), header.index("unit")
        units = tuple((int(row[layer]), int(row[unit])) for row in body)
    except (IndexError, ValueError, csv.Error):
        fix = "it needs the columns layer and unit, both numbers"
        raise UserError.at(str(path), "not a mask", fix) from None
    return Chosen(units, origin_of(path, header, body))


def origin_of(
    path: str | Path, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> Origin | None:
    """What the rows of a mask say they are units of; None where there are none."""
    if not {"model", "site"} <= set(header):
        raise UserError.at(str(path), "does not say of which model and site its units are", _AGAIN)
    names = [field.name for field in fields(Origin)]
    places = [header.index(name) if name in header else None for name in names]
    try:
        said = {tuple("" if at is None else row[at] for at in places) for row in rows}
    except IndexError:
        raise UserError.at(str(path), "not a mask", "its lines differ in length") from None
    if len(said) > 1:
        what = "holds units of several models or sites"
        raise UserError.at(str(path), what, "give each a file of its own")
    for model, weights, site in said:
        if site not in PLACES:
            raise UserError.at(str(path), f"no site '{site}'", did_you_mean(site, PLACES))
        return Origin(model, weights, site)
    return None
