"""A study that an earlier version computed is found complete: no model is loaded for it again.

Its records are kept in ``tests/golden/kept`` (``golden/study.py``). Where a test fails here, users would
compute again what they have. If that is meant (a method's version was raised), ``golden/make.py`` makes the
stage anew.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from golden.opened import opened
from golden.passes import Store, ledger, load_config, the_passes
from golden.study import (
    KEPT,
    MODEL,
    STAGES,
    STORE,
    TARGETS,
    copy_kept,
    manifests,
    records,
    set_up_study,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from brodmann.comparison.stages.unit_files import write_unit_pages
from brodmann.comparison.unit_pages import read_pages, read_silenced
from brodmann.models.card import ModelCard
from brodmann.networks.dataset_texts import group_texts
from brodmann.store.tables import write_table

TASKS = ("formal/sums", "language/agreement")
# Keys of the others are made of units that this processor's own numbers choose.
SAME_KEYS = ("check", "baseline", "attribution", "ablation", "localizer", "networks")


def test_no_pass_loads_the_model(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    study, files = opened(tmp_path, root)
    copy_kept(tmp_path / "results", records())
    for run in the_passes(study, files).values():
        run()
    entries = ledger.read(files.store)
    assert [entry["stage"] for entry in entries] == list(STAGES)
    assert {entry["stage"]: entry["model_loads"] for entry in entries} == dict.fromkeys(STAGES, 0)


def test_pages_of_units_are_all_that_is_new(tmp_path, monkeypatch, root):
    """Of a study that asks for them: two records, and a file that says what plain transformers say."""
    monkeypatch.chdir(tmp_path)
    _, files = opened(tmp_path, root)
    config = yaml.safe_load(Path("config.yaml").read_text())
    config["atlas"] = {"units": 6, "tokens": 3, "places": 2}
    Path("config.yaml").write_text(yaml.safe_dump(config))
    study = load_config([tmp_path / "config.yaml"], root=tmp_path).study
    copy_kept(tmp_path / "results", records())
    passes = the_passes(study, files)
    passes["ablation"]()
    passes["network use"]()
    ablated, used = ledger.read(files.store)
    assert ablated["model_loads"] == 0  # where there are networks, these have the pages
    assert (used["model_loads"], used["computed"]) == (1, 2) and used["reused"] > 10
    Path(files.manifest).rename(f"{files.store}/network_use.json")
    for component, effect in (("neurons", 0.5), ("heads", -2.0)):
        row = {"task": TASKS[1], "layer": 1, "unit": 3, "in_mask": 1, "exact": effect}
        write_table(f"measured/{component}.agreement.units.csv", [row], list(row))
    write_unit_pages(
        study,
        model_json=files.card,
        template_files=files.templates,
        tokens_manifest=f"{files.store}/network_use.json",
        attribution_folder="measured",
        attribution_manifest="",
        output="pages.json",
        silenced="silenced.csv",
    )
    check_pages(study, read_pages("pages.json"))
    alone = read_silenced("silenced.csv")
    assert [(one.component, one.unit, one.effect) for one in alone] == [
        ("neurons", 3, 0.5),
        ("heads", 3, -2.0),
    ]


def check_pages(study: Any, pages: Any) -> None:
    """Against the model in plain transformers: its modules, and hooks on them, text by text."""
    plain = AutoModelForCausalLM.from_pretrained("weights").eval()
    tokenizer = AutoTokenizer.from_pretrained("weights")
    texts = group_texts(study, "sea", ModelCard.read(f"results/{MODEL}/model.json"))
    texts = texts[: study.networks.following.texts]
    counts = Counter(one.site for one in pages.units)
    # Two tasks have a head each.
    assert counts == {"mlp_hidden": 6, "heads": 2, "mlp_output": 6} and not pages.notes
    values: dict[int, list[torch.Tensor]] = {}

    def keep(layer: int, value: torch.Tensor) -> None:
        values.setdefault(layer, []).append(value[0])

    for layer, block in enumerate(plain.model.layers):
        block.mlp.down_proj.register_forward_pre_hook(lambda _, given, n=layer: keep(n, given[0]))
    spans = []
    for text in texts:
        found = tokenizer(text, return_offsets_mapping=True)
        ids = found["input_ids"][: study.networks.max_tokens]
        spans += [text[slice(*span)] for span in found["offset_mapping"][: len(ids)]]
        with torch.no_grad():
            plain(torch.tensor([ids]))
    first = np.cumsum([0, *(len(own) for own in values[0])])[:-1]
    for page in (one for one in pages.units if one.site == "mlp_hidden"):
        every = torch.cat(values[page.layer])[:, page.unit].double().numpy()
        assert page.driven.first == pytest.approx(max(every[first], key=abs), rel=1e-3, abs=1e-4)
        own = np.delete(every, first)
        assert page.driven.mean == pytest.approx(own.mean(), rel=1e-3, abs=1e-4)
        for places, sign in ((page.driven.highest, 1), (page.driven.lowest, -1)):
            best = sign * np.sort(sign * own)[::-1][:2]
            assert [one.value for one in places] == pytest.approx(best, rel=1e-3, abs=1e-4)
            for one in places:
                at = first[one.text] + one.position
                assert every[at] == pytest.approx(one.value, rel=1e-3, abs=1e-4)
                assert spans[at] == one.token and one.position > 0
                assert f"{one.before}{one.token}{one.after}" in texts[one.text]
        vector = plain.model.layers[page.layer].mlp.down_proj.weight[:, page.unit].detach()
        with torch.no_grad():
            logits = plain.lm_head(plain.model.norm(vector / vector.square().mean().sqrt()))
        logits = logits[: len(tokenizer)].numpy()
        assert [by for _, by in page.promotes] == pytest.approx(
            np.sort(logits)[::-1][:3], rel=1e-3, abs=1e-3
        )
        token, by = page.suppresses[0]
        assert by == pytest.approx(logits.min(), rel=1e-3, abs=1e-3)
        assert token in {tokenizer.decode([n]) for n in np.flatnonzero(logits < by + 1e-2)}
    assert [one.dataset for one in pages.networks] == ["sea"] * 2
    assert all(len(one.promotes) == 3 for one in pages.networks if one.n_units)


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
