"""What `brodmann check --cluster` makes of what a node saw; jobs themselves: tests/cluster."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from slurm_nodes import good_node

from brodmann.errors import UserError
from brodmann.pipeline.slurm import node as node_side
from brodmann.pipeline.slurm import trial
from brodmann.pipeline.slurm.node import Node, Place, Torch
from brodmann.pipeline.slurm.trial import Trial, verdict
from brodmann.provenance import software

PLAIN = Torch("2.13.0+cpu", "", "")


@pytest.fixture
def wanted(tmp_path):
    return Trial("slurm", tmp_path / "Snakefile", str(tmp_path), 1, 60.0)


@pytest.fixture
def good(tmp_path):
    """A node where all is as it should be."""
    return good_node(tmp_path)


def judged(node, wanted):
    told, problems = verdict(node, wanted)
    return "\n".join(told), "\n".join(map(str, problems))


def test_a_good_node(good, wanted, tmp_path):
    told, wrong = judged(good, wanted)
    assert wrong == ""
    assert told.splitlines() == [
        "node: node7 of partition gpu, 2 CPUs",
        "GPU: NVIDIA H100 80GB HBM3, 85 GB",
        "torch: 2.13.0+cu130, CUDA 13.0",
        f"cache: {tmp_path}, writable, 2000 GB free",
        f"packages: brodmann {software()['brodmann']} and what it needs are the same as here",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"driver_gpus": []},
            "GPU: node node7 has none, though one was asked for: models would run on its CPU",
        ),
        ({"torch": PLAIN}, "GPU: torch 2.13.0+cpu is a build without CUDA (the driver sees NVIDIA"),
        ({}, "GPU: torch 2.13.0+cu130 (CUDA 13.0) sees none (the driver sees NVIDIA"),
        (
            {"torch": Torch("2.13.0+cu130", "13.0", "RuntimeError: no kernel image")},
            "GPU: torch cannot use it: RuntimeError: no kernel image",
        ),
    ],
)
def test_a_node_whose_gpu_is_of_no_use(good, wanted, changes, line):
    bad = dataclasses.replace(good, gpus=[], **changes)
    told, wrong = judged(bad, wanted)
    assert "GPU: none that torch can use" in told
    assert wrong.startswith(line) and len(wrong.splitlines()) == 1


def test_a_study_without_gpus_needs_none(good, wanted):
    told, wrong = judged(
        dataclasses.replace(good, gpus=[], driver_gpus=[], torch=PLAIN),
        dataclasses.replace(wanted, gpus=0),
    )
    assert wrong == "" and "GPU: none, and none was asked for\n" in told


def test_folders_that_nodes_do_not_share(good, wanted, tmp_path):
    for place, line in (
        (Place(str(tmp_path), False, False, 0), "is not reached from the node"),
        (Place(str(tmp_path), True, False, 0), "cannot be written from the node"),
        (
            Place("/local/cache", True, True, 0),
            f"the node takes /local/cache, this host {tmp_path}",
        ),
    ):
        _, wrong = judged(dataclasses.replace(good, places={"cache": place}), wanted)
        assert wrong.startswith("cache: ") and line in wrong


def test_another_version_there(good, wanted):
    theirs = {
        **software(),
        "brodmann": "9.9",
        "packages": {**software()["packages"], "torch": "1.0"},
    }
    told, wrong = judged(dataclasses.replace(good, software=theirs), wanted)
    assert "packages: not the same as here" in told
    assert (
        f"brodmann 9.9 there, {software()['brodmann']} here" in wrong and "torch 1.0 there" in wrong
    )


def test_a_job_tells_what_it_sees(tmp_path):
    """The program that runs on nodes, here: an oracle of its own for torch, folders and the mark."""
    cache, study = tmp_path / "cache", tmp_path / "study"
    for place in (cache, study):
        place.mkdir()
    (study / "mark").touch()
    command = [sys.executable, "-m", "brodmann.pipeline.slurm.node", str(tmp_path / "node.json")]
    command += ["--cache", str(cache), "--study", str(study), "--mark", "mark"]
    subprocess.run(command, check=True, env={**os.environ, "SLURMD_NODENAME": "node7"})
    seen = Node.read(tmp_path / "node.json")
    import torch

    assert seen.name == "node7" and seen.torch.version == torch.__version__
    assert len(seen.gpus) == torch.cuda.device_count()
    assert seen.software == json.loads(json.dumps(software()))
    assert seen.places["study"].reached and seen.places["study"].writable
    assert not seen.places["cache"].reached, "the sender's mark is not there: another folder"
    assert seen.places["cache"].writable and seen.places["temporary"].free_bytes > 0
    assert sorted(p.name for p in cache.iterdir()) == []


def test_marks_are_taken_away_again(tmp_path):
    with pytest.raises(ZeroDivisionError), trial._marked(tmp_path / "new", tmp_path) as mark:
        assert (tmp_path / "new" / mark).exists() and (tmp_path / mark).exists()
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.rglob("*")] == ["new"]


def test_a_cache_that_cannot_be_written_is_said_before_a_job_is_sent(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot be written"),
        trial._marked(tmp_path / "file" / "x"),
    ):
        pass


def test_profiles_that_submit_nothing_are_refused(tmp_path, monkeypatch, root):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no profile 'slurm'"):
        trial._refuse_other_profiles("slurm")
    with pytest.raises(UserError, match="is no profile of SLURM"):
        trial._refuse_other_profiles(str(root / "profiles" / "local"))
    with pytest.raises(UserError, match="sbatch: is not there"):
        trial._refuse_other_profiles(str(root / "profiles" / "slurm"))


def test_an_unreadable_driver_is_no_driver(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node_side._driver_gpus() == []
    assert not node_side._place(Path(tmp_path / "none"), "").reached


def a_torch(available, error=None):
    """A build for GPUs, on a node with one; ``error``: what its work ends in."""

    def ones(*_, device):
        assert device == "cuda"
        if error is not None:
            raise error
        return SimpleNamespace(sum=lambda: SimpleNamespace(item=lambda: 8.0))

    card = SimpleNamespace(name="H100", total_memory=85)
    cuda = SimpleNamespace(
        is_available=lambda: available, device_count=lambda: 1, get_device_properties=lambda _: card
    )
    version = SimpleNamespace(cuda="13.0", hip=None)
    return SimpleNamespace(__version__="2.13.0", version=version, cuda=cuda, ones=ones)


@pytest.mark.parametrize(
    ("build", "seen", "gpus"),
    [
        (a_torch(True), Torch("2.13.0", "13.0", ""), [("H100", 85)]),
        (a_torch(False), Torch("2.13.0", "13.0", ""), []),
        (
            a_torch(True, RuntimeError("no kernel image\nfor this device")),
            Torch("2.13.0", "13.0", "RuntimeError: no kernel image for this device"),
            [],
        ),
    ],
)
def test_a_gpu_is_one_if_torch_can_work_on_it(monkeypatch, build, seen, gpus):
    monkeypatch.setitem(sys.modules, "torch", build)
    assert node_side._torch() == (seen, gpus)


def test_a_torch_that_cannot_be_imported_is_told_in_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found, gpus = node_side._torch()
    assert (found.version, found.cuda, gpus) == ("", "", []) and "\n" not in found.error
    assert found.error.endswith("Error: import of torch halted; None in sys.modules")


def test_a_driver_names_its_gpus_in_lines(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho ' H100, 81559 MiB, 580.1 '; echo; echo 'A100, 1 MiB, 580.1'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node_side._driver_gpus() == ["H100, 81559 MiB, 580.1", "A100, 1 MiB, 580.1"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert node_side._driver_gpus() == []
