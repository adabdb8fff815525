"""How many jobs share a pass."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brodmann.capacity.resources import Time
from brodmann.capacity.shards import STARTING, Shards, decided, number_of
from brodmann.config.load import load_config
from brodmann.pipeline.stages import STAGES, passes_of

LARGE = {
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}
SMALL = {**LARGE, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 4}


@settings(deadline=None)
@given(st.floats(0.05, 200), st.floats(0, 1e6), st.integers(1, 1000), st.integers(1, 1000))
def test_jobs_are_short_but_not_all_start(loading, working, minutes, most):
    count = number_of(Time(loading, working), minutes, most)
    assert 1 <= count <= most

    def takes(n):
        return loading + working / n

    if count > 1:
        assert loading <= STARTING * takes(count) * (1 + 1e-9)
        # One less, and they would take longer than they should.
        assert takes(count - 1) > minutes * (1 - 1e-9)
    if count < most and takes(count) > minutes * (1 + 1e-9):
        assert loading > STARTING * takes(count + 1) * (1 - 1e-9), "one more would be worth it"


@pytest.fixture
def study_of(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))

    def make(config=LARGE, entry=None, **study):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        models = {"m": {"source": f"path:{folder}", **(entry or {})}}
        file = tmp_path / "study.json"
        file.write_text(json.dumps({"models": models, "tasks": {"items": 1000}, **study}))
        return load_config([file], root=root).study

    return make


def test_a_large_model_on_a_cluster(study_of):
    counts = decided(study_of(), None, None)["m"]
    assert counts["ablation_pass"] > counts["attribution_pass"] > 1
    shorter = decided(study_of(execution={"job_minutes": 240}), None, None)["m"]
    assert 1 < shorter["ablation_pass"] <= counts["ablation_pass"]


def test_a_small_model_a_laptop_and_one_gpu_have_none(study_of):
    assert decided(study_of(SMALL), None, None) == {}
    for gpus in (0, 1):
        assert decided(study_of(), gpus, None) == {}
    assert decided(study_of(execution={"device": "cpu"}), 4, None) == {}


def test_one_machine_has_as_many_as_gpus(study_of):
    assert set(decided(study_of(), 4, None)["m"].values()) <= {2, 3, 4}
    assert decided(study_of(), 4, None)["m"]["ablation_pass"] == 4
    pairs = study_of(entry={"gpus": 2, "device_map": "auto"})
    assert set(decided(pairs, 4, None)["m"].values()) == {2}


def test_a_model_that_is_not_there_yet_has_none(study_of, tmp_path):
    study = study_of()
    (tmp_path / "model/config.json").unlink()
    assert decided(study, None, None) == {}


def test_as_many_as_there_are_pieces(study_of):
    study = study_of(
        SMALL,
        execution={"shards": 500},
        localizer={"networks": ["language"], "percentages": [1.0]},
        tasks={"items": 8, "min_items": 2, "include": ["language/npi", "formal/code_list"]},
    )
    counts = decided(study, 0, None)["m"]
    assert counts["baseline_pass"] == counts["attribution_pass"] == 2
    assert "localizer_pass" not in counts, "one network"
    assert 1 < counts["lesion_pass"] < 500
    assert "check_model" not in counts


def test_every_pass_but_the_check_can_be_shared(study_of):
    study = study_of()
    assert {stage.name for stage in passes_of(study, "m") if stage.pieces is None} == {
        "check_model"
    }
    for stage in STAGES.values():
        if stage.pieces is not None:
            assert STAGES[stage.after].cost is not None, stage.name


def shards_of(study, **counts):
    return Shards(study, lambda: counts)


def wildcards(**names):
    class Wildcards(SimpleNamespace):
        def keys(self):
            return vars(self).keys()

        def get(self, name, default=None):
            return vars(self).get(name, default)

    return Wildcards(model="m", **names)


def test_a_shard_asks_for_its_part_of_the_time(study_of):
    study = study_of()
    shards = shards_of(study, m={"attribution_pass": 4})
    whole = shards_of(study).needs("attribution_pass")["runtime"](wildcards(), 1)
    asked = shards.needs("attribution_pass")["runtime"]
    part = asked(wildcards(shard="2", shards="4"), 1)
    assert whole / 4 <= part < whole / 2
    assert asked(wildcards(), 1) == 30 < part
    said = shards.expected_seconds(
        "attribution_shard", wildcards(shard="2", shards="4"), submitted=True
    )
    # Twice the time of its work is asked for.
    assert 60 * part / 2 < said < 60 * part
    for light in ("attribution_pass", "overlap"):  # the pass, after its shards
        assert shards.expected_seconds(light, wildcards(), submitted=True) is None


def test_who_waits_for_whom(study_of):
    study = study_of(
        localizer={"networks": ["language"]},
        networks={
            "datasets": {"news": "corpus:news"},
            "editing": {"localizer": "language"},
        },
    )
    shards = shards_of(study, m={"network_use_pass": 2, "networks_pass": 2})
    place = "results/m/.store/shards"
    assert shards.markers("networks_pass", wildcards()) == [
        f"{place}/networks.1-of-2.json",
        f"{place}/networks.2-of-2.json",
    ]
    assert shards.markers("networks_pass", wildcards(shard="1", shards="2")) == []
    assert shards.markers("network_use_pass", wildcards(shard="1", shards="2")) == [
        f"{place}/network_use.0-of-2.json"
    ]
    assert shards.markers("network_use_pass", wildcards(shard="0", shards="2")) == []
    assert shards.markers("baseline_pass", wildcards()) == []


def test_jobs_count_as_the_run_that_started_them(study_of, monkeypatch):
    monkeypatch.setenv("BRODMANN_SHARDS", "{}")  # put back afterwards
    study = study_of()

    def run(main, local, nodes=None, dryrun=False, **resources):
        given = {name: SimpleNamespace(value=value) for name, value in resources.items()}
        groups = {"check_model": "start", "attribution_pass": "start", "ablation_pass": "ablation"}
        return SimpleNamespace(
            is_main_process=main,
            local_exec=local,
            dryrun=dryrun,
            nodes=nodes,
            global_resources=given,
            group_settings=SimpleNamespace(overwrite_groups=groups),
        )

    cluster = run(True, False)
    first = Shards.of_run(cluster, study, None)
    assert first.counts["m"]["attribution_pass"] > 1
    # Between the members of a group there are shards now: it is parted.
    left = {"check_model": "start", "ablation_pass": "ablation"}
    assert cluster.group_settings.overwrite_groups == left
    assert Shards.of_run(run(False, True), study, None).counts == first.counts
    monkeypatch.setattr("sys.argv", ["snakemake", "--profile", "slurm", "-n"])
    assert Shards.of_run(run(True, True, nodes=50, dryrun=True), study, None).counts == first.counts
    monkeypatch.setattr("sys.argv", ["snakemake", "-n", "-j50"])
    assert Shards.of_run(run(True, True, nodes=50, dryrun=True), study, None).counts == {}
    assert Shards.of_run(run(True, True), study, None).counts == {}
    two = Shards.of_run(run(True, True, gpu=2), study, None).counts
    assert two["m"]["ablation_pass"] == 2
