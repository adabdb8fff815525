"""What a shared study says of itself: to people, to RO-Crate, to Zenodo, to the Hugging Face hub."""

from __future__ import annotations

import html
import json
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from brodmann.atlas.study import PROVENANCE, StudyFolder
from brodmann.files import read_json

CRATE = "ro-crate-metadata.json"
HOME = "https://github.com/brodmann-maps/brodmann"
KEYWORDS = (
    "brodmann",
    "interpretability",
    "language models",
    "circuits",
    "functional localization",
)
_TYPES = {
    ".csv": "text/csv",
    ".js": "text/javascript",
    ".md": "text/markdown",
    ".safetensors": "application/octet-stream",
    ".bib": "application/x-bibtex",
}
# What a path of a URI has as it is, beside letters and digits (RFC 3986).
_OF_PATHS = "/-._~!$&'()*+,;=:@"
# RO-Crate, and the profile for "this was made by that software, at that time".
_CRATE = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"


@dataclass(frozen=True)
class About:
    """What no file of results says. ``licence``: an SPDX identifier; authors as ``Family, Given``."""

    title: str = ""
    authors: tuple[str, ...] = ()
    licence: str = "CC-BY-4.0"

    def titled(self, study: StudyFolder) -> str:
        """The title, or what the study is of."""
        trained = [one.name for one in study.models if not one.control] or ["controls"]
        more = f" and {len(trained) - 3} more models" if len(trained) > 3 else ""
        return self.title or f"Functional maps of {', '.join(trained[:3])}{more}"


@dataclass(frozen=True)
class File:
    """One file of a parcel."""

    name: str
    size: int
    sha256: str


def crate(study: StudyFolder, about: About, files: Iterable[File]) -> bytes:
    """RO-Crate 1.1 as JSON-LD: the data set, each file, the models, and the run that made it."""
    files = list(files)
    said = read_json(study.results / PROVENANCE)
    authors = [
        {"@id": f"#author-{number}", "@type": "Person", "name": name}
        for number, name in enumerate(about.authors, 1)
    ]
    models = [
        {
            "@id": f"#model-{name}",
            "@type": "CreativeWork",
            "name": name,
            "identifier": str(own.get("resolved_source", "")),
            "sha256": str(own.get("weights_hash", "")),
        }
        for name, own in said.get("models", {}).items()
    ]
    software = {
        "@id": f"{HOME}#{study.version}",
        "@type": "SoftwareApplication",
        "name": "brodmann",
        "url": HOME,
        "softwareVersion": study.version,
        "identifier": str(said.get("git_commit") or study.version),
    }
    licence = f"https://spdx.org/licenses/{about.licence}"
    root = {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": _PROFILE},
        "name": about.titled(study),
        "description": _description(study),
        "datePublished": study.written,
        "license": {"@id": licence},
        "keywords": ", ".join(KEYWORDS),
        **({"author": _ids(authors)} if authors else {}),
        "hasPart": [{"@id": _place(one.name)} for one in files],
        "mentions": {"@id": "#run"},
    }
    run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "The run that made these results",
        "description": f"A run of the workflow of brodmann {study.version} to its end.",
        "endTime": study.written.replace("Z", "+00:00"),
        "instrument": {"@id": software["@id"]},
        "object": _ids(models),
        "result": {"@id": "./"},
        **({"agent": _ids(authors)} if authors else {}),
    }
    about_itself = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE},
        "about": {"@id": "./"},
    }
    graph = [
        *(about_itself, root, run, software, *authors, *models),
        {"@id": licence, "@type": "CreativeWork", "name": about.licence, "identifier": licence},
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        *(_entity(one) for one in files),
    ]
    # The terms of RO-Crate 1.1 are older than this property of files.
    context = [f"{_CRATE}/context", {"sha256": "https://schema.org/sha256"}]
    return _json({"@context": context, "@graph": graph})


def _entity(file: File) -> dict[str, Any]:
    ending = Path(file.name).suffix
    kind = _TYPES.get(ending) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return {
        "@id": _place(file.name),
        "@type": "File",
        "name": file.name,
        "contentSize": str(file.size),
        "encodingFormat": kind,
        "sha256": file.sha256,
    }


def _place(name: str) -> str:
    """A file's name as a relative URI: of ``a b#1.csv`` a reader would look for the file ``a b``."""
    return quote(name, safe=_OF_PATHS)


def _ids(entities: Iterable[Mapping[str, Any]]) -> dict[str, str] | list[dict[str, str]]:
    """References; RO-Crate 1.1 wants a single one without a list."""
    found = [{"@id": one["@id"]} for one in entities]
    return found[0] if len(found) == 1 else found


def zenodo(study: StudyFolder, about: About) -> bytes:
    """Metadata of a deposition at Zenodo."""
    related = {"identifier": HOME, "relation": "isCompiledBy", "resource_type": "software"}
    return _json(
        {
            "title": about.titled(study),
            "upload_type": "dataset",
            "description": f"<p>{html.escape(_description(study))}</p>",
            "creators": [{"name": name} for name in about.authors],
            "access_right": "open",
            "license": about.licence.lower(),
            "keywords": list(KEYWORDS),
            "related_identifiers": [related],
        }
    )


def card(study: StudyFolder, about: About, files: Iterable[str]) -> bytes:
    """README.md: on the hub, the card of the data set; its viewer shows the tables of tests."""
    tables = sorted(name for name in files if _is_table(study, name))
    head: dict[str, Any] = {
        "license": about.licence.lower(),
        "pretty_name": about.titled(study),
        "tags": [word.replace(" ", "-") for word in KEYWORDS],
    }
    if tables:
        head["configs"] = [{"config_name": Path(one).stem, "data_files": one} for one in tables]
    said = read_json(study.results / PROVENANCE).get("models", {})
    rows = [
        (
            one.name,
            str(own.get("resolved_source") or "results only"),
            str(own.get("weights_hash", ""))[:12],
            "control" if one.control else "",
        )
        for one in study.models
        for own in [said.get(one.name, {})]
    ]
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---\n",
        f"# {about.titled(study)}\n",
        f"{_description(study)}\n",
        _table(("model", "source", "weights (SHA-256)", ""), rows),
        "Begin with `results/report.html` and `results/atlas/index.html`: both open in a browser, "
        "offline. In Python (`pip install brodmann`):\n",
        '```python\nimport brodmann\n\nstudy = brodmann.open_study("results")\nstudy.tables\n```\n',
        "`results/provenance.json` says what made them: versions, settings, hashes of weights and "
        "items; `results/methods.md` puts it into words, and `results/methods.bib` names the papers "
        f"to cite. [What each file holds]({HOME}/blob/main/docs/results.md).\n",
        "`brodmann verify` compares every file with `manifest-sha256.txt`; so does "
        "`sha256sum --check manifest-sha256.txt`.\n",
    ]
    if about.authors:
        parts.insert(3, f"By {'; '.join(about.authors)}.\n")
    return "\n".join(parts).encode()


def _is_table(study: StudyFolder, name: str) -> bool:
    """A table of tests with rows: the hub's viewer cannot show others."""
    path = Path(name)
    if path.parts[1:-1] != ("statistics",) or path.suffix != ".csv":
        return False
    with open(study.results / "statistics" / path.name, encoding="utf-8") as handle:
        return len(handle.readlines(2**16)) > 1


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _description(study: StudyFolder) -> str:
    domains = ", ".join(dict.fromkeys(task.partition("/")[0] for task in study.tasks))
    models, tasks = len(study.models), len(study.tasks)
    return (
        f"Results of a study by brodmann {study.version}: {_parts(study)} of {models} language "
        f"model{'s' if models > 1 else ''}, {tasks} task{'s' if tasks > 1 else ''} ({domains}). "
        f"Config {study.config_hash[:12]}, written {study.written}."
    )


def _parts(study: StudyFolder) -> str:
    """What it has, in words."""
    there = {
        "baselines": "*/baseline/*/*.json",
        "circuits": "*/masks/*/*/*/*.csv",
        "localizers": "*/localizer/*/selectivity.safetensors",
        "functional networks": "*/networks/*/templates.safetensors",
        "lesions": "*/ablation/*/*.csv",
        "tests": "statistics/*.csv",
        "figures": "figures/*.svg",
        "a report": "report.html",
        "an atlas": "atlas/index.html",
    }
    *first, last = [name for name, files in there.items() if any(study.results.glob(files))] or [
        "its record"
    ]
    return f"{', '.join(first)} and {last}" if first else last


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
