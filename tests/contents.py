"""What a study has found, in a form that two runs can be compared by."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open


def hidden(study) -> list[Path]:
    """Files that writers leave behind when they are killed."""
    results = study.path / "results"
    found = (path for path in results.rglob("*") if path.is_file())
    return [path for path in found if _left_over(path.relative_to(results))]


def _left_over(path: Path) -> bool:
    """``path``: below the folder of results. Of a file that has not its final name, or in such a folder."""
    return any(
        part.startswith(".") and part not in (".store", ".source.json") for part in path.parts
    )


_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+)(?![\w.])")
_MEASURED = ("self_check", "metadata")  # whose numbers are of the size of rounding
_SAID = ("stage", "model", "keys", "models", "items", "config", "tasks", "methods")


@dataclass(frozen=True, eq=False)
class Content:
    """What a file says: words and whole numbers exactly, other numbers up to rounding.

    What is computed again may be computed in other company, and then differs in the last digits.
    """

    said: str
    numbers: np.ndarray

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Content) or self.said != other.said:
            return False
        ours, theirs = self.numbers, other.numbers
        largest = np.abs(ours, where=np.isfinite(ours), out=np.zeros_like(ours)).max(initial=0.0)
        return np.allclose(ours, theirs, rtol=1e-3, atol=1e-5 * largest, equal_nan=True)

    @classmethod
    def of(cls, text: str) -> "Content":
        """Of a text, in which numbers with a point or an exponent may differ."""
        numbers = np.array([float(found) for found in _NUMBER.findall(text)])
        return cls(_NUMBER.sub("#", text), numbers)


def content(study) -> dict[str, Content | None]:
    """Result -> its content, without the times and durations that some hold."""
    found = {}
    results = study.path / "results"
    for path in results.rglob("*"):
        grows = path.suffix in (".shard", ".open", ".jsonl")
        name = path.relative_to(results)
        if path.is_file() and not grows and not _left_over(name):
            found[name.as_posix()] = content_of(path)
    return found


def content_of(path: Path) -> Content | None:
    """The same of one file; None if it is not there."""
    if not path.is_file():
        return None
    whole = path.read_bytes()
    if path.parent.name == ".store" or path.name == "provenance.json":
        record = json.loads(whole)
        return Content.of(json.dumps({key: record[key] for key in _SAID if key in record}))
    if path.name == "model.json":
        record = json.loads(whole)
        return Content.of(json.dumps({k: record[k] for k in record if k not in _MEASURED}))
    if path.suffix == ".safetensors":  # whose header lists its entries in any order
        tensors, metadata = read_all(path)
        floats = [v for _, v in sorted(tensors.items()) if v.dtype.kind == "f"]
        others = [(n, v.dtype.str, v.shape) for n, v in sorted(tensors.items())]
        exact = [v.tobytes() for _, v in sorted(tensors.items()) if v.dtype.kind != "f"]
        numbers = np.concatenate([np.zeros(0), *(v.ravel().astype(float) for v in floats)])
        return Content(repr((others, exact, sorted(metadata.items()))), numbers)
    if path.suffix in (".csv", ".json"):
        return Content.of(whole.decode())
    return Content(hashlib.sha256(whole).hexdigest(), np.zeros(0))


def read_all(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata."""
    with safe_open(path, "numpy") as file:
        names = list(file.keys())
        return {n: file.get_tensor(n) for n in names}, dict(file.metadata() or {})
