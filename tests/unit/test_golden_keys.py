"""Store keys and what they are taken of, against ``tests/golden/``: no change of code may cost a user a run.

Every pass is run on small fixed studies with a store that says it holds whatever it is asked for. So no model
is loaded, and what was asked for is every key of the stage. For each key the golden file holds the value that
is hashed, and those behind the hashes in it.

Versions of methods stand as words: raising one breaks nothing here, as it is meant to
cost a run; another input of a hash does. Where things are in the package only ``golden/passes.py`` knows.

After a deliberate change (say so in CHANGELOG.md: users compute these stages again) write the files anew and
read the difference::

    BRODMANN_GOLDEN=write python -m pytest tests/unit/test_golden_keys.py && git diff tests/golden
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from golden.passes import (
    METHODS,
    Cache,
    Files,
    Networks,
    SampleNetworks,
    Store,
    digest,
    expand_task,
    fetch,
    hashing,
    list_published,
    load_config,
    load_contrast,
    load_corpus,
    load_definition,
    read_items,
    read_published,
    the_passes,
)
from safetensors.numpy import save

from brodmann.config.schema import config_schema
from brodmann.errors import UserError
from brodmann.sites import COMPONENTS, UNIT_SITES

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
WRITING = os.environ.get("BRODMANN_GOLDEN") == "write"
LONGEST = 2000  # characters of a hashed text that the golden file holds in full
SHA256 = re.compile(r"[0-9a-f]{64}")

DUAL, SINGLE = "language/subject_verb_agreement", "formal/number_sequence"
LAYERS, NEURONS, HEADS, HIDDEN = 2, 12, 4, 8
N_ITEMS, USED = 8, [0, 1, 2, 3, 5, 6, 7]
WORDS = ("a", "gull", "cried", "while", "the", "plough", "stood", "still", "by", "a", "road")

# Each study differs from the others in as many settings as can differ.
STUDIES: dict[str, dict[str, Any]] = {
    # Mostly defaults: raw text, first order, everything that is done with every map.
    "completion": {
        "models": {"toy": {"filter": "aligned"}},
        "attribution": {
            "components": ["neurons", "heads"],
            "splits": 3,
            "bootstraps": 5,
            "agreement": {"tasks": ["language/*"], "units": 4, "items": 2},
        },
        "selection": {"percents": [10.0, 25.0], "main": 10.0},
        "ablation": {
            "kinds": ["corrupted", "zero", "mean"],
            "layer_matched_trials": 1,
            "random_trials": 2,
        },
        "faithfulness": {
            "tasks": ["*"],
            "fractions": [0, 25, 100],
            "kinds": ["corrupted", "zero", "mean"],
        },
        "localizer": {
            "networks": ["language", "theory_of_mind", "multiple_demand"],
            "percentages": [5.0, 20.0],
            "lesion": {"kinds": ["zero", "mean"], "seeds": [42], "items": 3, "passages": 2},
        },
        "networks": {
            "datasets": {"sea": "texts/sea.txt", "prompts": f"task:{DUAL}"},
            "editing": {
                **{"items": 2, "passages": 2, "seeds": [0], "top_percent": 10.0},
                "amounts": {"multiply": [1.5], "add": []},
                "tasks": ["language/*"],
            },
            "probing": {"tasks": ["formal/*"], "items": 10},
            "following": {"texts": 2},
        },
    },
    # Chat with a system text, integrated gradients, half of the items, other signs, sites and ranges.
    "chat": {
        "models": {"talker": {"format": "chat", "system": "Be brief.", "dtype": "float32"}},
        "tasks": {"split": "half"},
        "attribution": {
            "estimator": "ig",
            "ig_steps": 7,
            "gradient": "correct_answer",
            "splits": 2,
            "bootstraps": 4,
            "seed": 3,
            "second_seed": False,
            "agreement": {"tasks": ["*"], "units": 3, "items": 2},
        },
        "selection": {"signs": ["negative", "absolute"], "percents": [10.0, 50.0], "main": 50.0},
        "ablation": {
            "percents": [10.0, 50.0],
            "max_items": 2,
            "layer_matched_trials": 1,
            "random_trials": 1,
            "seed": 5,
        },
        "faithfulness": {
            "tasks": ["language/*"],
            "fractions": [10, 50],
            "signs": ["absolute"],
            "other_domains": "all",
            "random_trials": 2,
            "max_items": 2,
            "seed": 5,
        },
        "localizer": {
            "networks": ["language"],
            "pooling": {"language": "mean"},
            "truncate": {"language": None},
            "site": "mlp_hidden",
            "percentages": None,
            "num_units": 3,
            "range": "50-100",
            "seed": 1,
            "lesion": {"percentages": [10.0], "seeds": [1, 2], "items": 2},
        },
        "networks": {
            "datasets": {"sea": "texts/sea.txt"},
            "method": "fastica",
            "scope": "window",
            "window": 1,
            "layers": [1],
            "side": "positive",
            "zscore": False,
            "drop_first": True,
            "restarts": 2,
            "seed": 4,
            "editing": {
                "inhibit": False,
                "networks": False,
                "amounts": {"multiply": [0.5, 2.0], "add": [-1.0]},
                "items": 3,
                "seeds": [1],
                "localizer": None,
            },
            "probing": {"tasks": ["language/*"], "items": 11, "folds": 2, "seed": 2},
            "following": {"texts": 1},
        },
    },
    # Chat wording as raw text with BOS, exact patching, neurons as units of every map.
    "raw chat": {
        "models": {"toy": {"format": "chat", "chat_template": "none", "bos": "model"}},
        "attribution": {"estimator": "exact", "exact_units": 6, "components": ["heads"]},
        "selection": {"percents": [30.0], "main": 30.0},
        "ablation": {"layer_matched_trials": 0, "random_trials": 0},
        "faithfulness": {
            "tasks": ["formal/*"],
            "fractions": [0, 30],
            "other_domains": 0,
            "layer_matched_trials": 0,
        },
        "localizer": {
            "networks": ["theory_of_mind", "multiple_demand"],
            "answers": "random",
            "demand": "span",
            "site": "mlp_output",
            "range": "0-0",
            "lesion": {"seeds": [], "tasks": []},
        },
        "networks": {
            "datasets": {"sea": "texts/sea.txt"},
            "method": "dictionary",
            "scope": "layer",
            "site": "mlp_hidden",
            "row_norm": True,
            "threshold": 2.0,
            "max_tokens": 30,
            "group_components": 3,
            "individual_components": 5,
            "editing": {
                **{"localizer": "theory_of_mind", "networks": False, "tasks": [], "seeds": []},
                "amounts": {"multiply": [], "add": [1.0]},
            },
        },
    },
}


# Sections of a study of which the config of the test has what the study says.
CIRCUITS = ("attribution", "selection", "ablation", "faithfulness")


@dataclass
class Seen:
    """What was hashed and which keys were asked for while code ran."""

    hashed: dict[str, str] = field(default_factory=dict)  # SHA-256 -> the JSON text
    asked: dict[str, set[str]] = field(default_factory=dict)  # folder of the store -> keys

    def golden(self, keys: set[str]) -> dict[str, Any]:
        """Key -> what it is taken of, in the order of that."""
        return {key: self.value(key) for key in sorted(keys, key=self.hashed.__getitem__)}

    def value(self, sha256: str) -> Any:
        """What was hashed; of a long text only its beginning."""
        text = self.hashed[sha256]
        if len(text) <= LONGEST:
            return json.loads(text)
        return {"characters": len(text), "starts": text[:200]}

    def inside(self, keys: set[str]) -> set[str]:
        """The hashes of values that the values behind ``keys`` hold, directly or not."""
        found: set[str] = set()
        new = set(keys)
        while new:
            inner = {one for key in new for one in SHA256.findall(self.hashed[key])}
            new = (inner & self.hashed.keys()) - found
            found |= new
        return found


@pytest.fixture
def seen(monkeypatch) -> Seen:
    """Notes what is hashed; versions of methods are words."""
    found = Seen()
    plain = hashing.canonical_json

    def noted(value: Any) -> bytes:
        content = plain(value)
        found.hashed[hashlib.sha256(content).hexdigest()] = content.decode()
        return content

    monkeypatch.setattr(hashing, "canonical_json", noted)
    for name in METHODS:
        monkeypatch.setitem(METHODS, name, f"version of {name}")
    return found


@pytest.fixture
def full_store(seen, monkeypatch) -> Seen:
    """Stores hold everything: each look-up is noted and answered."""

    def get(store: Store, key: str) -> bytes:
        stage = store.folder.name
        seen.asked.setdefault(stage, set()).add(key)
        return RECORDS.get(stage, lambda key: b"a record")(key)

    def put(store: Store, key: str, payload: bytes) -> None:
        raise AssertionError(f"{store.folder.name}: a full store is written to")

    monkeypatch.setattr(Store, "get", get)
    monkeypatch.setattr(Store, "put", put)
    return seen


# Records that passes read before they know what else to ask for.


def _scores(key: str) -> bytes:
    rising = [float(n) for n in range(N_ITEMS)]
    names = ("clean_correct", "corrupted_incorrect", "clean_answer", "clean_joint")
    others = ("clean_incorrect", "corrupted_correct", "corrupted_answer", "corrupted_joint")
    columns = {name: [-1.0] * N_ITEMS for name in names}
    columns |= {name: [-2.0 - one for one in rising] for name in others}
    tokens = [7] * N_ITEMS
    record = {
        "single_answer": False,
        "clean_tokens": tokens,
        "corrupted_tokens": tokens,
        "log_probs": columns,
    }
    return json.dumps(record).encode()


def _selectivity(key: str) -> bytes:
    t = (np.arange(LAYERS * NEURONS) * 7 % 25 / 4).reshape(LAYERS, NEURONS)
    half = np.full(t.shape, 0.5)
    tensors = {"t": t, "p": half, "p_fdr": half}
    return save(tensors, metadata={"facts": json.dumps({"n_positive": 2, "n_negative": 2})})


def _activations(key: str) -> bytes:
    """What controls are matched in."""
    return save({"activations": np.arange(1.0, 1 + LAYERS * NEURONS).reshape(LAYERS, NEURONS)})


def _checked(key: str) -> bytes:
    measured = {name: value for name, value in card("toy").items() if name in MEASURED}
    return json.dumps({**measured, "metadata": {}}).encode()


RECORDS: dict[str, Callable[[str], bytes]] = {
    "baseline": _scores,
    "ablation": _activations,
    "localizer": _selectivity,
    "network_use": _selectivity,
    "check": _checked,
}
MEASURED = (
    *("dtype", "n_parameters", "n_layers", "hidden_size", "neurons_per_layer", "heads_per_layer"),
    *("head_dim", "vocabulary_size", "has_chat_template", "architecture", "self_check", "massive"),
)


# The files of a study


def card(model: str) -> dict[str, Any]:
    """``model.json``."""
    return {
        "name": model,
        "source": "path:weights",
        "resolved_source": "path:weights",
        "revision": None,
        "untrained": False,
        "trust_remote_code": False,
        "weights_hash": f"weights of {model}",
        "tokenizer_hash": f"tokenizer of {model}",
        "dtype": "float32",
        "n_parameters": 1000,
        "n_layers": LAYERS,
        "hidden_size": HIDDEN,
        "neurons_per_layer": NEURONS,
        "heads_per_layer": HEADS,
        "head_dim": HIDDEN // HEADS,
        "vocabulary_size": 50,
        "has_chat_template": model == "talker",
        "format": "chat" if model == "talker" else "completion",
        "architecture": {"family": model, "mlp_hidden": "mlp.down"},
        "self_check": {
            "passed": True,
            "widths": {
                **{"heads": HEADS, "attention_output": HIDDEN, "mlp_hidden": NEURONS},
                **{"mlp_output": HIDDEN, "block_output": HIDDEN},
            },
        },
        "massive": {site: [{"layer": 0, "unit": 1}] for site in UNIT_SITES},
        "metadata": {},
    }


def items(task: str, seed: int = 0) -> dict[str, Any]:
    """A task's items file. Groups hold one or two items."""
    single = task == SINGLE

    def pair(number: int, mark: str) -> dict[str, Any]:
        return {
            "clean_prompt": f"{mark} {task} {seed} number {number}: yes, é",
            "corrupted_prompt": f"{mark} {task} {seed} number {number}: nay, é",
            "correct": f" right {number}",
            "incorrect": None if single else f" wrong {number}",
        }

    return {
        "task": task,
        "wordings": {
            "completion": [pair(n, "Text of") for n in range(N_ITEMS)],
            "chat": [pair(n, "Question about") for n in range(N_ITEMS)],
        },
        "single_answer": single,
        "force_base_evaluation": False,
        "groups": [f"group {n // 2 if n < 4 else n}" for n in range(N_ITEMS)],
        "metadata": {"seed": seed},
    }


def baseline_record(task: str) -> dict[str, Any]:
    """``baseline/{task}.json`` of a task that is included."""
    scores = json.loads(_scores(""))["log_probs"]
    rows = [
        {"id": n, "prompt_tokens": 7, **{name: column[n] for name, column in scores.items()}}
        for n in range(N_ITEMS)
    ]
    return {
        "task": task,
        "n_items": N_ITEMS,
        "n_aligned": N_ITEMS,
        "n_both_correct": len(USED),
        "clean_accuracy": 1.0,
        "corrupted_accuracy": 1.0,
        "both_correct_accuracy": 1.0,
        "clean_baseline": 4.0,
        "corrupted_baseline": -4.0,
        "both_correct_ids": USED,
        "included": True,
        "reason": "",
        "unnormalised": False,
        "single_answer": task == SINGLE,
        "used_ids": USED,
        "misaligned_ids": [],
        "items": rows,
    }


def mask(model: str, component: str, task: str, width: int, size: int) -> str:
    """A mask that differs between tasks."""
    start = 1 if task == SINGLE else 5
    units = [(start + 3 * n) % (LAYERS * width) for n in range(size)]
    said = f"{model},,{COMPONENTS[component]}"
    rows = [f"{unit // width},{unit % width},{1 + n},{said}" for n, unit in enumerate(units)]
    return "\n".join(["layer,unit,score,model,weights,site", *rows, ""])


def attribution(task: str, width: int) -> bytes:
    """Scores that differ between tasks."""
    step = 7 if task == SINGLE else 5
    scores = (np.arange(LAYERS * width) * step % 23 / 4 - 2).reshape(LAYERS, width)
    return save({"attribution": scores.astype(np.float32)})


def templates(width: int) -> bytes:
    """Two networks of all layers."""
    shape = (2, LAYERS, width)
    maps = (np.arange(np.prod(shape)) * 7 % 23 / 4 - 2).reshape(shape)
    tensors = {
        "maps": maps,
        "explained": np.array([0.5, 0.25]),
        "stability": np.array([1.0, 0.75]),
        "filters": maps / 8,
        "mean": maps[0] / 4,
        "sd": np.full(shape[1:], 2.0),
    }
    described = {"threshold": 2.5, "side": "both", "facts": {"zscore": True}}
    return save(tensors, metadata={"networks": json.dumps(described)})


def write(path: Path, content: str | bytes | dict[str, Any]) -> str:
    """A file, its folder with it; JSON of a dict. Returns its path from the working directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path.relative_to(Path.cwd()))


def write_texts(folder: Path) -> None:
    """Stimuli of two localizers, a corpus, and samples for networks."""

    def sentence(number: int, count: int = 12) -> str:
        return " ".join(WORDS[(number + 3 * place) % len(WORDS)] for place in range(count))

    language = folder / "stimuli" / "language"
    write(language / "sentences.txt", "\n".join(sentence(n) for n in range(2)) + "\n")
    write(language / "nonwords.txt", "\n".join(sentence(n)[::-1] for n in range(2)) + "\n")
    for kind in ("belief", "photograph"):
        story = {"story": f"A {kind}. It is so.", "question": "Is it so?", "answer": True}
        other = {"story": f"No {kind}. It is not.", "question": "Is it so?", "answer": False}
        stories = yaml.safe_dump({"stories": [story, other]})
        write(folder / "stimuli" / "theory_of_mind" / f"false_{kind}.yaml", stories)
    write(folder / "texts" / "prose.txt", "Salt lay about.\n\nNo road led there.\n\nIt was late.")
    write(folder / "texts" / "sea.txt", "\n\n".join(sentence(n, 5 + n) for n in range(6)))
    write(folder / "texts" / "example.txt", "The gull cried, the plough stood still.")


def write_study(folder: Path, settings: dict[str, Any]) -> tuple[Any, Files]:
    """A study in ``folder``, which is the working directory, and the files of its model."""
    [(model, entry)] = settings["models"].items()
    write_texts(folder)
    write(folder / "weights" / "config.json", {"hidden_size": HIDDEN})
    found = settings["networks"]
    config = {
        "tasks": {"include": [DUAL, SINGLE], **settings.get("tasks", {})},
        **{part: settings[part] for part in CIRCUITS},
        "models": {model: {"source": "path:weights", **entry}},
        "localizer": {
            **settings["localizer"],
            "stimuli": "stimuli",
            "lesion": {**settings["localizer"]["lesion"], "corpus": "texts/prose.txt"},
        },
        "networks": {
            **{"group_samples": 3, "individual_samples": 2, **found},
            "editing": {**found["editing"], "corpus": "texts/prose.txt"},
            "following": {**found.get("following", {}), "example": "texts/example.txt"},
        },
    }
    write(folder / "config.yaml", yaml.safe_dump(config))
    study = load_config([folder / "config.yaml"], root=ROOT).study
    results = folder / "results" / model
    components = {"neurons": NEURONS, "heads": HEADS}
    selections = [
        f"{sign}-{percent}pct"
        for sign in settings["selection"].get("signs", ["positive"])
        for percent in settings["selection"]["percents"]
    ]
    for component, width in components.items():
        for size, selection in enumerate(selections, 2):
            for task in (DUAL, SINGLE):
                path = results / "masks" / component / selection / f"{task}.csv"
                write(path, mask(model, component, task, width, size))
        for task in (DUAL, SINGLE):
            path = results / "attribution" / component / f"{task}.safetensors"
            write(path, attribution(task, width))
    width = NEURONS if found.get("site") == "mlp_hidden" else HIDDEN
    record = {
        "source": "path:weights",
        "resolved": "path:weights",
        "revision": None,
        "weights_hash": f"weights of {model}",
        "tokenizer_hash": f"tokenizer of {model}",
        "weight_files": {},
        "bytes": 0,
    }
    files = Files(
        model=model,
        store=str((results / ".store").relative_to(folder)),
        card=write(results / "model.json", card(model)),
        record=write(results / ".source.json", record),
        manifest=str((results / ".store" / "pass.json").relative_to(folder)),
        items=[
            write(folder / f"results/items/{task}.json", items(task)) for task in (DUAL, SINGLE)
        ],
        second=[
            write(folder / f"results/items/second/{task}.json", items(task, 1))
            for task in (study.second_tasks and (DUAL, SINGLE))
        ],
        baselines=[
            write(results / "baseline" / f"{task}.json", baseline_record(task))
            for task in (DUAL, SINGLE)
        ],
        masks=str((results / "masks").relative_to(folder)),
        attributions=str((results / "attribution").relative_to(folder)),
        templates={
            name: write(results / "networks" / name / "templates.safetensors", templates(width))
            for name in found["datasets"]
        },
    )
    return study, files


# Comparison


def compare(name: str, found: dict[str, Any]) -> None:
    """With ``tests/golden/{name}.json``, entry by entry; or write it."""
    path = GOLDEN / f"{name}.json"
    found = json.loads(json.dumps(found))
    if WRITING:
        golden = json.loads(path.read_text()) if path.exists() else {}
        text = "{\n" + ",\n".join(_lines({**golden, **found}, " ")) + "\n}\n"
        path.write_text(text, encoding="utf-8")
        assert json.loads(text) == {**golden, **found}
        return
    golden = json.loads(path.read_text(encoding="utf-8"))
    problems = list(_differences({part: golden[part] for part in found}, found, name))
    shown = "\n".join(problems[:5])
    assert not problems, f"{len(problems)} differences; the first:\n{shown}"


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    """JSON with an entry a line, so that differences can be read."""
    for key, own in value.items():
        head = f"{indent}{json.dumps(key)}: "
        is_value = SHA256.fullmatch(key)
        if isinstance(own, dict) and not is_value and any(map(_nested, own.values())):
            yield head + "{\n" + ",\n".join(_lines(own, indent + " ")) + f"\n{indent}}}"
        else:
            yield head + _line(own)


def _nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _differences(golden: Any, found: Any, where: str) -> Iterator[str]:
    if isinstance(golden, dict) and isinstance(found, dict):
        for key in sorted(golden.keys() | found.keys()):
            if key not in found:
                yield f"{where}: no longer {key}: {_line(golden[key])}"
            elif key not in golden:
                yield f"{where}: new is {key}: {_line(found[key])}"
            else:
                yield from _differences(golden[key], found[key], f"{where}, {key}")
    elif golden != found:
        yield f"{where}: {_line(golden)} became {_line(found)}"


# The tests


def versioned(values: dict[str, Any]) -> bool:
    """Whether every value that is hashed holds a method's version."""
    return all("version of" in json.dumps(value) for value in values.values())


@pytest.mark.parametrize("name", STUDIES)
def test_every_key_of_every_pass(name, tmp_path, monkeypatch, full_store):
    monkeypatch.chdir(tmp_path)
    study, files = write_study(tmp_path, STUDIES[name])
    keys: dict[str, dict[str, list[Any]]] = {}
    for stage, run in the_passes(study, files).items():
        full_store.asked.clear()
        run()
        keys[stage] = {
            folder: full_store.golden(asked) for folder, asked in full_store.asked.items()
        }
    assert all(keys.values())
    every = {key for folders in keys.values() for own in folders.values() for key in own}
    blind = {stage for stage, folders in keys.items() if not all(map(versioned, folders.values()))}
    assert not blind, "raising their versions would recompute nothing"
    compare("keys", {name: {**keys, "hashes in them": full_store.golden(full_store.inside(every))}})


def test_what_makes_weights_the_same(tmp_path, monkeypatch, seen):
    """Hashes of a model's files, and names of what is made of them in the cache."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights"
    for name, content in {
        "config.json": {"hidden_size": 8, "torch_dtype": "float16", "transformers_version": "0"},
        "tokenizer.json": {"model": "toy"},
        "chat_template.jinja": "{{ messages }}",
        "model.safetensors": "not read",
        "modeling_toy.py": "pass",
        "README.md": "no part of a model",
    }.items():
        write(folder / name, content)
    write(tmp_path / "toy.gguf", "not read either")
    made = []

    def folder_of(cache: Cache, section: str, name: str, build: object) -> Path:
        made.append(f"{section}/{name}")
        return folder

    monkeypatch.setattr(Cache, "folder", folder_of)
    entries = {
        "trained": {"source": "path:weights"},
        "untrained": {"source": "path:weights", "untrained": True, "seed": 3},
        "converted": {"source": "gguf:toy.gguf"},
    }
    write(tmp_path / "config.yaml", yaml.safe_dump({"models": entries}))
    study = load_config([tmp_path / "config.yaml"], root=ROOT).study
    found = {}
    for name in entries:
        made.clear()
        record = fetch(study.model(name), Cache(str(tmp_path / "cache")))
        hashes = {record.weights_hash, record.tokenizer_hash}
        found[name] = {"made": list(made), "hashes": seen.golden(hashes)}
    compare("keys", {"weights": found})


def published_folder(folder: Path) -> Path:
    """A task in the published layout."""
    entry = {"path": "toy.json", "prefix": "In: ", "concatenation": ".", "suffix": "Out:"}
    rows = [
        {
            "clean_problem": f"clean {n}",
            "corrupted_problem": f"corrupted {n}",
            "clean_correct": "yes",
            "clean_incorrect": "no",
            "corrupted_correct": "no",
            "corrupted_incorrect": "yes",
        }
        for n in range(3)
    ]
    write(folder / "config" / "MD" / "config.json", {"toy": entry})
    write(folder / "data" / "MD" / "toy.json", json.dumps(rows))
    return folder


def test_items_of_published_tasks(tmp_path, monkeypatch, seen):
    monkeypatch.chdir(tmp_path)
    folder = published_folder(tmp_path / "published")
    [task] = list_published(folder)
    own = read_published(folder, task)
    found = {wording: seen.golden({own.digest(wording)}) for wording in own.wordings}
    compare("keys", {"published items": {**found, "groups": own.groups}})


def test_shipped_texts(tmp_path, monkeypatch):
    """Hashes of all items and stimuli that ship with brodmann: changed texts are new texts to every model."""
    monkeypatch.chdir(tmp_path)
    shipped: dict[str, Any] = {}
    files = {
        f"{path.parent.name}/{path.stem}": path
        for path in sorted((ROOT / "data").glob("*/*.yaml"))
        if path.parent.name != "lexicons" and path.name != "domain.yaml"
    }
    offered: dict[str, list[str]] = {"default": list(files)}
    for task, path in files.items():
        for level in load_definition(path).levels:
            offered.setdefault(level, []).append(task)
    for level, tasks in offered.items():
        chosen = {} if level == "default" else {"difficulty": dict.fromkeys(tasks, level)}
        config = {
            "models": {"toy": {"source": "hf:toy/toy"}},
            "tasks": {"include": tasks, "items": 6, "min_items": 1, **chosen},
        }
        write(tmp_path / "config.yaml", yaml.safe_dump(config))
        study = load_config([tmp_path / "config.yaml"], root=ROOT).study
        for task in tasks:
            for second in (False, True)[: 1 + (level == "default")]:
                output = str(tmp_path / "items.json")
                expand_task(study, task, definition=str(files[task]), output=output, second=second)
                own = read_items(output)
                hashes = {wording: own.digest(wording)[:16] for wording in sorted(own.wordings)}
                label = f"{task}, {level}{', second seed' if second else ''}"
                shipped[label] = {**hashes, "groups": digest(own.groups)[:16]}
    stimuli = ROOT / "stimuli"
    for network, options in (
        ("language", {}),
        ("theory_of_mind", {}),
        ("theory_of_mind", {"answers": "random"}),
        ("multiple_demand", {}),
        ("multiple_demand", {"demand": "span"}),
    ):
        label = " ".join(["localizer", network, *options.values()])
        shipped[label] = load_contrast(network, stimuli, seed=42, **options).sha256
    # Not ``code``: it is made of the Python library that is running.
    for corpus in ("encyclopedia", "news", "maths"):
        shipped[f"corpus {corpus}"] = load_corpus(f"corpus:{corpus}", stimuli=stimuli).sha256
    compare("texts", shipped)


# How records look


def described(content: bytes) -> dict[str, Any]:
    """A safetensors file as JSON: types, shapes and hashes of its tensors, and its metadata opened."""
    size = int.from_bytes(content[:8], "little")
    head, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    metadata = {key: json.loads(text) for key, text in head.pop("__metadata__", {}).items()}
    tensors = {}
    for name, own in sorted(head.items()):
        start, end = own["data_offsets"]
        sha256 = hashlib.sha256(body[start:end]).hexdigest()
        tensors[name] = f"{own['dtype']} {own['shape']} {sha256[:16]}"
    return {"tensors": tensors, "metadata": metadata}


def test_shards(tmp_path):
    """Every byte of a shard, and a shard as the golden file has it is read."""
    records = {digest(n): content for n, content in enumerate([b"{}", b"", b"\x00\xff\n"])}
    with Store(tmp_path / "new") as store:
        for key, payload in records.items():
            store.put(key, payload)
    [shard] = (tmp_path / "new").glob("*.shard")
    compare("records", {"shard": shard.read_bytes().decode("latin-1")})
    golden = json.loads((GOLDEN / "records.json").read_text(encoding="utf-8"))["shard"]
    write_folder = tmp_path / "old"
    write_folder.mkdir()
    (write_folder / "1.shard").write_bytes(golden.encode("latin-1"))
    old = Store(write_folder)
    assert {key: old.get(key) for key in records} == records


def test_networks_as_records():
    maps = np.arange(24.0).reshape(2, 3, 4) / 8
    whole = Networks(
        maps,
        np.array([0.5, 0.25]),
        np.array([1.0, 0.5]),
        filters=-maps,
        mean=maps[0],
        sd=maps[1],
        threshold=2.5,
        side="positive",
        facts={"method": "canica", "windows": [{"converged": [True]}]},
    )
    bare = Networks(maps, np.array([0.5, 0.25]), np.array([1.0, 0.5]))
    sample = SampleNetworks.of(whole, tokens=9, converged=True)
    found = {
        "templates": described(whole.pack()),
        "templates without filters": described(bare.pack()),
        "sample": described(sample.pack()),
    }
    compare("records", found)
    assert described(Networks.unpack(whole.pack()).pack()) == found["templates"]
    assert described(SampleNetworks.unpack(sample.pack()).pack()) == found["sample"]


# What passes depend on, as rules see it

STAGE_OF = {
    **{name: f"{name}_pass" for name in ("baseline", "attribution", "ablation", "localizer")},
    "faithfulness": "faithfulness_pass",
    **{"lesion": "lesion_pass", "networks": "networks_pass", "network use": "network_use_pass"},
}
# Stages whose files a pass reads: where they are made anew, it runs.
UPSTREAM = {"network use": "networks_pass"}
# Keys of the config that lead to files, which are inputs of rules; and what a file of this test holds.
INPUTS = {"datasets", "stimuli", "corpus", "example", "percents", "main"}


def others(value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """Valid values beside ``value``."""
    if "enum" in schema:
        yield from (one for one in schema["enum"] if one != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield min(value + 1, schema.get("maximum", value + 1))
    elif isinstance(value, list) and "enum" in schema.get("items", {}):
        yield [one for one in schema["items"]["enum"] if one not in value] or value[:1]
    elif value is None and "integer" in schema["type"]:
        yield schema["minimum"] + 1


def leaves(config: Any, schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Any]:
    """(path, value, schema) of every setting of a section."""
    for key, part in schema["properties"].items():
        if "properties" in part and isinstance(config[key], dict):
            yield from leaves(config[key], part, (*path, key))
        elif key not in INPUTS:
            yield (*path, key), config[key], part


def with_value(config: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of ``config`` in which ``value`` stands at ``path``."""
    if not path:
        return value
    return {**config, path[0]: with_value(config.get(path[0], {}), path[1:], value)}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_what_changes_a_key_changes_the_settings_of_its_stage(
    name, tmp_path, monkeypatch, full_store
):
    """Else Snakemake would not see that a pass has something to do."""
    monkeypatch.chdir(tmp_path)
    [model] = STUDIES[name]["models"]

    def observed(settings: dict[str, Any]) -> dict[str, tuple[set[str], Any]]:
        study, files = write_study(tmp_path, settings)
        found = {}
        for stage, run in the_passes(study, files).items():
            if stage in STAGE_OF:
                full_store.asked.clear()
                run()
                keys = {key for own in full_store.asked.values() for key in own}
                read = (STAGE_OF[stage], UPSTREAM.get(stage, STAGE_OF[stage]))
                found[stage] = keys, [study.stage_settings(model, one) for one in read]
        return found

    usual = observed(STUDIES[name])
    effective = load_config([tmp_path / "config.yaml"], root=ROOT).config
    unseen, n_changed = [], 0
    for section in (*CIRCUITS, "localizer", "networks"):
        schema = config_schema()["properties"][section]
        for path, value, part in leaves(effective[section], schema):
            for other in others(value, part):
                try:
                    changed = observed(with_value(STUDIES[name], (section, *path), other))
                except UserError:
                    continue  # two settings that do not go together
                for stage, (keys, settings) in changed.items():
                    n_changed += keys != usual[stage][0]
                    if keys != usual[stage][0] and settings == usual[stage][1]:
                        unseen.append((stage, ".".join((section, *path)), other))
    assert n_changed > 20, "hardly a setting changed a key"
    assert not unseen
