"""How fast this machine is: measured when asked, kept beside the cache, and used for times alone."""

import json
import platform

import pytest
from tiny_models import save_tiny

from brodmann.capacity import calibration, resources, speed
from brodmann.capacity.sizes import ModelSize
from brodmann.cli import main
from brodmann.config.load import load_config
from brodmann.models.cache import Cache
from brodmann.runner.footprint import Widths

TINY = Widths(2, 64, 128, 64, 64, 100, 4)


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "cache"))


def test_what_was_measured_is_known_later_and_only_there(cache, monkeypatch):
    assert speed.known(cache, "cpu") is None
    monkeypatch.setattr(calibration, "_SECONDS", 0.01)
    monkeypatch.setattr(calibration, "_STARTING", "")
    measured = calibration.calibrate(cache, [TINY], "cpu")
    found = speed.known(cache, "cpu")
    assert found.operations == measured.operations and found.operations[64] > 1e6
    assert speed.known(cache, "cuda") is None
    # Another size is added, none is lost.
    calibration.calibrate(cache, [Widths(2, 32, 64, 32, 32, 100, 4)], "cpu")
    assert set(speed.known(cache, "cpu").operations) == {64, 32}
    monkeypatch.setattr(platform, "node", lambda: "another machine")
    assert speed.known(cache, "cpu") is None


def test_times_follow_from_it():
    here = speed.Speed(start=6.0, operations={64: 1e9, 4096: 1e11})
    assert here.of(100) == 1e9 and here.of(1000) == 1e11
    size = ModelSize(50_000_000, 4, Widths(2, 64, 128, 64, 64, 100, 4))
    time = resources.time_of(size, 1e4, on_gpu=False, speed=here)
    assert 60 * time.loading == pytest.approx(6 + 2e8 / 5e8)
    assert 60 * time.working == pytest.approx(2 * 5e7 * 1e4 / 1e9)


def test_the_plan_is_by_what_was_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(calibration, "_SECONDS", 0.01)
    folder = save_tiny(tmp_path / "weights", "llama", 0)
    config = {
        "models": {"m": {"source": f"path:{folder}"}},
        "tasks": {"include": ["language/npi"]},
        "localizer": {"lesion": {"tasks": []}},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    assert main(["plan", "--cpu"]) == 0
    before = capsys.readouterr().out
    assert "brodmann plan --calibrate measures this machine" in before
    assert main(["plan", "--cpu", "--calibrate"]) == 0
    calibrated = capsys.readouterr().out
    assert "(as measured here)" in calibrated
    assert not (tmp_path / "results").exists() and (tmp_path / "cache/speed.json").is_file()
    # What jobs ask a cluster for is the same.
    asked = [
        [line.split()[-3:] for line in text.splitlines() if line.endswith(" min")]
        for text in (before, calibrated)
    ]
    assert asked[0] == asked[1] and asked[0]


def test_a_pass_may_take_as_long_as_last_time_else_as_its_tokens(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))
    folder = save_tiny(tmp_path / "weights", "llama", 0)
    config = {"models": {"m": {"source": f"path:{folder}"}}, "tasks": {"include": ["language/npi"]}}
    (tmp_path / "config.yaml").write_text(
        json.dumps({**config, "localizer": {"lesion": {"tasks": []}}})
    )
    study = load_config([tmp_path / "config.yaml"], root=root).study

    def expected(rule):
        return resources.expected_seconds(study, rule, "m", submitted=False, data=root / "data")

    assert expected("overlap") is None
    # Of twice the speed, half the time.
    times = []
    for operations in (1e6, 2e6):
        speed.keep(Cache(), "cpu", speed.Speed(0.0, {64: operations}))
        monkeypatch.setattr(resources, "gpu_here", lambda: False)
        times.append(expected("baseline_pass"))
    assert times[0] == pytest.approx(2 * times[1], rel=0.01) and times[1] > 0
    (tmp_path / "benchmarks/m").mkdir(parents=True)
    (tmp_path / "benchmarks/m/baseline_pass.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    assert expected("baseline_pass") == 12.5
