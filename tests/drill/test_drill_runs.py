"""Whole runs that end badly, start oddly, or meet what they should not trust."""

import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time

import pytest
from clone import SEED, TASKS, set_up, task_yaml
from contents import content
from player import Fault, recorded
from tiny_models import save_tiny, tiny_model, tiny_tokenizer

LOOK = "<script>alert(1)</script>"


@pytest.fixture
def fresh(root, tmp_path):
    """A study of one task, before its first run."""
    weights = save_tiny(tmp_path / "weights", "llama", SEED)
    clone = set_up(root, tmp_path / "fresh", weights)
    config = clone.config()
    config["tasks"] = {"include": [TASKS[0]], "min_items": 1}
    clone.write_config(config)
    return clone


@pytest.fixture
def long(fresh):
    """The same with so many tasks that their items are not all written at once."""
    for number in range(8):
        fresh.write_task(f"social/more{number}", task_yaml(f"social/more{number}"))
    config = fresh.config()
    config["tasks"]["include"] = ["*"]
    fresh.write_config(config)
    return fresh


def start(clone, *arguments):
    """Snakemake in a process group of its own, and when its jobs have begun."""
    process = subprocess.Popen(
        clone._command(*arguments),
        cwd=clone.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Of tests that run in a shell's background, Ctrl-C is ignored, and so it would be in what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 200
    while not list(clone.path.glob("results/items/*/*.json")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def clear(done):
    """It failed, and said why without a traceback."""
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stdout, done.stdout
    assert "ERROR: " in done.stdout, done.stdout
    return done.stdout


def test_a_killed_run_leaves_a_lock_and_goes_on_after_unlock(long):
    process = start(long, "items")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    refused = long.snakemake("items", check=False)
    assert refused.returncode != 0 and "--unlock" in refused.stdout
    assert "Traceback" not in refused.stdout
    long.snakemake("--unlock")
    long.snakemake("items")
    assert long.planned("items") == {}


def test_ctrl_c_leaves_no_lock(long):
    process = start(long, "items")
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=120)
    assert process.returncode != 0, text
    # A job that was only starting up, before any line of ours, ends as Python ends.
    assert text.count("Traceback") == text.count("\nKeyboardInterrupt"), text
    long.snakemake("items")
    assert long.planned("items") == {}


def test_a_second_run_in_the_same_folder_is_refused(long):
    first = start(long, "items")
    os.killpg(first.pid, signal.SIGSTOP)  # it takes its time
    second = long.snakemake("items", check=False)
    os.killpg(first.pid, signal.SIGCONT)
    text, _ = first.communicate(timeout=300)
    assert second.returncode != 0 and "lock" in second.stdout.lower()
    assert "Traceback" not in second.stdout
    assert first.returncode == 0, text
    assert long.planned("items") == {}


def test_two_passes_at_once_share_a_store(study, player):
    """Should two drivers run after all (an unlock too early): what both compute is there once, and sound."""
    from concurrent.futures import ThreadPoolExecutor

    job = recorded(study.path)["baseline_pass"][0]
    shutil.rmtree(study.path / "results/tiny/.store/baseline")
    expected = content(study)
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: player.play(job, study.path), range(2)))
    assert [one.code for one in done] == [0, 0]
    assert content(study) == expected


def unwritable():
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to become nobody")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def test_results_that_may_not_be_written(study):
    """As another user, who may read only: one line."""
    command = [*unwritable(), *study._command("--forcerun", "baseline", "--", "baselines")]
    if subprocess.run([*unwritable(), "test", "-r", str(study.path / "config.yaml")]).returncode:
        for folder in [study.path, *study.path.parents]:  # pytest's folders are private
            if folder.stat().st_uid == 0 and not folder.stat().st_mode & 1:
                folder.chmod(folder.stat().st_mode | 0o55)
    done = subprocess.run(
        command,
        cwd=study.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": "/tmp", "XDG_CACHE_HOME": f"/tmp/nobody-{os.getpid()}"},
    )
    assert "cannot be written" in clear(done)


@pytest.mark.parametrize("rule", ["baseline", "baseline_pass", "circuit_masks", "write_report"])
def test_results_on_a_file_system_that_is_read_only(study, player, rule):
    job = recorded(study.path).get(rule, [None])[0]
    if job is None:
        pytest.fail(f"no rule {rule}")
    expected = content(study)
    failed = player.play(job, study.path, Fault("readonly", 1))
    assert failed.code == 1 and "Read-only file system" in failed.errors[0]
    assert "Traceback" not in failed.text + failed.log
    assert content(study) == expected


def test_a_full_disk(root, tmp_path):
    """A file system of a few MB that fills up in the run; with room again it goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        weights = save_tiny(tmp_path / "weights", "llama", SEED)
        clone = set_up(root, tmp_path / "clone", weights)
        filler = disk / "filler"
        used = 20_000
        filler.write_bytes(b"0" * (6 * 2**20 - used - 40_960))
        done = clone.snakemake("baselines", "--directory", disk, check=False)
        assert "No space left on device" in clear(done)
        filler.unlink()
        clone.snakemake("--unlock", "--directory", disk, check=False)
        clone.snakemake("baselines", "--directory", disk)
        for task in TASKS:
            assert json.loads((disk / f"results/tiny/baseline/{task}.json").read_text())
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("shift", [86_400 * 30, -86_400 * 10_000], ids=["future", "past"])
def test_clocks_that_are_wrong(study, shift):
    """Inputs or results of another time: light jobs run again, models do not, results are the same."""
    expected, before = content(study), len(study.ledger())
    moved = study.path / ("data" if shift > 0 else "results")
    for path in moved.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() + shift, time.time() + shift))
    study.snakemake("overlaps")
    assert content(study) == expected
    assert all(not entry["model_loads"] for entry in study.ledger()[before:])


def test_hostile_texts_and_places(root, tmp_path):
    """HTML, quotes, unicode and line ends in tasks and paths: results stay in place, the report is sound."""
    look = LOOK.replace("/", "∕")
    place = tmp_path / f"my 'models' \"of\" ü {look} $(touch owned) {{x}}"
    clone = set_up(root, tmp_path / "clone", save_tiny(place, "llama", SEED))
    config = clone.config()
    for read, old, new in (("<script>", look, look.upper()), ("{x}", "{x}", "{x")):
        refused = clear(clone.snakemake("--dry-run", check=False))
        assert f"Snakemake would read '{read}' as a variable" in refused
        place = place.rename(tmp_path / place.name.replace(old, new))
        config["models"]["tiny"]["source"] = f"path:{place}"
        clone.write_config(config)
    task = task_yaml(TASKS[0])
    task["description"] = f"{LOOK} & ' \" {{model}} %s $(touch owned) ../x \n--- \u202e"
    task["measures"] = '"><img src=x onerror=alert(1)>'
    for item in task["items"]:
        item["answers"] = [f" {LOOK}", ' ";rm -rf x']
        item["text"] = {side: f"{LOOK} {{{{x}}}} " + text for side, text in item["text"].items()}
    clone.write_task(TASKS[0], task)
    misaligned = task_yaml(TASKS[1])
    for item in misaligned["items"]:
        item["text"]["corrupted"] += " and more"
    clone.write_task(TASKS[1], misaligned)
    before = {path for path in tmp_path.rglob("*") if "clone" not in path.parts}
    clone.snakemake()
    assert {path for path in tmp_path.rglob("*") if "clone" not in path.parts} == before
    assert not list(tmp_path.rglob("owned"))
    report = (clone.path / "results/report.html").read_text()
    assert LOOK not in report and "<SCRIPT" not in report and "<img src=x" not in report
    assert "&lt;script&gt;" in report or "script" not in report
    found = clone.baseline(TASKS[1])
    assert not found["included"] and found["reason"].startswith("no aligned items")
    assert found["n_aligned"] == 0 and found["clean_accuracy"] is None
    overlaps = list(clone.path.glob("results/tiny/overlap/neurons/*.containment.csv"))
    assert overlaps and all(TASKS[1] not in path.read_text() for path in overlaps)


@pytest.mark.parametrize("name", ["a b", "<b>", "..", "x'; rm", "-x", "ü", ".x", "a{b}"])
def test_hostile_names_of_tasks(fresh, name):
    fresh.write_task("language/good", task_yaml(TASKS[0]))
    path = fresh.path / "data/language" / f"{name}.yaml"
    path.write_text("description: x\n")
    config = fresh.config()
    config["tasks"]["include"] = ["*"]
    fresh.write_config(config)
    done = subprocess.run(
        [sys.executable, "-m", "brodmann.cli", "tasks"],
        cwd=fresh.path,
        env={**os.environ, "PYTHONPATH": str(fresh.path / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if name.startswith("."):  # hidden: no task
        assert done.returncode == 0
    else:
        assert "cannot be a path under results/" in clear(done)


@pytest.mark.parametrize("name", ["../x", "a b", "<b>", "x'y", "ü", "", ".x", "figures", "-x"])
def test_hostile_names_of_models(fresh, name):
    config = fresh.config()
    config["models"] = {name: config["models"]["tiny"]}
    fresh.write_config(config)
    text = clear(fresh.snakemake("--dry-run", check=False))
    assert "models." in text
    assert not (fresh.path / "results").exists()


def test_a_model_of_nan(fresh, tmp_path):
    model = tiny_model("llama", SEED)
    model.model.layers[1].mlp.down_proj.weight.data[3, 4] = math.nan
    folder = tmp_path / "nan"
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    config = fresh.config()
    config["models"]["tiny"]["source"] = f"path:{folder}"
    fresh.write_config(config)
    text = clear(fresh.snakemake("baselines", check=False))
    assert "not finite" in text
    assert not (fresh.path / "results/tiny/model.json").exists()


def test_a_tokenizer_without_a_chat_template(fresh):
    """format: chat puts the question as it is; auto takes the completion."""
    config = fresh.config()
    config["models"]["tiny"]["format"] = "chat"
    fresh.write_config(config)
    fresh.snakemake("baselines")
    card = json.loads((fresh.path / "results/tiny/model.json").read_text())
    assert not card["has_chat_template"] and card["format"] == "chat"
    assert fresh.baseline(TASKS[0])["n_items"] == 12


def test_zero_included_tasks(fresh):
    """Everything is made, and says that there is nothing."""
    config = fresh.config()
    config["tasks"] |= {"min_both_correct": 1.0, "filter": "both_correct"}
    del config["models"]["tiny"]["filter"]
    fresh.write_config(config)
    fresh.snakemake()
    assert not fresh.baseline(TASKS[0])["included"]
    assert "0 of 1" in (fresh.path / "results/report.html").read_text()


class _Poison:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "training_args.bin"])
def test_a_poisoned_checkpoint(fresh, tmp_path, name):
    weights, mark = tmp_path / "weights", tmp_path / "owned"
    if name != "training_args.bin":
        (weights / "model.safetensors").unlink()
    (weights / name).write_bytes(pickle.dumps(_Poison(mark)))
    done = fresh.snakemake("baselines", check=False)
    assert not mark.exists()
    if name == "training_args.bin":  # beside sound weights: never opened
        assert done.returncode == 0
    else:
        clear(done)


def test_yaml_with_tags(fresh, tmp_path):
    poison = f"!!python/object/apply:os.system ['touch {tmp_path}/owned']"
    whole = (fresh.path / "config.yaml").read_text()
    (fresh.path / "config.yaml").write_text(f"{whole}\nfigures: {poison}\n")
    assert "not plain data" in clear(fresh.snakemake("items", check=False))
    (fresh.path / "config.yaml").write_text(whole)
    task = fresh.path / f"data/{TASKS[0]}.yaml"
    task.write_text(f"description: {poison}\n")
    assert "not plain data" in clear(fresh.snakemake("items", check=False))
    assert not (tmp_path / "owned").exists()
