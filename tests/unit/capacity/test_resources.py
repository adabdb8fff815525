"""What model jobs ask a cluster for: sizes from every source of them, and plain arithmetic."""

import json
from types import SimpleNamespace

import pytest
import yaml
from tiny_models import save_tiny, tiny_model, tiny_tokenizer

from brodmann.capacity import resources
from brodmann.capacity.prompt_lengths import Lengths, prompt_lengths
from brodmann.capacity.resources import LONGEST, SHORTEST, ModelSize
from brodmann.capacity.stage_memory import StageMemory
from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.runner.encode import EncodedItem

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
    def minutes(size, prompts, **more):
        return resources.runtime_minutes(size, 64 * prompts, **{"on_gpu": True, **more})

    assert minutes(ModelSize(1000, 4), 10) == SHORTEST
    assert minutes(ModelSize(1000, 4), 10, attempt=2) == 2 * SHORTEST
    # 2 * 7e9 * 64 operations each, at 2e13 a second, twice; and 140 s to load.
    assert minutes(SEVEN, 184_000) == -(-(140 + 2 * 184_000 * 896e9 / 2e13) // 60)
    assert minutes(SEVEN, 184_000, attempt=2) == 2 * minutes(SEVEN, 184_000)
    assert minutes(SEVEN, 10**9) == minutes(SEVEN, 10**9, attempt=4) == LONGEST
    assert minutes(SEVEN, 10_000, on_gpu=False) > minutes(SEVEN, 10_000)


def test_an_estimate_has_no_limit_and_says_how_many_jobs_it_takes():
    """Each job loads the model anew; what is left of a day is work."""
    # 2 * 7e9 operations a token: 1e9 tokens take 700 000 s, twice as a margin.
    found = resources.time_of(SEVEN, 1e9, on_gpu=True)
    assert found.minutes == -(-(140 + 1_400_000) // 60)
    jobs, left = 0, found.working
    while left > 0:
        jobs, left = jobs + 1, left - (LONGEST - found.loading)
    assert found.submissions == jobs == 17
    assert resources.time_of(SEVEN, 1e6, on_gpu=True).submissions == 1
    # A token goes through some experts only; all of them are loaded.
    sparse = ModelSize(70_000_000_000, 2, active=7_000_000_000)
    assert resources.time_of(sparse, 1e9, on_gpu=True).working == found.working
    assert resources.time_of(sparse, 1e9, on_gpu=True).loading == pytest.approx(10 * found.loading)


def test_jobs_are_tried_again_as_often_as_the_profile_says(root):
    profile = yaml.safe_load((root / "profiles" / "slurm" / "config.yaml").read_text())
    assert profile["retries"] == resources.RETRIES


def test_work_follows_the_study(root, tmp_path):
    size = ModelSize(10**9, 2)
    layers = size.widths.layers

    def counted(rule, **config):
        models = {"m": {"source": "hf:org/name"}}
        tasks = {"include": ["language/hypernymy", "formal/number_sequence"], "items": 100}
        own = study(root, tmp_path, models=models, tasks=tasks, **config)
        return resources.tokens(own, rule, size) / 64

    # Prompts of which nothing is known are of 64 tokens, and share nothing.
    assert counted("baseline_pass") == 2 * 100 * 4
    once = {"second_seed": False}
    assert counted("attribution_pass", attribution=once) == 2 * 100 * 6
    assert counted("attribution_pass", attribution={"second_seed": True}) == 4 * 100 * 6
    steps = {**once, "estimator": "ig", "ig_steps": 5}
    assert counted("attribution_pass", attribution=steps) == 2 * 100 * (2 + 4 * 5 * layers)
    exact = {**once, "estimator": "exact", "exact_units": 7}
    assert counted("attribution_pass", attribution=exact) == 2 * 100 * (6 + 2 * 7)
    lesions = 1 + 2 * (1 + 3) + 3
    # Donors are run once beside all lesions.
    assert counted("ablation_pass") == 2 * 100 * (lesions + 1)
    assert counted("ablation_pass", ablation={"max_items": 10}) == 2 * 10 * (lesions + 1)
    both = {"kinds": ["zero", "mean"], "max_items": 10}
    assert counted("ablation_pass", ablation=both) == 2 * 2 * 10 * lesions


def test_what_prompts_begin_with_is_run_once(root, tmp_path):
    """20 tokens that both prompts share, 10 that they do not, an answer of 2."""
    tasks = {"include": ["language/hypernymy"], "items": 50}
    models = {"m": {"source": "hf:org/name"}}
    lengths = {"language/hypernymy": Lengths(20.0, 10.0, 2.0)}
    lesions = 1 + (1 + 3) + 3
    keeps, whole = ModelSize(10**9, 2), ModelSize(10**9, 2, stateful=True)

    def counted(rule, size, **config):
        config = {"attribution": {"second_seed": False}, **config}
        own = study(root, tmp_path, models=models, tasks=tasks, **config)
        return resources.tokens(own, rule, size, lengths)

    assert counted("baseline_pass", keeps) == 50 * 4 * 32
    # Both contexts, then the last prompt token and an answer, both answers, there and back.
    assert counted("attribution_pass", keeps) == 50 * (20 + 2 * 10 + 4 * 3)
    assert counted("attribution_pass", whole) == 50 * (2 * 30 + 4 * 32)
    # What differs, and both answers but for their last tokens: of every lesion and of the donors.
    assert counted("ablation_pass", keeps) == 50 * (20 + (lesions + 1) * 12)
    assert counted("ablation_pass", whole) == 50 * 2 * (lesions + 1) * 32
    # What is set to zero is so from the first token on.
    zero = {"ablation": {"kinds": ["zero"]}}
    assert counted("ablation_pass", keeps, **zero) == 50 * lesions * 32


def test_a_lesion_runs_no_more_tokens_than_are_counted(root, tmp_path):
    """Tokens that a tiny model is really given, against the count for its own prompts."""
    model = wrap_model(tiny_model("llama"), tiny_tokenizer(), name="m")
    before = tuple(range(10, 30))
    items = [
        EncodedItem((*before, n, *range(40, 49)), (*before, n + 1, *range(40, 49)), (7, 8), (9, 6))
        for n in range(60, 72)
    ]
    wide = model.neurons_per_layer
    lesions = [Lesion.of([unit], wide) for unit in range(8)]
    ablator, seen = Ablator(model), []
    model.hf.model.layers[0].register_forward_pre_hook(
        lambda _, args: seen.append(args[0].shape[0] * args[0].shape[1])
    )
    ablator.scores(items, lesions, "corrupted")
    own = study(
        root,
        tmp_path,
        models={"m": {"source": "hf:org/name"}},
        tasks={"include": ["language/hypernymy"], "items": 12, "min_items": 1},
    )
    size, lengths = ModelSize(10**6, 4), {"language/hypernymy": Lengths(20.0, 10.0, 2.0)}
    counted = resources.tokens(own, "ablation_pass", size, lengths)
    # 1 + 1 * (1 + 3) + 3 = 8 lesions; donors are run beside them, what prompts share once for some items.
    assert 0.8 * counted < sum(seen) < 1.1 * counted


def test_prompts_are_measured_on_items(root, tmp_path):
    tasks = {"include": ["formal/number_sorting", "social/social_relations"]}
    own = study(root, tmp_path, models={"m": {"source": "hf:org/name"}}, tasks=tasks)
    found = prompt_lengths(own, root / "data")
    sorting, relations = (found[task] for task in own.tasks.selected)
    # Two lists that end differently; two stories that begin so.
    assert sorting.shared > 0.8 * (sorting.shared + sorting.rest)
    assert relations.rest > relations.shared
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


def test_two_ways_to_share_a_model(root, tmp_path):
    entry = {"source": "hf:org/name", "parallel": "tensor"}
    found = study(root, tmp_path, models={"m": {**entry, "gpus": 2}})
    assert (found.gpus_of("m"), found.model("m").parallel) == (2, "tensor")
    with pytest.raises(UserError, match="gpus is 1"):
        study(root, tmp_path, models={"m": entry})
    with pytest.raises(UserError, match="device_map: every GPU has a share"):
        study(root, tmp_path, models={"m": {**entry, "gpus": 2, "device_map": "auto"}})
