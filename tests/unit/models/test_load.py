"""Loading, and reading and editing units through it, against plain hooks on the plain model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from nnsight import save
from nnsight._c import mount, unmount
from rounding import assert_same, deviation, rounding
from safetensors.torch import load_file, save_file
from tiny_models import CHAT_TEMPLATE, FAMILIES, HIDDEN, save_tiny, tiny_model, tiny_tokenizer

from brodmann.errors import UserError
from brodmann.models.load import load_model, wrap_model
from brodmann.runner.engine import Engine
from brodmann.runner.queries import Gradient, Query, Scores
from brodmann.runner.trees import Tree
from brodmann.sites import SITES

IDS = torch.tensor([[5, 17, 99, 200, 31, 64, 8], [260, 12, 45, 78, 150, 33, 7]])
LAYER, ROW, POSITION, UNIT = 1, 1, 3, 5


def loaded(family, units=None):
    return wrap_model(tiny_model(family), tiny_tokenizer(), name="m", units=units)


# -- the oracle: a fresh copy of the model, with plain forward hooks --


class Hooked:
    """The same model without nnsight; ``edit(values)`` is called on a site's live [batch, ...] values."""

    def __init__(self, model, family):
        self.hf = tiny_model(family)
        self.architecture = model.architecture
        self.sequence_first = family == "chatglm"

    def run(self, site, edit, as_it_is=False):
        block = self.hf.get_submodule(f"{self.architecture.blocks}.{LAYER}")
        path = "" if site == "block_output" else getattr(self.architecture, site)
        module = block.get_submodule(path)

        def visit(value):
            edit(value.transpose(0, 1) if self.sequence_first and not as_it_is else value)

        if site in ("heads", "mlp_hidden"):
            handle = module.register_forward_pre_hook(lambda _, args: visit(args[0]))
        else:
            handle = module.register_forward_hook(
                lambda _, args, out: visit(out[0] if isinstance(out, tuple) else out)
            )
        try:
            return self.hf(IDS).logits
        finally:
            handle.remove()


@pytest.mark.parametrize("family", FAMILIES)
def test_sites_hold_what_a_hook_on_the_module_sees(family):
    model = loaded(family)
    with torch.no_grad(), model.nn.trace({"input_ids": IDS}):
        found = {site: model.module(site, LAYER).get().clone() for site in SITES}.save()
    oracle = Hooked(model, family)
    for site in SITES:
        seen = []
        with torch.no_grad():
            oracle.run(site, lambda value, seen=seen: seen.append(value.detach().clone()))
        assert found[site].shape == (*IDS.shape, model.width(site))
        assert_same(found[site], seen[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_edits_land_on_the_right_unit(family):
    model = loaded(family)
    oracle = Hooked(model, family)

    def write(value):
        value[ROW, POSITION, UNIT] = 3.0

    for site in SITES:
        with torch.no_grad(), model.nn.trace({"input_ids": IDS}):
            here = model.module(site, LAYER)
            value = here.get().clone()
            write(value)
            here.set(value)
            edited = model.nn.output.logits.save()
        with torch.no_grad():
            expected = oracle.run(site, write)
            intact = oracle.hf(IDS).logits
        assert_same(edited, expected)
        assert_same(edited[0], intact[0])
        assert_same(edited[ROW, :POSITION], intact[ROW, :POSITION])
        assert deviation(edited[ROW, POSITION:], intact[ROW, POSITION:]) > 3 * rounding()


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_all_sites_at_once_are_those_of_plain_autograd(family):
    model = loaded(family)
    tree = Tree()
    paths = [tree.add(tuple(row)) for row in IDS.tolist()]
    ends = [path[-1] for path in paths]
    places = [(site, layer) for layer in range(model.n_layers) for site in SITES]
    found = Engine(model).run(
        Query(
            tree,
            scores=Scores(ends * 2, [40, 40, 41, 41]),
            gradient=Gradient([1, 1, -1, -1], places, [node for path in paths for node in path]),
        )
    )
    oracle = Hooked(model, family)
    for site in SITES:
        seen = []

        def keep(value, seen=seen):
            value.retain_grad()
            seen.append(value)

        logits = oracle.run(
            site, keep, as_it_is=True
        )  # its parameters require gradients: no leaf is needed
        (logits[:, -1, 40] - logits[:, -1, 41]).sum().backward()
        expected = seen[0].grad
        if oracle.sequence_first:
            expected = expected.transpose(0, 1)
        assert expected.abs().max() > 0
        assert_same(found.gradients[site, LAYER].view(expected.shape), expected)


def test_gradients_reach_an_edited_copy():
    """What integrated gradients needs: a leaf put in the activation's place."""
    model = loaded("llama")
    leaf = torch.zeros(*IDS.shape, model.neurons_per_layer, requires_grad=True)
    with torch.enable_grad(), model.nn.trace({"input_ids": IDS}):
        model.module("mlp_hidden", LAYER).set(leaf)
        metric = model.nn.output.logits[:, -1, 40].sum().save()
    (gradient,) = torch.autograd.grad(metric, leaf)
    assert gradient[:, -1].abs().min() > 0


def test_head_outputs_come_from_their_own_head():
    """Zeroing the value projection of one key-value group silences its heads, and no other."""
    model = loaded("llama")
    value_projection = model.hf.model.layers[LAYER].self_attn.v_proj.weight
    with torch.no_grad():
        value_projection[: model.head_dim] = 0  # group 0 serves heads 0 and 1
        with model.nn.trace({"input_ids": IDS}):
            heads = model.module("heads", LAYER).get().save()
    heads = heads.unflatten(-1, (model.heads_per_layer, model.head_dim))
    silent = (heads == 0).all(-1).all(0).all(0)
    assert silent.tolist() == [True, True, False, False]


def test_unknown_sites_and_layers_are_programming_errors():
    model = loaded("llama")
    with pytest.raises(ValueError, match=r"unknown site 'mlp_hiden'.*did you mean 'mlp_hidden'"):
        model.module("mlp_hiden", 0)
    with pytest.raises(IndexError, match="layer 3 of a model with 3 layers"):
        model.module("heads", 3)


def test_the_layout_of_remote_code_is_found_by_running_it():
    """Also where nnsight was built without a compiler (Linux on arm64): values have no method save()."""
    unmount("save")
    try:
        assert not hasattr(IDS, "save")
        assert loaded("chatglm").architecture.layout == "sequence_first"
    finally:
        mount(save, "save")
    assert loaded("chatglm-batch-first").architecture.layout == "batch_first"


def test_the_residual_scale_is_read_from_the_configuration():
    assert loaded("granite").residual_scale == 0.5
    assert loaded("llama").residual_scale == 1.0


# -- from a folder --


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny"), "qwen2", chat_template=CHAT_TEMPLATE)


def copy_of(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_folder_loads_as_it_was_saved(folder):
    model = load_model(folder, name="tiny", device="cpu")
    assert (model.name, model.n_layers, model.hidden_size) == ("tiny", 3, HIDDEN)
    assert (model.neurons_per_layer, model.heads_per_layer, model.head_dim) == (48, 4, 8)
    assert model.vocabulary_size == 261
    assert model.device == torch.device("cpu")
    assert model.dtype == torch.float32
    assert not model.hf.training
    assert not any(parameter.requires_grad for parameter in model.hf.parameters())
    assert model.tokenizer.chat_template == CHAT_TEMPLATE
    ids = model.tokenizer("Ça va ?", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert_same(model.hf(ids).logits, tiny_model("qwen2")(ids).logits)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_dtypes(folder, dtype):
    model = load_model(folder, name="tiny", device="cpu", dtype=dtype)
    assert model.dtype == getattr(torch, dtype)


def test_auto_dtype_is_the_checkpoint_s(tmp_path):
    tiny_model("llama").to(torch.bfloat16).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert load_model(tmp_path, name="tiny", device="cpu").dtype == torch.bfloat16


def test_the_attention_implementation_changes_no_number_that_matters(folder):
    logits = []
    for implementation in ("eager", "sdpa"):
        model = load_model(folder, name="tiny", device="cpu", attn_implementation=implementation)
        assert model.hf.config._attn_implementation == implementation
        with torch.no_grad():
            logits.append(model.hf(IDS).logits)
    assert_same(*logits)


def test_a_device_map_replaces_the_device(folder):
    model = load_model(folder, name="tiny", device="cuda:7", device_map={"": "cpu"})
    with torch.no_grad(), model.nn.trace({"input_ids": IDS}):
        logits = model.nn.output.logits.save()
    assert_same(logits, tiny_model("qwen2")(IDS).logits)


def test_overrides_reach_the_architecture(folder):
    units = {"mlp_output": "mlp.down_proj"}
    model = load_model(folder, name="tiny", device="cpu", units=units)
    assert model.architecture.mlp_output == "mlp.down_proj"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dtype": "float23"},
            "models.tiny.dtype: unknown dtype 'float23' (did you mean 'float32'?)",
        ),
        ({"device": "cud"}, "execution.device: unknown device 'cud' (did you mean 'cuda'?)"),
        ({"device": "cuda:99"}, "execution.device: this machine has no device 'cuda:99' (use auto"),
        ({"device": "meta"}, "execution.device: this machine has no device 'meta'"),
        ({"units": {"haeds": "x"}}, "models.tiny.units.haeds: unknown key (did you mean 'heads'?)"),
        ({"attn_implementation": "sdpaa"}, "models.tiny.attn_implementation: "),
    ],
)
def test_bad_settings_name_their_key(folder, options, message):
    with pytest.raises(UserError) as caught:
        load_model(folder, name="tiny", **{"device": "cpu", **options})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def lose_config(path):
    (path / "config.json").unlink()


def unknown_type(path):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "model_type": "qwen99"}))


def lose_tokenizer(path):
    for file in path.glob("token*"):
        file.unlink()


def damage_tokenizer(path):
    (path / "tokenizer.json").write_text("{")


def lose_weights(path):
    (path / "model.safetensors").unlink()


def damage_weights(path):
    (path / "model.safetensors").write_bytes(b"no weights")


def lose_a_tensor(path):
    weights = load_file(path / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})


def shrink_a_tensor(path):
    weights = load_file(path / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"] = torch.zeros(HIDDEN, 40)
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})


def only_a_pickle(path):
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()


def own_code(path):
    config = json.loads((path / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.M"},
    }
    (path / "config.json").write_text(json.dumps(config))
    (path / "own.py").write_text("raise SystemExit('must not run')")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_config, "has no config.json (is it a transformers checkpoint?)"),
        (unknown_type, "cannot be loaded"),
        (lose_tokenizer, "makes no tokens of a text (is its tokenizer.json"),
        (damage_tokenizer, "the tokenizer in"),
        (lose_weights, "the model in"),
        (damage_weights, "the model in"),
        (
            lose_a_tensor,
            "1 of the model's weights are missing, the first is model.layers.1.mlp.down_proj.weight",
        ),
        (
            shrink_a_tensor,
            "model.layers.1.mlp.down_proj.weight is [32, 40], the model's configuration says [32, 48]",
        ),
        (only_a_pickle, "the model in"),
        (own_code, "set trust_remote_code: true if you trust it"),
    ],
)
def test_damaged_folders_are_one_clear_line(folder, tmp_path, damage, message):
    copy = copy_of(folder, tmp_path)
    damage(copy)
    with pytest.raises(UserError) as caught:
        load_model(copy, name="tiny", device="cpu")
    text = str(caught.value)
    assert text.startswith("models.tiny")
    assert message in text
    assert "\n" not in text


def test_a_pickle_loads_if_it_is_allowed(folder, tmp_path):
    copy = copy_of(folder, tmp_path)
    only_a_pickle(copy)
    model = load_model(copy, name="tiny", device="cpu", allow_pickle=True)
    with torch.no_grad():
        assert_same(model.hf(IDS).logits, tiny_model("qwen2")(IDS).logits)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"models.tiny.source: .*nowhere is not a folder"):
        load_model(tmp_path / "nowhere", name="tiny")


# -- Mistral, whose tokenizers transformers may take from a package of its own --


def test_a_mistral_folder_loads_with_what_the_tests_install(tmp_path):
    save_tiny(tmp_path, "mistral")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert tokenizer("The cat")["input_ids"] == tiny_tokenizer()("The cat")["input_ids"]
    model = load_model(tmp_path, name="tiny", device="cpu")
    with torch.no_grad():
        assert torch.equal(model.hf(IDS).logits, tiny_model("mistral")(IDS).logits)


LOAD = """
import sys
from brodmann.errors import UserError
from brodmann.models.load import load_model
try:
    tokenizer = load_model(sys.argv[1], name="tiny", device="cpu").tokenizer
    print(tokenizer("The cat")["input_ids"], tokenizer.chat_template == sys.argv[2])
except UserError as error:
    print(error)
"""


def load_beside_mistral_common(tmp_path, tekken):
    """What loading a Mistral folder prints beside mistral-common; ``tekken``: the module's text."""
    packages = tmp_path / "packages"
    module = packages / "mistral_common" / "tokens" / "tokenizers" / "tekken.py"
    module.parent.mkdir(parents=True)
    module.write_text(tekken)
    for folder in (module.parent, module.parent.parent, packages / "mistral_common"):
        (folder / "__init__.py").touch()
    about = packages / "mistral_common-99.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mistral-common\nVersion: 99.0\n")
    (about / "RECORD").write_text("mistral_common/__init__.py,,\n")
    save_tiny(tmp_path / "mistral", "mistral", chat_template=CHAT_TEMPLATE)
    (tmp_path / "mistral" / "tekken.json").write_text("{}")
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "mistral"), CHAT_TEMPLATE],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_an_incomplete_package_is_one_clear_line(tmp_path):
    """transformers imports mistral-common because it is there, but something it imports is not."""
    assert load_beside_mistral_common(tmp_path, "import pydantic_extra_typos\n") == [
        "models.tiny: the installed package mistral-common cannot be imported: "
        "No module named 'pydantic_extra_typos' (complete it: pip install mistral-common; "
        "or, if you do not need it, remove it: pip uninstall mistral-common)"
    ]


def test_the_tokenizer_does_not_hang_on_what_else_is_installed(tmp_path):
    """Beside a tekken.json, transformers prefers mistral-common, which leaves out the chat template."""
    found = load_beside_mistral_common(tmp_path, "class Tekkenizer:\n    pass\n")
    assert found == [f"{tiny_tokenizer()('The cat')['input_ids']} True"]


# -- what loading costs --


def anonymous_memory():
    """Bytes of this process that no file backs."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if "RssAnon" in line)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_weights_are_mapped_not_copied(tmp_path):
    config = transformers.LlamaConfig(
        vocab_size=65536,
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=1,
        num_attention_heads=4,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size > 2**27
    before = anonymous_memory()
    model = load_model(tmp_path, name="tiny", device="cpu")
    with torch.no_grad():
        total = sum(parameter.sum() for parameter in model.hf.parameters())  # touches every page
    assert torch.isfinite(total)
    assert anonymous_memory() - before < size / 4


START = """
import sys, torch
from brodmann.models.load import load_model
model = load_model(sys.argv[1], name="tiny", device="cpu")
with torch.no_grad(), model.nn.trace({"input_ids": torch.arange(5, 12)[None]}):
    value = model.module("mlp_hidden", 1).get()
    logits = model.nn.output.logits.save()
heavy = ("scipy", "sklearn", "pandas", "torch._dynamo", "torch._inductor",
         "torch.distributed.tensor", "torch.distributed.checkpoint", "torchvision")
print([module for module in heavy if module in sys.modules])
torch.save(logits.clone(), sys.argv[2])

# Whoever needs what was left out gets it.
from transformers.utils import is_scipy_available, is_torch_distributed_available
import transformers.utils.import_utils as real
print(is_scipy_available is real.is_scipy_available, is_torch_distributed_available())
compiled = torch.compile(lambda x: x + 1, backend="eager")
print(compiled(torch.ones(1)).item(), torch._dynamo.__doc__.strip().startswith("TorchDynamo"))
"""


def test_a_job_starts_without_what_it_never_uses(folder, tmp_path):
    """A fresh process: no compiler, no distributed tensors, no scipy; the numbers are the same."""
    logits = tmp_path / "logits.pt"
    ran = subprocess.run(
        [sys.executable, "-c", START, str(folder), str(logits)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["[]", "True True", "2.0 True"]
    assert "Loading weights" not in ran.stderr
    with torch.no_grad():
        expected = tiny_model("qwen2")(torch.arange(5, 12)[None]).logits
    assert_same(torch.load(logits, weights_only=True), expected)


COMPILE = """
import sys, torch
from brodmann.models.startup import import_model_code, without_compiler
import_model_code()
assert "torch._dynamo" not in sys.modules
with without_compiler():
    marked = torch.compiler.disable(len)
    assert marked is len and "torch._dynamo.eval_frame" not in sys.modules
    {code}
print(compiled(torch.ones(1)).item(), torch._dynamo.config is sys.modules["torch._dynamo.config"])
print(torch.compile.__module__)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        'compiled = torch.compile(lambda x: x + 1, backend="eager")',
        'compiled = torch._dynamo.optimize("eager")(lambda x: x + 1)',
    ],
)
def test_a_model_that_compiles_a_part_of_itself_gets_the_compiler(code):
    script = COMPILE.format(code=code)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["2.0 True", "torch"]


# What transformers imports of torchvision, and what torchvision imports of the compiler before that.
TORCHVISION = {
    "__init__": """
from torch._dynamo.utils import is_compile_supported
__version__ = "0.26.0"
from torchvision import io, transforms
""",
    "io": "class ImageReadMode: RGB = 'RGB'\ndef decode_image(*_): ...\n",
    "transforms/__init__": """
class InterpolationMode:
    NEAREST, NEAREST_EXACT, BILINEAR, BICUBIC, BOX, HAMMING, LANCZOS = range(7)
from torchvision.transforms import functional, v2
""",
    "transforms/functional": "def pil_to_tensor(*_): ...\n",
    "transforms/v2/__init__": "from torchvision.transforms.v2 import functional\n",
    "transforms/v2/functional": "from torchvision.transforms.functional import pil_to_tensor\n",
}

FOREIGN = """
import sys, torch
from brodmann.models.startup import import_model_code
import_model_code()
import torch._dynamo, torch._dynamo.utils, transformers
from transformers.utils import is_torchvision_available
import transformers.image_utils, torchvision
print(is_torchvision_available(), torchvision.is_compile_supported("cpu") in (True, False))
utils = sys.modules["torch._dynamo.utils"]
print(torch._dynamo.utils is utils)
print(utils.__spec__.origin.endswith("utils.py"), len(utils.NP_SUPPORTED_MODULES) > 0)
print(torch.compile.__module__, torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item())
from torch.nn.attention.flex_attention import create_block_mask
print(create_block_mask(lambda b, h, q, k: q >= k, None, None, 128, 128, device="cpu").shape)
"""


def test_a_package_that_imports_a_module_of_the_compiler_gets_all_of_it(tmp_path):
    """torchvision does: transformers imports it wherever it is installed, though no text model needs it."""
    for name, text in TORCHVISION.items():
        file = tmp_path / "torchvision" / f"{name}.py"
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    facts = tmp_path / "torchvision-0.26.0.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.26.0\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [sys.executable, "-c", FOREIGN],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": path},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        *("True True", "True", "True True", "torch 2.0"),
        "(1, 1, 128, 128)",
    ]
