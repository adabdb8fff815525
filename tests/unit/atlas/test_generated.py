"""The large atlases that are generated hold what the contract says, of any size."""

from __future__ import annotations

import json

from atlas.generated import large, parser


def test_models_of_any_size(tmp_path, monkeypatch):
    monkeypatch.setattr("brodmann.atlas.circuits.MOST_UNITS", 1500)
    monkeypatch.setattr("brodmann.atlas.bins.MOST_CELLS", 100)
    sizes = [
        "--models",
        "3",
        "--tasks",
        "5",
        "--layers",
        "4",
        "--width",
        "500",
        "--own",
        "2",
        "--whole",
        "1",
    ]
    manifest = large(tmp_path / "atlas", parser().parse_args(["atlas", *sizes]))
    data = tmp_path / "atlas/data"
    files = {file.stem for file in data.iterdir()}
    first, second, third = manifest.models
    assert first.binned and first.components[0].bin == 5
    assert {name for one in manifest.models for name in one.files.values()} | {"manifest"} == files
    assert "neurons.layer.0" in first.files and "neurons.layer.1" not in first.files
    own, lent = (one.files["neurons.scores." + manifest.tasks[0].name] for one in (second, third))
    assert own.startswith("model-1.") and lent.startswith("model-0.")
    assert third.files["matrices"].startswith("model-2.")
    text = (data / f"{own}.js").read_text()
    _, value = json.loads("[" + text.removeprefix("atlas(").removesuffix(");\n") + "]")
    assert value["bins"]["max"]["shape"] == [4, 100] and value["domain_bins"]["size"] == 5
