"""A study that an earlier version computed is found complete: no model is loaded for it again.

Its records are kept in ``tests/golden/kept`` (``golden/study.py``). Where a test fails here, users would
compute again what they have. If that is meant (a method's version was raised), ``golden/make.py`` makes the
stage anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden.passes import Files, Store, ledger, load_config, the_passes
from golden.study import (
    KEPT,
    MODEL,
    READ,
    STAGES,
    STORE,
    STUDY,
    TARGETS,
    copy,
    copy_kept,
    manifests,
    records,
    set_up_study,
)

TASKS = ("formal/sums", "language/agreement")
# Keys of the others are made of units that this processor's own numbers choose.
SAME_KEYS = ("check", "baseline", "attribution", "ablation", "localizer", "networks")


def opened(folder: Path, root: Path) -> tuple[Any, Files]:
    """The study in ``folder``, which is the working directory, and what its passes read."""
    copy(STUDY, folder)
    (folder / "workflow").symlink_to(root / "workflow")
    (folder / "stimuli").symlink_to(root / "stimuli")
    copy_kept(folder / "results", READ)
    study = load_config([folder / "config.yaml"], root=folder).study
    assert study.tasks.selected == study.second_tasks
    assert sorted(study.tasks.selected) == sorted(TASKS)
    own = f"results/{MODEL}"
    files = Files(
        model=MODEL,
        store=f"results/{STORE}",
        card=f"{own}/model.json",
        record=f"{own}/.source.json",
        manifest=f"results/{STORE}/pass.json",
        items=[f"results/items/{task}.json" for task in study.tasks.selected],
        second=[f"results/items/.second/{task}.json" for task in study.tasks.selected],
        baselines=[f"{own}/baseline/{task}.json" for task in study.tasks.selected],
        masks=f"{own}/masks",
        templates={"sea": f"{own}/networks/sea/templates.safetensors"},
    )
    return study, files


def test_no_pass_loads_the_model(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    study, files = opened(tmp_path, root)
    copy_kept(tmp_path / "results", records())
    for run in the_passes(study, files).values():
        run()
    entries = ledger.read(files.store)
    assert [entry["stage"] for entry in entries] == list(STAGES)
    assert {entry["stage"]: entry["model_loads"] for entry in entries} == dict.fromkeys(STAGES, 0)


@pytest.mark.slow
def test_the_workflow_loads_no_model(tmp_path):
    """Neither with the records alone, nor where light jobs find the manifests of the old passes."""
    clone = set_up_study(tmp_path / "clone")
    results = clone.path / "results"
    copy_kept(results, records())
    clone.snakemake(*TARGETS)
    entries = clone.ledger(MODEL)
    assert {entry["stage"] for entry in entries} == set(STAGES)
    assert not any(entry["model_loads"] for entry in entries)
    # Younger than what was made of the new ones: light jobs run again.
    copy_kept(results, manifests())
    if clone.snakemake(*TARGETS, check=False).returncode != 0:
        clone.snakemake(*TARGETS)  # as a message may ask for
    assert not any(entry["model_loads"] for entry in clone.ledger(MODEL))
    assert clone.planned(*TARGETS) == {}
    # Masks that do not say what they are masks of, as an earlier version wrote them.
    order = ('"model", "weights", "site", "selection"', '"site", "model", "weights", "selection"')
    clone.replace("src/brodmann/store/masks.py", *order)
    own = results / MODEL
    masks = [*own.glob("masks/*/*/*/*.csv"), *own.glob("localizer/*/*pct*.csv")]
    assert {mask.parts[-4] for mask in masks} >= {"heads", "neurons"} and len(masks) > 4
    for mask in masks:
        lines = [",".join(line.split(",")[:3]) for line in mask.read_text().splitlines()]
        mask.write_text("\n".join(lines) + "\n")
    clone.snakemake("masks", "localizers", "ablations")
    heads = {mask.read_text().splitlines()[0].partition(",site,")[2] for mask in masks}
    assert heads == {"model,weights,selection"}
    assert not any(entry["model_loads"] for entry in clone.ledger(MODEL))


def test_records_look_as_before(tmp_path, monkeypatch, root):
    """The study computed anew has the same keys, and under them records of the same form."""
    monkeypatch.chdir(tmp_path)
    study, files = opened(tmp_path, root)
    for run in the_passes(study, files).values():
        run()
    for stage in STAGES:
        if stage == "check":  # of version 2, with the logits' dtype; cards of float32 models stand
            continue
        old, new = (forms(folder / STORE / stage) for folder in (KEPT, tmp_path / "results"))
        if stage in SAME_KEYS:
            assert new == old, stage
        else:
            assert len(new) == len(old), stage
            assert set(new.values()) == set(old.values()), stage


def forms(folder: Path) -> dict[str, str]:
    """Key -> what its record holds, without the values."""
    store = Store(folder)
    keys = [
        part.split()[1].decode()
        for path in sorted(folder.glob("*.shard"))
        for part in path.read_bytes().split(b"\n")
        if part.startswith(b"BRD1 ")
    ]
    return {key: json.dumps(form(store.get(key)), sort_keys=True) for key in keys}


def form(payload: bytes) -> Any:
    """Of JSON its keys and types; of safetensors also names, types and number of axes of the tensors."""
    if payload.startswith(b"{"):
        return skeleton(json.loads(payload))
    size = int.from_bytes(payload[:8], "little")
    head = json.loads(payload[8 : 8 + size])
    metadata = {key: json.loads(text) for key, text in head.pop("__metadata__", {}).items()}
    tensors = {name: [own["dtype"], len(own["shape"])] for name, own in head.items()}
    return {"tensors": tensors, "metadata": skeleton(metadata)}


def skeleton(value: Any) -> Any:
    """Types in place of values; of a list the types that it holds. Texts may be unknown (a commit)."""
    if isinstance(value, dict):
        return {key: skeleton(own) for key, own in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(skeleton(own), sort_keys=True) for own in value})
    return "text" if value is None or isinstance(value, str) else type(value).__name__
