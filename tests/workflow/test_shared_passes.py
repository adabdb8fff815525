"""Passes that several jobs share: the results of one job, nothing twice, nothing lost when one is killed."""

import json
import re
from pathlib import Path

import numpy as np
from golden.passes import Marker, Share, ledger, the_passes
from golden.study import MODEL
from safetensors.numpy import load as unpack
from test_old_results import opened
from test_survey import records_in


def shared(study, files, name, of):
    """A pass as so many jobs, the last one first; where all need something, with the one that makes it."""
    stage = name.replace(" ", "_")
    markers = [Marker(MODEL, stage, number, of) for number in range(1, of + 1)]
    first = [Marker(MODEL, stage, 0, of)] if name == "network use" else []
    for one in [*first, *reversed(markers)]:
        the_passes(study, files, Share(one.number, of, one.path))[name]()
    the_passes(study, files, Share(before=tuple(one.path for one in markers)))[name]()


def kept_study(tmp_path, root, monkeypatch, name):
    """A study of all passes, in a folder of its own."""
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    return opened(folder, root)


def test_all_passes_in_shards(tmp_path, root, monkeypatch):
    """One, three and seven jobs leave the same records, each computed once, and the same list of them."""
    monkeypatch.setenv("BRODMANN_ATTRIBUTIONS_TOO", "0")
    study, files = kept_study(tmp_path, root, monkeypatch, "whole")
    manifests, expected = {}, {}
    passes = the_passes(study, files)
    del passes["check"]
    for name, run in passes.items():
        run()
        manifests[name] = json.loads(Path(files.manifest).read_text())
        expected[name] = records_in(Path(files.store, name.replace(" ", "_")))
    for of in (3, 7):
        # With seven, attributions are made on the way of baselines.
        monkeypatch.setenv("BRODMANN_ATTRIBUTIONS_TOO", str(int(of == 7)))
        study, files = kept_study(tmp_path, root, monkeypatch, f"of {of}")
        for name in passes:
            before = len(ledger.read(files.store))
            shared(study, files, name, of)
            manifest = json.loads(Path(files.manifest).read_text())
            assert manifest["keys"] == manifests[name]["keys"]
            said = [one["shard"] for one in manifest["shards"]]
            assert said == [f"{n + 1} of {of}" for n in range(of)]
            found = records_in(Path(files.store, name.replace(" ", "_")))
            assert_same_numbers(found, expected[name], name)
            *shards, last = ledger.read(files.store)[before:]
            assert last["model_loads"] == 0 and last["forward_passes"] == 0
            loads = [entry["shard"] for entry in shards if entry["model_loads"]]
            if name == "attribution" and of == 7:
                assert len(loads) <= 2, "all but what only this pass can make is there"
            elif name != "localizer":  # one network, one job
                assert len(loads) > 1
            # No record was made twice.
            lines = [
                path.read_bytes() for path in Path(files.store, name.replace(" ", "_")).iterdir()
            ]
            assert sum(line.count(b"BRD1 ") for line in lines) == len(found)
    # Another number of jobs computes nothing.
    before = len(ledger.read(files.store))
    for name in passes:
        shared(study, files, name, 2)
    assert not any(entry["model_loads"] for entry in ledger.read(files.store)[before:])


def assert_same_numbers(found, expected, name):
    """Records of the same keys and numbers; what was computed in other company rounds otherwise."""
    assert found.keys() == expected.keys() and found, name
    for key, payload in expected.items():
        ours, theirs = numbers_of(found[key]), numbers_of(payload)
        assert ours.shape == theirs.shape, name
        finite = np.isfinite(theirs)
        assert (np.isfinite(ours) == finite).all()
        largest = np.abs(theirs[finite]).max(initial=0.0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * largest, err_msg=name)


def numbers_of(payload):
    """All numbers of a record that are no whole ones."""
    if payload.startswith(b"{"):
        return np.array([float(n) for n in re.findall(rb"-?\d+\.\d+(?:e-?\d+)?", payload)])
    values = [v.ravel() for _, v in sorted(unpack(payload).items()) if v.dtype.kind == "f"]
    return np.concatenate([np.zeros(0), *values]).astype(float)
