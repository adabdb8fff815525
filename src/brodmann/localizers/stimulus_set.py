"""A folder in the form of a Brain-Score stimulus set: the stimuli as CSV, the recordings as an assembly.

``stimulus_set.csv`` or ``stimulus_{NAME}.csv``: a row per stimulus, with ``stimulus_id`` and its text in
``sentence``, ``stimulus`` or ``text``. ``passage_label``, ``story`` or ``group`` says what belongs together.

``assembly.*`` or ``assy_{NAME}.*``: a row (a *presentation*) for each time that a stimulus was shown. As CSV
it has ``stimulus_id``, may have ``repetition`` and ``subject``, and a further column per voxel (a *neuroid*).
As NetCDF it has one array with the dimensions presentation and neuroid, and the same names as coordinates;
``subject`` may be one of the neuroids, too. NetCDF of the classic format is read (by SciPy). Brain-Score's
own files are NetCDF-4; xarray, which wrote them, turns them into it.

An assembly that has the texts (``stimulus``), as those of brainscore_language do, needs no CSV of stimuli.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.errors import UserError
from brodmann.files import read_text
from brodmann.localizers.recordings import Recordings, Stimuli, stimuli_of

_ID, _REPETITION, _SUBJECT, _NEUROID = "stimulus_id", "repetition", "subject", "neuroid_id"
_TEXTS = ("sentence", "stimulus", "text")
_GROUPS = ("passage_label", "story", "group")
# What a column of an assembly may say of a presentation: all others are neuroids.
_SAID = (_ID, _REPETITION, _SUBJECT, *_TEXTS, *_GROUPS)
_CLASSIC = (
    "xarray makes a file that is read here: "
    "xarray.open_dataset(OLD).to_netcdf(NEW, format='NETCDF3_64BIT')"
)


@dataclass(frozen=True)
class Assembly:
    """Presentations x neuroids. ``said``: name -> what is said of each presentation, as text."""

    path: Path
    values: np.ndarray  # float64 [presentations, neuroids], NaN where nothing was recorded
    said: Mapping[str, list[str]]
    neuroids: tuple[str, ...]
    subjects: tuple[str, ...] = ()  # of neuroids


def read_stimulus_set(folder: str | Path) -> tuple[Stimuli, Recordings | None]:
    """The stimuli that were recorded, in the order of their file, and the recordings, if there are any."""
    place = Path(folder)
    listed = _one(place, ("stimulus_set.csv", "stimulus_*.csv"), "of stimuli")
    found = _one(place, ("assembly.csv", "assembly.nc", "assy_*.csv", "assy_*.nc"), "of recordings")
    assembly = None if found is None else _assembly(found)
    said: Mapping[str, list[str]]
    if listed is not None:
        source, said = listed, _columns(listed)
    elif assembly is not None and any(name in assembly.said for name in _TEXTS):
        source, said = assembly.path, assembly.said
    else:
        raise UserError.at(
            str(place),
            "there is no stimulus_set.csv",
            f"a row per stimulus, with {_ID} and sentence; or stimulus_NAME.csv",
        )
    texts, groups = _texts(source, said)
    if assembly is None:
        return stimuli_of(source, list(texts.values()), _of(groups, texts)), None
    shown = assembly.said[_ID]
    if unknown := sorted(set(shown) - set(texts)):
        what = f"{_ID} '{unknown[0]}' is not one of the stimuli in {source.name}"
        raise UserError.at(str(assembly.path), what)
    known = set(shown)
    kept = [one for one in texts if one in known]
    stimuli = stimuli_of(source, [texts[one] for one in kept], _of(groups, kept))
    return stimuli, _recordings(assembly, kept)


def _of(groups: Mapping[str, str] | None, stimuli: Iterable[str]) -> list[str] | None:
    """The groups of some stimuli, if there are any."""
    return None if groups is None else [groups[one] for one in stimuli]


def _one(folder: Path, names: Sequence[str], what: str) -> Path | None:
    """The file of one of these names; an error if several could be meant."""
    for name in names:
        found = sorted(folder.glob(name))
        if len(found) > 1:
            both = " and ".join(one.name for one in found[:2])
            raise UserError.at(str(folder), f"several files {what}: {both}", "leave one of them")
        if found:
            return found[0]
    return None


def _columns(path: Path) -> dict[str, list[str]]:
    """Column -> its cells."""
    rows = [row for row in csv.reader(io.StringIO(read_text(path, "utf-8-sig"))) if row]
    if len(rows) < 2 or _ID not in rows[0]:
        raise UserError.at(str(path), f"there is no column {_ID}, or no row below it")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise UserError.at(str(path), f"row {number} has {len(row)} cells, not {len(rows[0])}")
    return {name: [row[n] for row in rows[1:]] for n, name in enumerate(rows[0])}


def _texts(
    path: Path, said: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], dict[str, str] | None]:
    """stimulus_id -> text, and -> group."""
    name = next((one for one in _TEXTS if one in said), None)
    if name is None:
        raise UserError.at(str(path), f"there is no column {', '.join(_TEXTS[:-1])} or text")
    grouped = next((one for one in _GROUPS if one in said), None)
    texts: dict[str, str] = {}
    groups: dict[str, str] = {}
    for number, (one, text) in enumerate(zip(said[_ID], said[name], strict=True)):
        if not text.strip():
            raise UserError.at(str(path), f"stimulus '{one}' has no text")
        if texts.setdefault(one, text) != text:
            raise UserError.at(str(path), f"two texts have the {_ID} '{one}'")
        groups.setdefault(one, said[grouped][number] if grouped else "")
    return texts, groups if grouped else None


# Assemblies


def _assembly(path: Path) -> Assembly:
    found = _from_netcdf(path) if path.suffix == ".nc" else _from_csv(path)
    if not found.values.size:
        raise UserError.at(str(path), "holds no recordings")
    return found


def _from_csv(path: Path) -> Assembly:
    columns = _columns(path)
    neuroids = [name for name in columns if name not in _SAID and name.strip()]
    values = np.empty((len(columns[_ID]), len(neuroids)))
    for place, name in enumerate(neuroids):
        for row, cell in enumerate(columns[name]):
            try:
                values[row, place] = float(cell) if cell.strip() else np.nan
            except ValueError:
                what = f"row {row + 2}, column {name}: '{cell}' is no number"
                fix = f"columns other than {', '.join(_SAID)} are voxels"
                raise UserError.at(str(path), what, fix) from None
    said = {name: columns[name] for name in _SAID if name in columns}
    return Assembly(path, values, said, tuple(neuroids))


def _from_netcdf(path: Path) -> Assembly:
    from scipy.io import netcdf_file

    try:
        with path.open("rb") as handle:
            hdf = handle.read(4) == b"\x89HDF"
        if hdf:
            raise UserError.at(str(path), "is NetCDF-4, which is not read here", _CLASSIC)
        with netcdf_file(path, "r", mmap=False) as file:
            every = {name: (one.dimensions, one[...]) for name, one in file.variables.items()}
    except UserError:
        raise
    except OSError as error:
        raise UserError.at(str(path), f"cannot be read: {error.strerror or error}") from None
    except Exception:  # SciPy says nothing of its own about damaged files
        raise UserError.at(str(path), "is not a NetCDF file, or is damaged", _CLASSIC) from None
    return _of_variables(path, every)


def _of_variables(path: Path, every: Mapping[str, tuple[tuple[str, ...], Any]]) -> Assembly:
    """``every``: name -> dimensions and values."""
    wanted = ("presentation", "neuroid")
    arrays = [name for name, (dims, _) in every.items() if set(wanted) <= set(dims)]
    if len(arrays) != 1:
        what = f"has {len(arrays)} arrays with the dimensions presentation and neuroid, not one"
        raise UserError.at(str(path), what)
    dims, raw = every[arrays[0]]
    more = [name for name in dims if name not in wanted]
    if any(raw.shape[dims.index(name)] != 1 for name in more):
        fix = "average it, or choose one place in it, before you save the assembly"
        raise UserError.at(str(path), f"has the dimension {more[0]} as well", fix)
    order = [dims.index(name) for name in (*wanted, *more)]
    values = np.transpose(raw, order).reshape(*(raw.shape[n] for n in order[:2]))
    of: dict[str, dict[str, list[str]]] = {
        dim: {
            name: _as_text(own)
            for name, (dims, own) in every.items()
            if dims[:1] == (dim,) and name not in arrays
        }
        for dim in wanted
    }
    if _ID not in of["presentation"]:
        raise UserError.at(str(path), f"its presentations have no coordinate {_ID}")
    neuroids = of["neuroid"].get(_NEUROID) or [str(n) for n in range(values.shape[1])]
    said = {name: own for name, own in of["presentation"].items() if name in _SAID}
    subjects = tuple(of["neuroid"].get(_SUBJECT, ()))
    return Assembly(path, values.astype(np.float64), said, tuple(neuroids), subjects)


def _as_text(values: np.ndarray) -> list[str]:
    """A coordinate as text; NetCDF's strings are rows of single bytes."""
    if values.dtype.kind == "S" and values.ndim == 2:
        return [b"".join(row.tolist()).decode("utf-8", "replace").rstrip("\x00") for row in values]
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values.tolist()]


def _recordings(assembly: Assembly, order: Sequence[str]) -> Recordings:
    """By stimulus, in this order: the mean over presentations, and these as repeated measurements."""
    whole = np.isfinite(assembly.values).all(0)
    if not whole.any():
        what = "no voxel was recorded in every presentation"
        raise UserError.at(str(assembly.path), what, "leave out presentations without a value")
    values = assembly.values[:, whole]
    names = tuple(name for name, own in zip(assembly.neuroids, whole, strict=True) if own)
    subjects: tuple[str, ...] = ()
    if len(set(assembly.subjects)) > 1:
        subjects = tuple(s for s, own in zip(assembly.subjects, whole, strict=True) if own)
    shown, people = assembly.said[_ID], assembly.said.get(_SUBJECT, [])
    by_subject = len(set(people)) > 1
    # Subject, or number of the showing -> stimulus -> rows.
    rows: dict[str, dict[str, list[int]]] = {}
    seen: dict[str, int] = {}
    labels = people if by_subject else assembly.said.get(_REPETITION, [])
    for row, stimulus in enumerate(shown):
        seen[stimulus] = seen.get(stimulus, 0) + 1
        label = labels[row] if labels else str(seen[stimulus])
        rows.setdefault(label, {}).setdefault(stimulus, []).append(row)
    for label, own in rows.items():
        if missing := [one for one in order if one not in own]:
            kind = "subject" if by_subject else "repetition"
            raise UserError.at(
                str(assembly.path),
                f"stimulus '{missing[0]}' was not recorded in {kind} {label}",
                "each stimulus must have been measured as often as the others",
            )
    repeats = np.stack(
        [np.stack([values[own[one]].mean(0) for one in order]) for own in rows.values()]
    )
    several = len(repeats) > 1
    return Recordings(
        names,
        repeats.mean(0),
        repeats if several else None,
        by_subject and several,
        subjects,
        int((~whole).sum()),
    )
