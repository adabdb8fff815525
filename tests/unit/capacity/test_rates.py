"""How fast devices are: the file of rates, what was measured on this machine, times that follow from it."""

import json
import platform
import re

import pytest
from gpu.shapes import LLAMA
from tiny_models import save_tiny

from brodmann.capacity import calibration, rates, resources
from brodmann.capacity.rates import Rates, Time, kinds
from brodmann.capacity.sizes import ModelSize
from brodmann.cli import main
from brodmann.config.load import load_config
from brodmann.models.cache import Cache
from brodmann.pipeline.time_left import UNKNOWN
from brodmann.runner.costs import Effort
from brodmann.runner.footprint import Widths

TINY = Widths(2, 64, 128, 64, 64, 100, 4)


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "cache"))


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(calibration, "_SECONDS", 0.01)
    monkeypatch.setattr(calibration, "_STARTING", "")


def test_a_time_is_made_of_its_parts():
    here = Rates({"float32": 1e9}, {"baseline": 0.5, "other": 0.1}, 0.01, 6.0, 1e8, 1e3, 1e4)
    size = ModelSize(50_000_000, 4, Widths(3, 64, 128, 64, 64, 1000, 4))
    effort = Effort(tokens=100, scored=10, passes=4, ranked=500, decomposed=2e4)
    products = 2 * (size.passed * 100 + 64 * 1000 * 10) / 1e9
    others = 4 * 3 * 0.01 + 0.5 + 2
    found = here.time("baseline", size, effort)
    assert 60 * found.loading == pytest.approx(6 + 2)
    assert 60 * found.working == pytest.approx(products / 0.5 + others)
    assert 60 * here.time("lesion", size, effort).working == pytest.approx(products / 0.1 + others)
    assert here.of_cores(2).time("baseline", size, effort).working < found.working
    # A token goes through some experts only; all of them are loaded.
    dense, sparse = (ModelSize(10**9, 4), ModelSize(10**10, 4, active=10**9))
    assert here.time("x", sparse, Effort(9)).working == here.time("x", dense, Effort(9)).working
    assert here.time("x", sparse, Effort(9)).loading > 5 * here.time("x", dense, Effort(9)).loading


def test_blocks_are_what_lies_between_the_tables():
    """Tied and untied, exactly as the matrices of a gated decoder."""
    blocks = 2 * 64 * (4 * 64 + 3 * 128)
    for tables in (1, 2):
        assert ModelSize(blocks + tables * 6400, 4, TINY).passed == blocks


def test_an_estimate_has_no_limit_and_says_how_many_jobs_it_takes():
    """Each job loads the model anew; what is left of it is work."""
    found = Time(loading=3.0, working=23_000.0)
    jobs, left = 0, found.working
    while left > 0:
        jobs, left = jobs + 1, left - (1440 - found.loading)
    assert found.minutes == 23_003 and found.jobs(1440) == jobs == 17
    assert Time(3.0, 100.0).jobs(1440) == 1
    assert Time(30.0, 100.0).jobs(20) is None


@pytest.mark.parametrize("kind", ["H100", "H200"])
def test_the_file_says_what_was_measured(root, kind):
    """Its GPUs are those of docs/measured-KIND.txt, its CPU that of docs/performance.md."""
    text = (root / "docs" / f"measured-{kind.lower()}.txt").read_text()

    def line(what):
        return float(re.search(rf"{re.escape(what)} +([0-9.,]+)", text)[1].replace(",", ""))

    own = kinds()[kind]
    assert own.matmul["bfloat16"] == 1e12 * line("bf16 matrix product")
    blocks, head = LLAMA.layers * LLAMA.block_parameters, LLAMA.head_parameters
    # On the H100, the check counted the head at all nodes of the 8 B shape.
    counted = blocks / (blocks + head) if kind == "H100" else 1.0
    for stage, what in (
        ("baseline", "baseline: share of the matmul rate"),
        ("attribution", "attribution  share of the matmul rate"),
        ("ablation", "ablation     share of the matmul rate"),
    ):
        assert own.share[stage] == pytest.approx(line(what) * counted, rel=0.01)
    assert own.start == line("start-up to the first product")
    assert own.loading == 1e9 * line("loaded from disk (caches asked to let go)")
    assert own.block == pytest.approx(line("1024 tokens, traced") / 1000 / 32, rel=0.05)
    values = 120 * 32 * 14336
    replicates = line("(defaults)") - line("(all of the above)")
    assert own.ranking == pytest.approx(values / replicates, rel=0.02)
    shares = re.findall(r"(\d+)(?: to \d+)? %", (root / "docs" / "performance.md").read_text())
    assert {round(100 * share) for share in kinds()["cpu"].share.values()} <= set(map(int, shares))


def test_what_was_measured_is_known_later_and_only_there(cache, monkeypatch, quickly):
    assert rates.known(cache, "cpu") is None
    calibration.calibrate(cache, [TINY], "cpu")
    found = rates.known(cache, "cpu")
    assert found.basis == "as measured here" and found.matmul["float32"] > 1e6 and found.block > 0
    assert found.share == kinds()["cpu"].share
    assert rates.known(cache, "cuda") is None
    # Another dtype is added, none is lost.
    calibration.calibrate(cache, [Widths(2, 32, 64, 32, 32, 100, 2)], "cpu")
    assert rates.known(cache, "cpu").matmul["float32"] == found.matmul["float32"]
    assert rates.known(cache, "cpu").matmul["bfloat16"] != kinds()["cpu"].matmul["bfloat16"]
    monkeypatch.setattr(platform, "node", lambda: "another machine")
    assert rates.known(cache, "cpu") is None


def test_what_an_earlier_version_measured_is_not_used(cache):
    cache.root.mkdir()
    old = {platform.node(): {"cpu": {"start": 5.0, "operations": {"576": 1e11}}}}
    (cache.root / "speed.json").write_text(json.dumps(old))
    assert rates.known(cache, "cpu") is None


def test_the_plan_is_by_what_was_measured(tmp_path, monkeypatch, capsys, quickly):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))
    folder = save_tiny(tmp_path / "weights", "llama", 0)
    config = {
        "models": {"m": {"source": f"path:{folder}"}},
        "tasks": {"include": ["language/npi"]},
        "localizer": {"lesion": {"tasks": []}},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    assert main(["plan", "--cpu"]) == 0
    assert "brodmann plan --calibrate measures this machine" in capsys.readouterr().out
    assert main(["plan", "--cpu", "--calibrate"]) == 0
    assert "(as measured here)" in capsys.readouterr().out
    assert not (tmp_path / "results").exists() and (tmp_path / "cache/speed.json").is_file()


def test_a_pass_may_take_as_long_as_last_time_else_as_its_work(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))
    folder = save_tiny(tmp_path / "weights", "llama", 0)
    models = {"m": {"source": f"path:{folder}"}, "far": {"source": "hf:org/name"}}
    config = {"models": models, "tasks": {"include": ["language/npi"]}}
    (tmp_path / "config.yaml").write_text(
        json.dumps({**config, "localizer": {"lesion": {"tasks": []}}})
    )
    study = load_config([tmp_path / "config.yaml"], root=root).study

    def expected(rule):
        return resources.expected_seconds(study, rule, "m", submitted=False, data=root / "data")

    assert expected("overlap") is None
    # A model that is still to be fetched may be of any size.
    far = resources.expected_seconds(study, "baseline_pass", "far", submitted=False)
    assert far == UNKNOWN
    # Of twice the speed, half the time.
    times = []
    monkeypatch.setattr(resources, "gpu_here", lambda: False)
    for rate in (1e6, 2e6):
        measured = {
            "kind": "cpu",
            "cores": 1,
            "matmul": {"float32": rate},
            "block": 0.0,
            "start": 0.0,
        }
        rates.keep(Cache(), "cpu", measured)
        times.append(expected("baseline_pass"))
    assert times[0] == pytest.approx(2 * times[1], rel=0.01) and times[1] > 0
    (tmp_path / "benchmarks/m").mkdir(parents=True)
    (tmp_path / "benchmarks/m/baseline_pass.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    assert expected("baseline_pass") == 12.5
