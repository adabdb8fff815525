"""The planner: sizes from configs, GPUs from sizes, the table, and its errors."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import save_file

from brodmann.capacity.model_config import ModelConfig
from brodmann.capacity.plan import gpus_needed, measured_peak, plan
from brodmann.capacity.sizes import ModelSize
from brodmann.capacity.stage_memory import StageMemory, stage_memory
from brodmann.cli import main
from brodmann.commands.plan import table
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.pipeline.stages import PASSES
from brodmann.runner.footprint import Widths

# Llama 2 7B and 70B, as their config.json has them.
LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}
LARGE = {
    **LLAMA,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No results and no benchmarks of another study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def study_of(root, tmp_path):
    def make(config, study=None, **entry):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        file = tmp_path / "study.json"
        models = {"m": {"source": f"path:{folder}", **entry}}
        file.write_text(json.dumps({"models": models, "tasks": {"items": 100}, **(study or {})}))
        return load_config([file], root=root).study

    return make


def test_a_config_alone_says_how_large_a_model_is(study_of):
    (small,) = plan(study_of(LLAMA), ["m"])
    assert small.size.parameters == pytest.approx(6.74e9, rel=0.01)
    assert small.size.width == 2
    (large,) = plan(study_of(LARGE), ["m"])
    assert large.size.parameters == pytest.approx(69e9, rel=0.01)
    assert large.size.widths == Widths(80, 8192, 28672, 8192, 1024, 32000, 2)


def test_other_names_for_the_sizes():
    gpt2 = {"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_inner": None}
    assert ModelConfig(gpt2, gpt2).widths(4) == Widths(12, 768, 3072, 768, 768, 50257, 4)
    text = {**LLAMA, "head_dim": 256, "num_key_value_heads": 4}
    wrapped = ModelConfig({"text_config": text}, text)
    assert wrapped.widths(2) == Widths(32, 4096, 11008, 8192, 1024, 32000, 2)
    little = {"hidden_size": 8}
    assert ModelConfig(little, little).widths(4) is None


def public(name):
    """Mixtures of experts with their published sizes, in billions: all parameters, and those of a token."""
    qwen = {
        "hidden_size": 4096,
        "num_hidden_layers": 94,
        "num_attention_heads": 64,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "intermediate_size": 12288,
        "moe_intermediate_size": 1536,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "vocab_size": 151936,
    }
    known = {
        "Qwen3-235B-A22B": (transformers.Qwen3MoeConfig(**qwen), 235, 22),
        "gpt-oss-120b": (transformers.GptOssConfig(), 117, 5.7),
        "Mixtral-8x7B": (transformers.MixtralConfig(), 46.7, 12.9),
        "DeepSeek-V3": (transformers.DeepseekV3Config(), 671, 37),
        "Qwen3-Next-80B-A3B": (transformers.Qwen3NextConfig(), 80, 3.9),
        "OLMoE-1B-7B": (transformers.OlmoeConfig(intermediate_size=1024), 6.9, 1.3),
        "Llama-4-Scout-17B-16E": (transformers.Llama4TextConfig(), 107.8, 17.2),
    }
    return known[name]


MIXTURES = (
    "Qwen3-235B-A22B",
    "gpt-oss-120b",
    "Mixtral-8x7B",
    "DeepSeek-V3",
    "Llama-4-Scout-17B-16E",
)


@pytest.mark.parametrize("name", [*MIXTURES, "Qwen3-Next-80B-A3B", "OLMoE-1B-7B"])
def test_experts_are_counted(study_of, name):
    """Against the published size, and against the model itself, built without memory."""
    config, total, active = public(name)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    (found,) = plan(study_of(config.to_dict()), ["m"])
    assert found.size.parameters == pytest.approx(total * 1e9, rel=0.05)
    true = sum(parameter.numel() for parameter in model.parameters())
    assert found.size.parameters == pytest.approx(true, rel=0.01)
    assert found.size.active == pytest.approx(active * 1e9, rel=0.05)
    # Memory is of all experts, time of those that a token goes through, without its table and the head.
    assert found.size.bytes == found.size.width * found.size.parameters
    tables = 1 if config.to_dict().get("tie_word_embeddings") else 2
    tables *= config.vocab_size * config.hidden_size
    assert found.size.passed == pytest.approx(found.size.active - tables, rel=0.03)


@pytest.mark.parametrize("name", MIXTURES)
def test_experts_neurons_take_memory_of_their_own(study_of, name):
    """Spread over all experts of a layer, where a token goes through a few of them."""
    config, total, _ = public(name)
    (neurons,) = plan(study_of(config.to_dict()), ["m"])
    heads = {"attribution": {"components": ["heads"]}}
    (other,) = plan(study_of(config.to_dict(), study=heads), ["m"])
    assert not neurons.refused and not other.refused
    layers = {
        "attribution": {"components": ["neurons", "heads"]},
        "granularity": {"levels": ["mixed"]},
    }
    (refused,) = plan(study_of(config.to_dict(), study=layers), ["m"])
    assert refused.refused == (
        "not supported (mixture of experts): granularity.levels: mixed; leave it out",
    )
    assert table(neurons).startswith(f"m: {total:.3g} B parameters (")
    of_all = neurons.size.widths.units
    text = config.to_dict()
    count = text.get("num_local_experts") or text.get("n_routed_experts") or text["num_experts"]
    assert of_all == count * text.get("moe_intermediate_size", text["intermediate_size"])
    assert of_all > neurons.size.widths.neurons
    held = [{s.memory.rule: s.memory.least for s in one.stages} for one in (neurons, other)]
    assert held[0]["attribution_pass"] > held[1]["attribution_pass"]


def test_experts_are_not_supported_and_said_so(study_of):
    """Of a family whose code says itself how experts are computed."""
    config, *_ = public("OLMoE-1B-7B")
    config = {**config.to_dict(), "model_type": "longcat_flash"}
    (found,) = plan(study_of(config), ["m"])
    lines = table(found).splitlines()
    assert lines[0].startswith("m: 6.92 B parameters (")
    assert lines[1:] == [
        "  models.m: not supported (mixture of experts): no mlp_hidden for attribution.components; "
        "set attribution.components: [heads]"
    ]
    # As it says: planned, with all experts in memory.
    heads = {"attribution": {"components": ["heads"]}}
    (found,) = plan(study_of(config, study=heads), ["m"])
    assert not found.refused


def test_gemma_4_has_the_keys_of_experts_without_having_any(study_of):
    config = {**LLAMA, "enable_moe_block": False, "num_experts": 8, "top_k_experts": 2}
    (found,) = plan(study_of(config), ["m"])
    assert found.size.active is None and found.stages


def test_packed_experts_are_counted_as_what_they_become(study_of, tmp_path):
    """gpt-oss: two numbers of four bits lie in a byte of its files."""
    config, total, _ = public("gpt-oss-120b")
    study = study_of({**config.to_dict(), "quantization_config": {"quant_method": "mxfp4"}})
    save_file({"blocks": np.zeros((4, 8), np.uint8)}, str(tmp_path / "model" / "model.safetensors"))
    (found,) = plan(study, ["m"])
    assert found.size.parameters == pytest.approx(total * 1e9, rel=0.05)
    assert found.size.width == 2
    assert " (mxfp4; packed 65.2 GB)" in table(found)


def test_packed_weights_take_fewer_gpus(study_of):
    (full,) = plan(study_of(LARGE), ["m"])
    nf4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    (packed,) = plan(study_of({**LARGE, "quantization_config": nf4}), ["m"])
    assert (full.gpus, packed.gpus) == (2, 1)
    # 4.5 bits of each, and two tables of 16.
    tables = 2 * 32000 * 8192
    assert packed.size.bytes == pytest.approx((69e9 - tables) * 4.5 / 8 + 2 * tables, rel=0.01)
    assert " weights 39.6 GB (nf4; packed 39.6 GB); on 80 GB GPUs" in table(packed)


@pytest.mark.parametrize("name", ["Mixtral-8x7B", "Qwen3-235B-A22B", "gpt-oss-120b"])
def test_nothing_is_read_off_a_name(root, tmp_path, name):
    """8x7B are not 7 B, and A22B is not the size: what is not there is not known."""
    (tmp_path / "s.json").write_text(json.dumps({"models": {"m": {"source": f"hf:org/{name}"}}}))
    with pytest.raises(UserError, match="its size is not known"):
        plan(load_config([tmp_path / "s.json"], root=root).study, ["m"])


def test_time_is_shown_as_it_is(study_of, root):
    """A job may ask for a day at most; a plan says how long it takes, and how often it is submitted."""
    study = study_of(LARGE, study={"tasks": {"items": 1000}, "localizer": {"networks": []}})
    assert len(study.tasks.selected) > 40
    (usual,) = plan(study, ["m"])
    (measured,) = plan(study, ["m"], data=root / "data")
    times = [{one.stage: one.time for one in found.stages} for found in (usual, measured)]
    assert times[1]["ablation"].minutes < 0.7 * times[0]["ablation"].minutes
    ablation = next(one for one in measured.stages if one.stage == "ablation")
    days = ablation.time.minutes / 1440
    assert ablation.runtime == 1440 and days > 1.5
    jobs = ablation.time.jobs(1440)
    shown = table(measured)
    assert f"{days:.1f} days" in shown
    assert f"ablation: ended at 1440 min and submitted again {jobs - 1} times" in shown
    assert "check: ended" not in shown
    # A faster kind of GPU; a partition with another limit.
    (faster,) = plan(study, ["m"], data=root / "data", gpu_kind="H100", job_minutes=240)
    own = next(one for one in faster.stages if one.stage == "ablation")
    assert own.time.minutes < 0.5 * ablation.time.minutes and own.runtime == 240
    assert (
        f"ablation: ended at 240 min and submitted again {own.time.jobs(240) - 1} times"
        in table(faster)
    )
    (short,) = plan(study, ["m"], job_minutes=10)
    assert "ablation: 10 min do not suffice: loading the model takes as long" in table(short)


def test_hybrids_run_every_prompt_whole(study_of, root):
    states = {**LLAMA, "mamba_d_state": 16}
    times = [
        {
            stage.stage: stage.time.working
            for stage in plan(study_of(own), ["m"], data=root / "data")[0].stages
        }
        for own in (LLAMA, states)
    ]
    assert times[1]["ablation"] > 1.5 * times[0]["ablation"]
    assert times[1]["localizer"] == times[0]["localizer"]


def test_gpus_and_advice(study_of):
    (small,) = plan(study_of(LLAMA), ["m"])
    assert (small.gpus, small.advice) == (1, "")
    (large,) = plan(study_of(LARGE), ["m"])
    # 138 GB of weights.
    assert large.gpus == 2
    assert large.advice == "set device_map: auto and gpus: 2"
    assert "models.m: set device_map: auto and gpus: 2" in table(large)
    assert "2 GPUs have the rate of one with their layers in turn" in table(large)
    assert "layers in turn" not in table(small)
    (spread,) = plan(study_of(LARGE, device_map="auto", gpus=2), ["m"])
    assert spread.advice == ""
    (generous,) = plan(study_of(LARGE, device_map="auto", gpus=4), ["m"])
    assert generous.advice == "gpus: 2 would do"
    assert plan(study_of(LARGE), ["m"], gpu_gb=40)[0].gpus >= 4
    assert plan(study_of(LARGE), ["m"], on_cpu=True)[0].gpus == 0


def test_every_gpu_needs_room_for_work():
    memory = StageMemory("check_model", weights=10**11, least=10**9, batch=0, gathered=0)
    assert gpus_needed(memory, 80 * 10**9, "m") == 2
    assert gpus_needed(memory, 24 * 10**9, "m") == 5
    with pytest.raises(UserError, match="it does not fit a GPU of 1 GB, however many"):
        gpus_needed(memory, 10**9, "m")


def test_predictions_grow_with_what_they_are_made_of(study_of):
    study = study_of(LLAMA)
    small, large = (
        ModelSize(10**9, 4, Widths(layers, 512, 2048, 512, 512, 1000, 4)) for layers in (4, 8)
    )
    for rule in PASSES:
        one, two = (stage_memory(study, size, rule) for size in (small, large))
        assert 0 < one.least <= two.least
        assert one.batch <= two.batch < 2.5 * one.batch
        assert one.gathered <= two.gathered
        # A batch on a GPU has eight times the tokens.
        assert stage_memory(study, small, rule, "cuda").batch >= one.batch
    # A graph keeps all layers, a pass without gradients one.
    graph, forward = (
        stage_memory(study, large, rule) for rule in ("attribution_pass", "baseline_pass")
    )
    assert graph.batch > 2 * forward.batch


def test_a_model_of_unknown_widths_is_taken_for_a_usual_one():
    usual = ModelSize(7_000_000_000, 2).widths
    assert 3000 < usual.hidden < 6000
    assert 24 <= usual.layers <= 48


def test_the_command(study_of, tmp_path, capsys):
    study_of(LARGE)
    assert main(["plan", "--configfile", "study.json", "--gpu-memory", "141"]) == 0
    shown = capsys.readouterr().out
    assert "m: 69 B parameters of 2 bytes, weights 138.0 GB; on 141 GB GPUs" in shown
    for stage in ("check", "baseline", "attribution", "ablation", "localizer", "lesion"):
        assert f"  {stage} " in shown
    assert main(["plan", "--configfile", "study.json", "--model", "n"]) == 1
    assert "--model: no model 'n'" in capsys.readouterr().err
    assert main(["plan", "--configfile", "study.json", "--gpu", "H10"]) == 1
    assert "--gpu: no rates of 'H10' (did you mean 'H100'?)" in capsys.readouterr().err


def test_what_was_never_fetched_is_said(root, tmp_path, capsys):
    (tmp_path / "s.json").write_text(json.dumps({"models": {"m": {"source": "hf:no/such"}}}))
    assert main(["plan", "--configfile", "s.json"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "ERROR: models.m: its size is not known: it has not been fetched (run 'snakemake models' "
        "first, or give a folder with its config.json: source: path:DIR)"
    ]


def test_measured_peaks_of_a_finished_study(study_of, tmp_path, capsys):
    study_of(LLAMA)
    assert measured_peak("m", "baseline_pass") is None
    file = tmp_path / "benchmarks" / "m" / "baseline_pass.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("s\th:m:s\tmax_rss\tmax_vms\n80.37\t0:01:20\t1000.00\t2000.0\n")
    assert measured_peak("m", "baseline_pass") == 1000 * 1024 * 1024
    assert main(["plan", "--configfile", "study.json", "--measured"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert rows["baseline"].endswith("1.0 GB")
    assert rows["check"].endswith(" -")
    file.write_text("s\tmax_rss\n1\t-\n")  # too short a job: Snakemake measured nothing
    assert measured_peak("m", "baseline_pass") is None
    # After its shards a pass loads no model: these are what was measured.
    for number in (1, 2):
        shard = file.with_name(f"baseline_pass.{number}-of-2.tsv")
        shard.write_text(f"s\tmax_rss\n9\t{number}00\n")
    assert measured_peak("m", "baseline_pass") == 200 * 1024 * 1024


def test_max_memory_needs_a_device_map(study_of):
    sizes = {"0": "70GiB", "cpu": "200GiB"}
    entry = study_of(LLAMA, device_map="auto", max_memory=sizes).model("m")
    assert entry.max_memory == sizes
    with pytest.raises(UserError, match="max_memory: has no meaning without a device_map"):
        study_of(LLAMA, max_memory=sizes)
