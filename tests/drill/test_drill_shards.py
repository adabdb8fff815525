"""A study whose passes are shared by several jobs, on two GPUs (stand-ins); one job is killed."""

import json
import re
import time
from itertools import pairwise

from contents import content
from drilled import set_up_drill

TARGETS = (
    *("ablations", "agreements", "localizers", "network_maps"),
    "results/tiny/networks/editing.csv",
)
# Put into a copy of the workflow: one shard is killed when it has stored its first piece of work, once.
STORED = "                    self.made += len(part)\n"
KILLED = """\
                    if (self.stage, str(self.share)) == ("ablation", "2 of 3") and Path("kill").exists():
                        import os, signal
                        Path("kill").unlink()
                        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_study_in_shards_on_a_machine_with_two_gpus(root, drilled, tmp_path, monkeypatch):
    """Stand-ins for GPUs. One of three shards is killed; the others go on, and a second run completes it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "stand-in-7,stand-in-9")
    fresh = set_up_drill(root, tmp_path)
    # Of the same weights, in the same place.
    fresh.write_config({**drilled.config(), "execution": {"shards": 3}})
    fresh.replace("src/brodmann/store/work.py", STORED, STORED + KILLED)
    (fresh.path / "kill").touch()
    targets = ("--profile", "profiles/multi-gpu", "--max-threads", "1", *TARGETS)
    planned = fresh.planned(*targets)
    shards = {rule: n for rule, n in planned.items() if rule.endswith("_shard")}
    shared = ("baseline", "attribution", "ablation", "lesion", "networks")
    # The localizer has one network; before networks are used, one job makes what all need.
    assert shards == {**{f"{name}_shard": 3 for name in shared}, "network_use_shard": 4}
    failed = fresh.snakemake(*targets, check=False)
    assert failed.returncode != 0 and not (fresh.path / "kill").exists()
    said = ("lesion", "networks", "network_use", "baseline", "attribution", "ablation")
    assert all(f"tiny {stage} (3)" in failed.stdout for stage in said)
    assert "Failed: tiny: measuring lesions, shard 2 of 3 (rule ablation_shard)" in failed.stdout
    before = fresh.ledger()
    assert sorted(e["shard"] for e in before if e["stage"] == "ablation") == ["1 of 3", "3 of 3"]
    assert not (fresh.path / "results/tiny/.store/ablation.json").exists()

    fresh.snakemake(*targets)
    [killed, whole] = [e for e in fresh.ledger()[len(before) :] if e["stage"] == "ablation"]
    assert killed["shard"] == "2 of 3" and killed["model_loads"] == 1
    assert whole["model_loads"] == 0
    # Nothing that was stored is computed again.
    stored = [path.read_bytes() for path in (fresh.path / "results/tiny/.store/ablation").iterdir()]
    keys = [key for part in stored for key in re.findall(rb"BRD1 ([0-9a-f]{64})", part)]
    assert len(keys) == len(set(keys)) > 10
    manifest = json.loads((fresh.path / "results/tiny/.store/ablation.json").read_text())
    assert [one["shard"] for one in manifest["shards"]] == ["1 of 3", "2 of 3", "3 of 3"]
    assert not list((fresh.path / "results/tiny/.store/shards").glob("*.json"))
    ours, theirs = content(fresh), content(drilled)
    assert ours.keys() <= theirs.keys()
    assert ours == {name: theirs[name] for name in ours}
    assert len([name for name in ours if name.endswith((".csv", ".safetensors"))]) > 20
    assert_gpus_are_not_shared(fresh)

    # Another number of shards is no reason to run anything, and computes nothing.
    for execution in ({"shards": 7}, {"shards": 1}, {}):
        fresh.write_config({**fresh.config(), "execution": execution})
        assert fresh.planned(*targets) == {}
    fresh.write_config({**fresh.config(), "execution": {"shards": 2}})
    before = fresh.ledger()
    stored = "results/tiny/.store"
    fresh.snakemake(
        "--forcerun",
        "ablation_pass",
        "lesion_pass",
        "--",
        f"{stored}/ablation.json",
        f"{stored}/lesion.json",
    )
    later = fresh.ledger()[len(before) :]
    assert "2 of 2" in [entry.get("shard") for entry in later]
    assert not any(entry["model_loads"] for entry in later)


def assert_gpus_are_not_shared(clone):
    """Between taking a GPU and the last line of its log, no job has the GPU of another."""
    held = {}
    for log in (clone.path / "logs/tiny").glob("*.log"):
        found = re.search(
            r"^(.{19}),\d+ INFO taking GPU (\S+) of stand-in-7, stand-in-9$", log.read_text(), re.M
        )
        if found:
            began = time.mktime(time.strptime(found[1], "%Y-%m-%d %H:%M:%S"))
            held.setdefault(found[2], []).append((began, log.stat().st_mtime, log.name))
    assert held.keys() == {"stand-in-7", "stand-in-9"}
    assert sum(map(len, held.values())) > 8
    for jobs in held.values():
        jobs.sort()
        for (_, ended, one), (began, _, other) in pairwise(jobs):
            # Logs say whole seconds.
            assert ended < began + 1, (one, other)
