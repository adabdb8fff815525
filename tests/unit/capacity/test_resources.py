"""What model jobs ask a cluster for: sizes from every source of them, and plain arithmetic."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from tiny_models import save_tiny, tiny_model

from brodmann.capacity import resources
from brodmann.capacity.prompt_lengths import prompt_lengths
from brodmann.capacity.rates import Time
from brodmann.capacity.resources import LONGEST, SHORTEST, ModelSize
from brodmann.capacity.sharing import PCIE, gain
from brodmann.capacity.stage_memory import StageMemory
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.runner.footprint import Widths
from brodmann.runner.lengths import Lengths

SEVEN = ModelSize(parameters=7_000_000_000, width=2)


def study(root, tmp_path, **config):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(config))
    return load_config([path], root=root).study


@pytest.fixture
def hub(root, tmp_path):
    def make(**entry):
        models = {"m": {"source": "hf:org/name", **entry}}
        return study(root, tmp_path, models=models).model("m")

    return make


@pytest.fixture
def files(tmp_path):
    """Card and record of a model, which need not exist."""
    return tmp_path / "model.json", tmp_path / ".source.json"


def test_the_card_says_it_exactly(hub, files):
    files[0].write_text(json.dumps({"n_parameters": 1000, "dtype": "bfloat16"}))
    files[1].write_text(json.dumps({"bytes": 5}))
    assert resources.model_size(hub(), *files) == ModelSize(1000, 2)


def test_a_set_dtype_counts_before_the_checkpoints_own(hub, files):
    files[0].write_text(json.dumps({"n_parameters": 1000, "dtype": "bfloat16"}))
    assert resources.model_size(hub(dtype="float32"), *files).bytes == 4000


def test_the_record_of_a_fetched_model_is_enough(hub, files):
    files[1].write_text(json.dumps({"bytes": 14_000_000_000}))
    assert resources.model_size(hub(), *files) == SEVEN
    assert resources.model_size(hub(dtype="float32"), *files).bytes == 28_000_000_000
    # Untrained weights are drawn as float32.
    assert resources.model_size(hub(untrained=True), *files) == ModelSize(3_500_000_000, 4)


def test_before_anything_is_known(hub, files):
    with pytest.raises(FileNotFoundError):
        resources.model_size(hub(), *files)
    files[1].write_text("{ torn")
    with pytest.raises(FileNotFoundError):
        resources.model_size(hub(), *files)


def test_a_local_folder_is_measured_by_its_headers(root, tmp_path, files):
    folder = save_tiny(tmp_path / "tiny")
    entry = study(root, tmp_path, models={"m": {"source": f"path:{folder}"}}).model("m")
    parameters = sum(p.numel() for p in tiny_model("llama").parameters())
    assert resources.model_size(entry, *files) == ModelSize(parameters, 4)


def test_a_damaged_folder_is_the_jobs_to_report(root, tmp_path, files):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    entry = study(root, tmp_path, models={"m": {"source": f"path:{folder}"}}).model("m")
    with pytest.raises(FileNotFoundError):
        resources.model_size(entry, *files)


def test_memory_grows_with_the_model_and_with_every_attempt():
    def asked(size, batch=0, gathered=0, **more):
        memory = StageMemory("check_model", size.bytes, 0, batch, gathered)
        return resources.memory_mb(size, memory, **{"on_gpu": True, **more})

    assert asked(ModelSize(0, 2)) == resources.BASE_MB
    assert asked(SEVEN) == 6000 + 1.2 * 14000
    assert asked(SEVEN, attempt=3) == 3 * asked(SEVEN)
    # Cast while it is loaded: the files are mapped beside the weights.
    cast = ModelSize(SEVEN.parameters, 4, stored=14_000_000_000)
    assert asked(cast) == 6000 + 1.2 * 42000
    # A batch is on the GPU; what is gathered is on the host.
    work = {"batch": 10**9, "gathered": 10**8}
    assert asked(SEVEN, **work) == 6000 + 1.2 * 14100
    assert asked(SEVEN, **work, on_gpu=False) == 6000 + 1.2 * 15100


def test_a_request_is_kept_within_what_queues_take():
    def minutes(working, loading=0.0, **more):
        return resources.runtime_minutes(Time(loading, working), **more)

    assert minutes(1) == SHORTEST
    assert minutes(1, attempt=2) == 2 * SHORTEST
    # Twice what the work may take, as nodes differ.
    assert minutes(100.2, 2.5) == 203
    assert minutes(100, attempt=2) == 400
    assert minutes(10**6) == minutes(10**6, attempt=4) == LONGEST
    assert minutes(10**6, limit=720) == 720


def test_jobs_are_tried_again_as_often_as_the_profile_says(root):
    profile = yaml.safe_load((root / "profiles" / "slurm" / "config.yaml").read_text())
    assert profile["retries"] == resources.RETRIES


@pytest.fixture
def counted(root, tmp_path, monkeypatch):
    """(rule, lengths, stateful=, shares=, together=, **config) -> the effort for two tasks of 100 items."""

    def count(rule, found=None, together=None, stateful=False, shares=False, **config):
        monkeypatch.setattr(resources, "prompt_lengths", lambda *_: found or {})
        models = {"m": {"source": "hf:org/name"}}
        tasks = {"include": ["language/hypernymy", "formal/number_sequence"], "items": 100}
        own = study(root, tmp_path, models=models, tasks=tasks, **config)
        own_widths, states = Widths(4, 64, 128, 64, 64, 100, 2), {"stateful": stateful}
        size = ModelSize(10**9, 2, own_widths, **states, shares=shares)
        return resources.effort(own, rule, "m", size, on_gpu=True, together=together)

    return count


def test_work_follows_the_study(counted):
    """Prompts of which nothing is known are of 64 tokens, and share nothing; answers are of one token."""
    assert counted("baseline_pass", together=False).tokens == 2 * 100 * 2 * 64
    # Made on the way: the last tokens, there and back, for both answers at once.
    both = counted("baseline_pass")
    assert both.tokens == 2 * 100 * (2 * 64 + 2)
    assert both.scored == 2 * 100 * (1 + 2)
    once = {"second_seed": False}
    assert counted("attribution_pass", attribution=once).tokens == both.tokens
    assert counted("attribution_pass", attribution=once, together=True).tokens == 0
    assert counted("attribution_pass", attribution={"second_seed": True}, together=True) == replace(
        both, ranked=0
    )
    steps = {**once, "estimator": "ig", "ig_steps": 5}
    assert counted("attribution_pass", attribution=steps).tokens == 2 * 100 * (2 * 64 + 2 * 5 * 4)
    exact = {**once, "estimator": "exact", "exact_units": 7}
    assert counted("attribution_pass", attribution=exact).tokens == 2 * 100 * (2 * 64 + 2 + 7)
    # Ten halves, each of which has another half, and a hundred bootstraps of all units.
    assert both.ranked == 2 * 4 * 128 * (2 * 10 + 100)
    assert counted("attribution_pass", attribution=exact).ranked == 0
    lesions = 2 * (1 + 3) + 3
    # What lesions go on from is read once: the clean prompts, and the corrupted ones.
    assert counted("ablation_pass").tokens == 2 * 100 * 64 * (2 + lesions)
    assert counted("ablation_pass", ablation={"max_items": 10}).tokens == 2 * 10 * 64 * (
        2 + lesions
    )
    zero = {"kinds": ["zero"], "max_items": 10}
    assert counted("ablation_pass", ablation=zero).tokens == 2 * 10 * 64 * (1 + lesions)
    mean = counted("ablation_pass", ablation={**zero, "kinds": ["mean"]})
    assert mean.tokens == 2 * 10 * 64 * (2 + lesions)
    # Own, layer-matched and one lent order of two sizes, a random one, and no unit at all.
    tested = {"tasks": ["*"], "fractions": [0, 10, 50, 100], "signs": ["positive"]}
    assert counted("faithfulness_pass", faithfulness=tested).tokens == 2 * 100 * 64 * (2 + 9)
    one = {**tested, "tasks": ["formal/*"], "same_domain": 0, "other_domains": 0}
    assert counted("faithfulness_pass", faithfulness=one).tokens == 100 * 64 * (2 + 7)
    again = counted("faithfulness_pass", faithfulness={**one, "rivals": {"rounds": 2}})
    assert again.tokens == 100 * (64 * (2 + 7 + 3 * 3) + 2 * (2 * 64 + 2))


def test_what_prompts_share_is_run_once(counted):
    """All prompts begin with 5 tokens. Clean and corrupted ones add 30 that no other item has, of which 20
    are the clean one's, which is of 40 tokens, and 10 lie after the difference; the answers add 3."""
    own = Lengths(5.0, 30.0, 20.0, 10.0, 3.0, 40.0)
    found = dict.fromkeys(("language/hypernymy", "formal/number_sequence"), own)
    once = {"attribution": {"second_seed": False}, "execution": {"batch_tokens": 10**6}}

    def tokens(rule, **more):
        return counted(rule, found, **{**once, **more}).tokens / 2

    # Lanes are of 384 nodes: each begins with the 5 tokens.
    def lanes(nodes):
        return nodes + 5 * max(1, nodes / (384 - 5))

    assert tokens("baseline_pass", together=False) == pytest.approx(lanes(100 * (30 + 2 * 3)))
    assert tokens("attribution_pass") == pytest.approx(lanes(100 * 30) + 100 * 2 * (1 + 3))
    lesions = 2 * (1 + 3) + 3
    expected = lanes(100 * 36) + lesions * 100 * (10 + 3)
    assert tokens("ablation_pass") == pytest.approx(expected)
    # With recurrent states all of a prompt is run, once for each answer that goes on.
    assert tokens("ablation_pass", stateful=True) == (2 * 80 + 2 * 3 + lesions * 83) * 100
    # Where a state is gone on from, lesions run what comes after the difference, twice; what is before it is
    # run once for a batch, of 20 rows.
    states = {"stateful": True, "shares": True, "execution": {"batch_tokens": 20 * 43}}
    expected = 2 * 80 + 2 * 3 + lesions * (2 * (10 + 30 / 20) + 3)
    assert tokens("ablation_pass", **states) == pytest.approx(100 * expected)
    # Gradients do not go through a state that is kept.
    both = {one: {**states, "shares": one} for one in (True, False)}
    found = [tokens("attribution_pass", **both[one]) for one in both]
    assert found[0] == found[1] == pytest.approx(100 * (160 + 2 * (80 + 3)))


def test_prompts_are_measured_on_items(root, tmp_path):
    tasks = {"include": ["formal/number_sorting", "social/social_relations"]}
    own = study(root, tmp_path, models={"m": {"source": "hf:org/name"}}, tasks=tasks)
    found = prompt_lengths(own, str(root / "data"), chat=False)
    sorting, relations = (found[task] for task in own.tasks.selected)
    # Two lists that end differently; two stories that begin so.
    assert sorting.rest < 0.2 * sorting.whole
    assert relations.rest > 0.5 * relations.whole
    # A template is before and after each prompt: what is before it is run once.
    wrapped = prompt_lengths(own, str(root / "data"), chat=True)[own.tasks.selected[0]]
    assert wrapped.header >= 20 and wrapped.rest >= 5 + 1
    assert prompt_lengths(own, None) == {}


def test_rules_get_functions_that_know_more_later(root, tmp_path, monkeypatch):
    """A model of the hub has no size before it is fetched; at submission it has."""
    monkeypatch.chdir(tmp_path)
    needs = resources.needs(
        study(root, tmp_path, models={"m": {"source": "hf:org/name"}}), "check_model"
    )
    job = SimpleNamespace(model="m")
    assert needs["mem_mb"](job, attempt=2) == 2 * resources.BASE_MB
    assert needs["runtime"](job, attempt=1) == SHORTEST
    record = tmp_path / "results" / "m" / ".source.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"bytes": 14_000_000_000}))
    assert needs["mem_mb"](job, attempt=1) == 6000 + 1.2 * 14000
    assert needs["mem_mb"](job, attempt=2) == 2 * (6000 + 1.2 * 14000)
    assert needs["gpu"](job) == 1


def test_gpus(root, tmp_path):
    entry = {"source": "hf:org/name"}
    spread = {**entry, "device_map": "auto", "gpus": 4}
    assert study(root, tmp_path, models={"m": entry}).gpus_of("m") == 1
    assert study(root, tmp_path, models={"m": spread}).gpus_of("m") == 4
    on_cpu = study(root, tmp_path, models={"m": entry}, execution={"device": "cpu"})
    assert on_cpu.gpus_of("m") == 0


def test_several_gpus_need_a_device_map(root, tmp_path):
    with pytest.raises(UserError, match="several GPUs need a device_map"):
        study(root, tmp_path, models={"m": {"source": "hf:org/name", "gpus": 2}})


def test_gpus_that_share_every_layer_take_less_time(root, tmp_path):
    size = ModelSize(69_000_000_000, 2, Widths(80, 8192, 28672, 8192, 1024, 32000, 2))
    entry = {"source": "hf:org/name", "gpus": 4}
    ways = {"in_turn": {"device_map": "auto"}, "tensor": {"parallel": "tensor"}}
    models = {name: {**entry, **own} for name, own in ways.items()}
    found = study(root, tmp_path, models=models)

    def times(rule):
        return [resources.time_of(found, rule, name, size, on_gpu=True) for name in ways]

    in_turn, tensor = times("attribution_pass")
    assert tensor.loading == in_turn.loading
    # What launching takes is no less.
    assert 1 < in_turn.working / tensor.working <= gain(size, 4, PCIE)
    slow, fast = times("check_model")  # always with its layers in turn
    assert slow == fast


def test_two_ways_to_share_a_model(root, tmp_path):
    entry = {"source": "hf:org/name", "parallel": "tensor"}
    found = study(root, tmp_path, models={"m": {**entry, "gpus": 2}})
    assert (found.gpus_of("m"), found.model("m").parallel) == (2, "tensor")
    with pytest.raises(UserError, match="gpus is 1"):
        study(root, tmp_path, models={"m": entry})
    with pytest.raises(UserError, match="device_map: every GPU has a share"):
        study(root, tmp_path, models={"m": {**entry, "gpus": 2, "device_map": "auto"}})
