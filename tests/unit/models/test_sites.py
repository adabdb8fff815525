"""Models that lack some sites: what is checked is what the study uses, and every refusal can be followed."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from naive_circuits import SHARED, agrees
from reference import log_probability, naive_attribution
from tiny_hybrids import HYBRIDS
from tiny_mixtures import MIXTURES
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.models import llama4
from brodmann.models import used_sites as sites
from brodmann.models.load import wrap_model
from brodmann.models.selfcheck import self_check
from brodmann.pipeline.models import check_model, fetch_weights
from brodmann.runner.activations import Activations
from brodmann.runner.answers import score_items
from brodmann.runner.context import Reader
from brodmann.runner.edits import edited
from brodmann.runner.engine import Engine
from brodmann.runner.queries import Query, Read
from brodmann.runner.scoring import Scorer
from brodmann.runner.trees import Tree
from brodmann.sites import COMPONENTS

UNUSUAL = {**HYBRIDS, **MIXTURES}
ALL = ("heads", "attention_output", "mlp_hidden", "mlp_output", "block_output")
# What can be proved on each, as long as nothing else is asked for.
PROVED = {
    "falcon-h1": ALL,
    "falcon-h1-scaled": ("heads", "mlp_output", "block_output"),
    **dict.fromkeys(("jamba", "qwen3-next", "lfm2", "granite-hybrid", "bamba"), ALL),
    **dict.fromkeys(("nemotron-h", "recurrent-gemma", "qwen3.5", "jamba-moe", "lfm2-moe"), ALL),
    **dict.fromkeys(("olmo-hybrid", "granite-hybrid-moe"), ("heads", "mlp_hidden", "block_output")),
    "minimax": ("heads", "mlp_hidden", "mlp_output", "block_output"),
    "rwkv": ("attention_output", "mlp_output", "block_output"),
    **dict.fromkeys(("mamba", "falcon-mamba", "mamba2"), ("block_output",)),
    **dict.fromkeys(("zamba2", "gemma4-experts"), ("block_output",)),
    **dict.fromkeys(("mixtral", "qwen3-moe", "qwen2-moe", "deepseek-v2", "deepseek-v3"), ALL),
    **dict.fromkeys(("gpt-oss", "olmoe", "glm4-moe", "granite-moe", "llama4"), ALL),
    "qwen3-next-moe": ALL,
    **dict.fromkeys(
        ("gemma4", "gemma4-shared-keys", "gemma4-wrapped"), ("mlp_hidden", "block_output")
    ),
}
STUDIES = {
    "neurons": {},
    "heads": {"attribution": {"components": ["heads"]}},
    "both": {"attribution": {"components": ["neurons", "heads"]}},
    "localizer": {"localizer": {"networks": ["language"], "site": "mlp_output"}},
    "networks": {
        "networks": {"datasets": {"e": "corpus:encyclopedia"}, "site": "attention_output"}
    },
}

# What is much the same work in all families is tried on some, and on all by make test-all.
SOME = (
    "lfm2",
    "zamba2",
    "mamba2",
    "qwen3-moe",
    "deepseek-v3",
    "qwen3-next-moe",
    "llama4",
    "gemma4",
)


def in_turn(family):
    return pytest.param(family, marks=() if family in SOME else pytest.mark.slow)


@pytest.fixture(scope="module")
def study_of(root, tmp_path_factory):
    def make(**config):
        file = tmp_path_factory.mktemp("study") / "study.json"
        entry = {"source": "hf:org/name", **config.pop("entry", {})}
        no = {"localizer": {"networks": []}}
        file.write_text(json.dumps({"models": {"m": entry}, **no, **config}))
        return load_config([file], root=root).study

    return make


@pytest.fixture(scope="module")
def built():
    made = {}

    def get(family):
        if family not in made:
            hf = tiny_model(UNUSUAL[family])
            made[family] = wrap_model(hf, tiny_tokenizer(), name="m", wanted=())
        return made[family]

    return get


def used(study):
    return set(sites.sites(study, "m"))


def test_a_study_says_which_sites_it_uses(study_of):
    assert used(study_of()) == {"mlp_hidden"}
    assert used(study_of(**STUDIES["heads"])) == {"heads"}
    assert used(study_of(**STUDIES["localizer"])) == {"mlp_hidden", "mlp_output"}
    assert used(study_of(**STUDIES["networks"])) == {"mlp_hidden", "attention_output"}
    off = {**STUDIES["networks"], "entry": {"networks": False}}
    assert used(study_of(**off)) == {"mlp_hidden"}
    # What the entry names itself is meant to be right.
    named = {"units": {"mlp_output": "mlp", "blocks": "model.layers"}}
    assert used(study_of(entry=named)) == {"mlp_hidden", "mlp_output"}


@pytest.mark.parametrize("family", [in_turn(family) for family in UNUSUAL])
def test_what_works_is_proved(built, family):
    assert tuple(self_check(built(family), ()).widths) == PROVED[family]


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("family", [in_turn(family) for family in UNUSUAL])
def test_every_refusal_can_be_followed(built, study_of, family, name):
    """One line for each site that fails, and whoever does what it says gets on."""
    config = json.loads(json.dumps(STUDIES[name]))
    for _ in range(len(ALL)):
        needs = sites.needs(study_of(**config), "m")
        wanted = {need.site for need in needs}
        lacking = wanted - set(PROVED[family])
        try:
            outcome = self_check(built(family), needs)
        except UserError as error:
            lines = [str(problem) for problem in error.problems]
        else:
            assert not lacking and wanted <= set(outcome.widths)
            return
        assert {line.split(":")[0].removeprefix("models.m.units.") for line in lines} == lacking
        for line in lines:
            assert "\n" not in line and "did you mean" not in line
            works = line.partition("with this model work: ")[2].rstrip(")").partition("; ")
            assert tuple(works[0].split(", ")) == PROVED[family]
            if "leave the model out" in line:
                key = line.rpartition("no value of ")[2].split()[0]
                assert key == "attribution.components"
                assert not {"heads", "mlp_hidden"} & set(PROVED[family])
                assert line.endswith("or set it to [] (no circuits))")
                config["attribution"] = {"components": []}
                continue
            key, _, value = works[2].removeprefix("set ").partition(": ")
            block, _, field = key.partition(".")
            value = value.strip("[]").split() if value.startswith("[") else value
            config[block] = {**config.get(block, {}), field: value}
    pytest.fail(f"no end of refusals: {lines}")


@pytest.mark.parametrize(
    ("family", "units"),
    [
        ("qwen2-moe", {"mlp_hidden": "mlp.shared_expert.down_proj"}),
        ("qwen3-next-moe", {"mlp_hidden": "mlp.shared_expert.down_proj"}),
    ],
)
def test_a_shared_expert_is_no_way_out(study_of, family, units):
    """Its neurons are not those of the MLP: a gate and the other experts come in between."""
    needs = sites.needs(study_of(entry={"units": units}), "m")
    with pytest.raises(UserError, match="mlp_hidden: the MLPs are mixtures of experts") as caught:
        hf = tiny_model(UNUSUAL[family])
        self_check(wrap_model(hf, tiny_tokenizer(), name="m", units=units, wanted=()), needs)
    assert len(caught.value.problems) == 1


# Those that go on from the state of what they have read: others differ too much from whole sequences.
GO_ON = {
    "falcon-h1",
    "falcon-h1-scaled",
    "zamba2",
    "qwen3-next",
    "qwen3.5",
    "lfm2",
    "lfm2-moe",
    "mamba2",
}
GO_ON |= {"granite-hybrid", "granite-hybrid-moe", "nemotron-h", "olmo-hybrid"}


@pytest.mark.parametrize("family", [in_turn(family) for family in HYBRIDS])
def test_units_of_hybrids_are_as_in_plain_transformers(built, family):
    model = built(family)
    for component in ("neurons", "heads"):
        if COMPONENTS[component] in PROVED[family]:
            agrees(model, SHARED[::3] if family in SOME else SHARED, component)
    assert Reader(model).caches == (family in GO_ON)


@pytest.mark.parametrize("family", [in_turn(family) for family in HYBRIDS])
def test_log_probabilities_of_hybrids_are_as_in_plain_transformers(built, family):
    """Also of those whose units circuits cannot consist of; rows that begin alike are read once."""
    model = built(family)
    found = score_items("t", SHARED, Scorer(model)).log_probs
    for name, answer in (("clean_correct", "correct"), ("clean_incorrect", "incorrect")):
        expected = [log_probability(model.hf, it.clean, getattr(it, answer)) for it in SHARED]
        assert found[name] == pytest.approx(expected, abs=1e-5)


def test_what_a_layer_does_not_have_is_nothing(built):
    """Heads of a block without attention are read as 0, and an edit of them changes nothing."""
    model, rows = built("lfm2"), [SHARED[0].clean[:11], SHARED[0].clean[:7]]
    assert model.absent["heads"] == model.absent["attention_output"] == (0, 2)
    assert [model.own_width("heads", layer) for layer in range(3)] == [0, 32, 0]
    means = Activations(model, site="attention_output").means(rows)
    assert not means[[0, 2]].any() and means[1].all()
    text = torch.tensor([rows[0]])
    with torch.no_grad():
        plain = model.hf(text).logits
        with edited(model, [(0, 1), (2, 3)], "hold", 7.0, site="heads"):
            assert torch.equal(model.hf(text).logits, plain)
        with edited(model, [(1, 1)], "hold", 7.0, site="heads"):
            assert not torch.allclose(model.hf(text).logits, plain, atol=1e-3)
    # A query of nothing else runs nothing.
    tree = Tree()
    path = tree.add(rows[0])
    answer = Engine(model).run(Query(tree, reads=[Read("heads", [0, 2], path)]))
    assert [list(found.shape) for found in answer.reads[0].values()] == [[11, 32]] * 2
    assert not any(found.any() for found in answer.reads[0].values())


@pytest.mark.parametrize("family", ["gemma4", "gemma4-shared-keys", "gemma4-wrapped"])
def test_neurons_of_gemma_4_are_as_in_plain_transformers(built, family):
    agrees(built(family), SHARED[::2], "neurons")
    # Layers that use the keys of others have no cache of their own.
    assert Reader(built(family)).caches == (family != "gemma4-shared-keys")


@pytest.mark.parametrize("family", [f for f in MIXTURES if "heads" in PROVED[f]])
def test_heads_of_mixtures_are_as_in_plain_transformers(built, family):
    agrees(built(family), SHARED[::3], "heads")


@pytest.mark.parametrize(
    "family",
    ["mixtral", "deepseek-v3", "lfm2", "zamba2", "gemma4", "mamba2"]
    + [in_turn(family) for family in HYBRIDS if family not in SOME],
)
@pytest.mark.parametrize("site", ["block_output", "mlp_output"])
def test_activations_are_what_plain_hooks_see(built, family, site):
    model = built(family)
    if site not in PROVED[family]:
        return
    row = SHARED[0].clean[:11]
    expected = []
    blocks = model.hf.get_submodule(model.architecture.blocks)
    own = [layer for layer in range(len(blocks)) if model.has(site, layer)]
    for block in (blocks[layer] for layer in own):
        module = (
            block if site == "block_output" else block.get_submodule(model.architecture.mlp_output)
        )
        module.register_forward_hook(
            lambda _, __, out: expected.append(out[0] if isinstance(out, tuple) else out)
        )
    with torch.no_grad():
        model.hf(input_ids=torch.tensor([row]), use_cache=False)
    hand = np.zeros((len(blocks), model.hidden_size))
    hand[own] = [value[0].double().mean(0).numpy() for value in expected[: len(own)]]
    found = Activations(model, site=site).means([row])
    assert np.abs(found - hand).max() <= 1e-5 * np.abs(hand).max()


@pytest.fixture
def unknown(monkeypatch):
    """Llama 4, as it is without what is known of it: experts that are computed by code of their own."""
    monkeypatch.setattr(llama4, "_MIXTURE", "")


def test_asking_a_loaded_model_for_what_it_lacks_is_one_line(unknown):
    hf = tiny_model(MIXTURES["llama4"])
    model = wrap_model(hf, tiny_tokenizer(), name="m", wanted=())
    with pytest.raises(UserError, match="mlp_hidden: the MLPs are mixtures of experts") as caught:
        model.module("mlp_hidden", 0)
    assert "with this model work: heads, attention_output" in str(caught.value)


@pytest.fixture
def checked(study_of, tmp_path, unknown):
    """Check a saved mixture of experts for a study: returns its card; store and card are kept."""
    hf = tiny_model(MIXTURES["llama4"])
    hf.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    card = tmp_path / "model.json"

    def check(name):
        entry = {"source": f"path:{tmp_path / 'model'}"}
        study = study_of(**STUDIES[name], entry=entry, execution={"device": "cpu"})
        fetch_weights(study, "m", str(tmp_path / ".source.json"))
        files = {"record_file": str(tmp_path / ".source.json"), "store": str(tmp_path / "store")}
        check_model(study, "m", **files, output=str(card), threads=1)
        return json.loads(card.read_text()), study

    return check


def test_a_stored_check_without_a_site_is_not_enough_for_a_study_that_uses_it(
    checked, study_of, tmp_path
):
    first, study = checked("heads")
    assert set(first["self_check"]["widths"]) == {"heads", "block_output"}
    assert (first["neurons_per_layer"], first["heads_per_layer"]) == (0, 4)
    assert checked("heads")[0] == first
    card = tmp_path / "model.json"
    assert sites.unproved(study, "m", card) == []
    # The rule is told, so that the model is checked again and refused.
    assert sites.unproved(study_of(), "m", card) == ["mlp_hidden"]
    assert sites.unproved(study_of(), "m", tmp_path / "none.json") == []
    with pytest.raises(UserError, match=r"set attribution.components: \[heads\]"):
        checked("neurons")
    assert checked("heads")[0] == first


def test_mlp_layers_of_a_mixture_are_no_units_of_circuits(study_of, built, tmp_path):
    """A layer's score would be the sum over its neurons, which is not the first-order effect of patching it:
    routers and a shared expert have a part in what it writes."""
    model, item = built("qwen2-moe"), SHARED[0]
    kept = {}

    def run(row):
        def keep(layer, _, __, out):
            kept[layer] = out if out.requires_grad else out.detach().requires_grad_(True)
            return kept[layer]

        layers = model.hf.model.layers
        hooks = [
            own.mlp.register_forward_hook(partial(keep, layer)) for layer, own in enumerate(layers)
        ]
        logits = model.hf(input_ids=torch.tensor([row]), use_cache=False).logits[0, -1]
        for hook in hooks:
            hook.remove()
        return logits.log_softmax(-1), [kept[layer][0, -1] for layer in range(len(layers))]

    _, clean = run(item.clean)
    log_probs, corrupted = run(item.corrupted)
    gradients = torch.autograd.grad(
        log_probs[item.correct[0]] - log_probs[item.incorrect[0]], list(kept.values())
    )
    whole = [
        float((one - other).detach() @ gradient[0, -1])
        for one, other, gradient in zip(clean, corrupted, gradients, strict=True)
    ]
    sums = naive_attribution(model, item, "neurons").sum(1)
    assert np.abs(sums.numpy() - whole).max() > 0.1 * np.abs(whole).max()

    model.hf.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    study = study_of(
        granularity={"levels": ["neurons", "mlp_layers"]},
        entry={"source": f"path:{tmp_path / 'model'}"},
        execution={"device": "cpu"},
    )
    fetch_weights(study, "m", str(tmp_path / ".source.json"))
    files = {"record_file": str(tmp_path / ".source.json"), "store": str(tmp_path / "store")}
    with pytest.raises(UserError) as caught:
        check_model(study, "m", **files, output=str(tmp_path / "model.json"), threads=1)
    assert str(caught.value) == (
        "granularity.levels: mlp_layers: in m, a mixture of experts, neurons' effects do not add up to a "
        "layer's (leave it out)"
    )
    assert not (tmp_path / "model.json").exists()
    sites.refuse_layers_of_experts(study, "m", None)
