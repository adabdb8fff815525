"""A preregistration: what a study will do, written before it is done; and whether a run matches it.

``results/preregistration.json`` holds a readable summary, the effective config, every test with its sides and
correction, the rules of verdicts, the versions of methods and software, hashes of the items, of the texts, of
weights and of results that are taken over, and what results there were when it was written. Its last value is
the SHA-256 of all others as canonical JSON: a change by hand is found. (Whoever wants to show that the file
was not written anew keeps the SHA-256 elsewhere.)

No job reads it but that which writes the report.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import digest, incomplete, read_json, read_text, write_json
from brodmann.methods import METHODS
from brodmann.pipeline.made import changes
from brodmann.pipeline.workspace import REGISTRATION
from brodmann.provenance import software
from brodmann.report import verdicts
from brodmann.report.page import Group, Table
from brodmann.report.sources import Sources
from brodmann.statistics.inventory import Inventory
from brodmann.statistics.planned import planned_tests
from brodmann.store import ledger

_HASH = "sha256"
_BACK = "put the file back as it was, or take it away"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# What belongs to a plan: a run is compared with it by these.
_PLAN = ("config", "methods", "verdicts", "tests", "items", "imported")
# What registrations and runs of earlier versions do not say; it is compared where both do.
_LATER = ("texts", "weights")


def plan_of(
    study: Study,
    inventory: Inventory,
    *,
    config: Mapping[str, Any],
    items: Mapping[str, Mapping[str, str]],
    imported: Mapping[str, str],
    texts: Mapping[str, str] | None = None,
    weights: Mapping[str, Mapping[str, str]] | None = None,
    methods: Mapping[str, int] = METHODS,
) -> dict[str, Any]:
    """What a study does. ``items``: task -> wording -> hash; ``imported``, ``texts``: file -> hash.

    ``weights``: model -> ``hashes_of`` it, of models whose weights are there.
    """
    later = dict(zip(_LATER, (texts, weights), strict=True))
    return {
        "config": config,
        "methods": dict(methods),
        "verdicts": {
            "version": verdicts.VERSION,
            "alpha": verdicts.ALPHA,
            "reliable": verdicts.RELIABLE,
            "moderately_reliable": verdicts.MODERATE,
        },
        "tests": {one.name: asdict(one) for one in planned_tests(study, inventory)},
        "items": items,
        "imported": imported,
        **{name: values for name, values in later.items() if values is not None},
    }


def hashes_of(weights: str, tokenizer: str) -> dict[str, str]:
    """What a model is: hashes of its weights and of its tokenizer."""
    return {"weights": weights, "tokenizer": tokenizer}


@dataclass(frozen=True)
class Registration:
    """A file that is what was written."""

    values: dict[str, Any]

    @classmethod
    def new(cls, plan: Mapping[str, Any], results: Path) -> Registration:
        """Of a plan, now; and what there is in the folder of results already."""
        body = {
            "written": time.strftime(_TIME, time.gmtime()),
            **plan,
            "software": software(),
            "results": {"existed": results_exist(results), "first_record": first_record(results)},
        }
        body = {"summary": list(_summary(body)), **body}
        # As it is read again: JSON has no tuples.
        body = json.loads(json.dumps(body, allow_nan=False))
        return cls({**body, _HASH: digest(body)})

    @classmethod
    def read(cls, path: str | Path) -> Registration:
        """A file of ours; an error if it was changed after it was written."""
        try:
            values = json.loads(read_text(path))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict) or _HASH not in values:
            raise UserError.at(str(path), "is not what 'brodmann prereg' writes", _BACK)
        body = {key: value for key, value in values.items() if key != _HASH}
        if digest(body) != values[_HASH]:
            what = "its content does not match its SHA-256: it was changed after it was written"
            raise UserError.at(str(path), what, _BACK)
        if not {*_PLAN, "written", "software", "results"} <= set(values):
            raise UserError.at(str(path), "was written by another version of brodmann", _BACK)
        return cls(values)

    def write(self, path: str | Path) -> None:
        """Where there is none yet."""
        write_json(path, self.values)

    @property
    def sha256(self) -> str:
        """Of all that it says."""
        return str(self.values[_HASH])

    def against(self, plan: Mapping[str, Any]) -> Deviations:
        """Where a plan, or what a run did, is another one."""
        now = json.loads(json.dumps({name: plan[name] for name in _PLAN}, allow_nan=False))
        old = self.values
        settings = list(changes(old["config"], now["config"]))
        settings += changes(old["methods"], now["methods"], "method")
        settings += changes(old["verdicts"], now["verdicts"], "verdicts")
        tests = list(_changed_tests(old["tests"], now["tests"]))
        inputs = [f"items of {task}" for task in _others(old["items"], now["items"])]
        inputs += _others(old["imported"], now["imported"])
        if "texts" in old and "texts" in plan:
            inputs += [f"texts of {path}" for path in _others(old["texts"], plan["texts"])]
        # Of models whose weights were not there when the file was written, or are not now, nothing is known.
        were, are = old.get("weights", {}), plan.get("weights", {})
        for name in (name for name in were if name in are):
            inputs += [f"{part} of {name}" for part in _others(were[name], are[name])]
        return Deviations(settings, tests, inputs)

    def when(self, results: Path) -> str:
        """Before or after the first record that a run has left."""
        first = first_record(results)
        noted = self.values["results"]
        if noted["existed"]:
            since = f" (first record: {noted['first_record']})" if noted["first_record"] else ""
            return f"when results existed already{since}"
        if first is None:
            return "no record says when the study was first run"
        # Both in UTC, to the second.
        if self.values["written"] <= first:
            return f"before the first record of the study ({first})"
        return f"after the first record of the study ({first})"


@dataclass(frozen=True)
class Deviations:
    """Where a run is not what was registered, a line each."""

    settings: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """All of them."""
        parts = (("setting", self.settings), ("test", self.tests), ("input", self.inputs))
        return [f"{kind}: {line}" for kind, lines in parts for line in lines]


def _changed_tests(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield f"{name}: registered, and not made"
        elif name not in old:
            yield f"{name}: made, and not registered"
        else:
            yield from (f"{name}: {line}" for line in changes(old[name], new[name]))


def _others(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names whose hash is another one, or is there in one only."""
    names = dict.fromkeys([*old, *new])
    return [name for name in names if old.get(name) != new.get(name)]


def first_record(results: Path) -> str | None:
    """When the first record of any model was made: by the ledgers, else by the files of the stores."""
    times = []
    for place in results.glob("*/.store"):
        try:
            entries = ledger.read(place)
        except (ValueError, OSError):  # a ledger that was cut is no ledger
            continue
        # That a model was fetched and checked says nothing about it.
        times += [one["time"] for one in entries if one.get("stage") != "check"]
    if not times:
        made = [file.stat().st_mtime for file in results.glob("*/.store/*/*.shard")]
        times = [time.strftime(_TIME, time.gmtime(one)) for one in made]
    return min(times, default=None)


def results_exist(results: Path) -> bool:
    """Whether anything was found out already: items, and models that were checked, are no results."""
    if first_record(results) is not None:
        return True
    tables = ("statistics/*.csv", "*/baseline/*/*.json", "*/overlap/*/*.csv", "report.html")
    return any(next(results.glob(pattern), None) is not None for pattern in tables)


def _summary(body: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads first."""
    config, tests = body["config"], body["tests"]
    made = body["software"]
    yield f"Preregistration of a study with brodmann {made['brodmann']}, written {body['written']}."
    if body["results"]["existed"]:
        first = body["results"]["first_record"]
        yield "RESULTS EXISTED when this was written" + (f" (since {first})." if first else ".")
    else:
        yield "No results existed when this was written."
    yield f"Models: {', '.join(config['models'])}."
    if body["items"]:
        yield f"Tasks ({len(body['items'])}): {', '.join(body['items'])}."
    if body["imported"]:
        yield f"Results that are taken over: {len(body['imported'])} files."
    if body.get("texts"):
        yield f"Texts of localizers and networks: {len(body['texts'])} files."
    if body.get("weights"):
        yield f"Weights of which the hashes are here: {', '.join(body['weights'])}."
    yield f"Alpha {body['verdicts']['alpha']}; rules of verdicts version {body['verdicts']['version']}."
    yield f"Tests ({len(tests)}):"
    for name, one in tests.items():
        yield (
            f"- {name}: {one['question']} {one['null']}; {one['sides']}; "
            f"correction: {one['correction']}."
        )


# In the report


def registered(sources: Sources) -> tuple[list[str], Group | None]:
    """What the report says of the registration, if the study has one: sentences, and a group to open."""
    path = sources.results / Path(REGISTRATION).name
    if not path.exists():
        return [], None
    registration = Registration.read(path)
    then = registration.values["software"]
    plan, now = _as_run(sources, then)
    found = registration.against(plan)
    said = sources.say(
        "preregistration.found",
        registration.values["written"],
        registration.sha256,
        registration.when(sources.results),
        found,
        len(registration.values["tests"]),
        list(changes({name: then[name] for name in now}, now)),
    )
    rows = [_row(one) for one in registration.values["tests"].values()]
    heads = ("question", "table and column", "null", "sides", "correction")
    words = frozenset(range(len(heads)))
    tables = [Table("Tests that were registered.", heads, rows, words, path.name)]
    if found.lines:
        table = [line.partition(": ")[::2] for line in found.lines]
        caption = "What differs from the registration."
        tables.insert(0, Table(caption, ("kind", "what"), table, frozenset({0, 1})))
    return said, Group("Preregistration", tables=tables)


def _as_run(sources: Sources, then: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the run did, and by which software (of that which was noted ``then``), as its provenance says."""
    path = sources.results / "provenance.json"
    record = read_json(path)
    try:
        did = {
            "config": record["config"],
            "items": {task: one["items_sha256"] for task, one in record["tasks"].items()},
            "imported": record["imported"],
            "texts": record.get("texts"),
            "weights": {
                name: hashes_of(one["weights_hash"], one["tokenizer_hash"])
                for name, one in record.get("models", {}).items()
                if "weights_hash" in one
            },
            "methods": record["methods"],
        }
        now = {name: record[name] for name in ("brodmann", "git_commit", "python")}
        now["packages"] = {name: record["packages"].get(name) for name in then["packages"]}
    except (KeyError, TypeError, AttributeError):
        raise incomplete(path) from None
    return plan_of(sources.study, sources.inventory, **did), now


def _row(one: Mapping[str, str]) -> Sequence[str]:
    place = f"{one['table'].removeprefix('results/')}: {one['column']}"
    return [one["question"], place, one["null"], one["sides"], one["correction"]]
