"""The adapter to lm-evaluation-harness, with a stand-in for its interface that really asks the model."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from brodmann.errors import UserError
from brodmann.networks.harness import evaluate_edited


class Hflm:
    """What the adapter makes the harness of: as ``lm_eval.models.huggingface.HFLM`` is called."""

    def __init__(self, *, pretrained, tokenizer, batch_size):
        self.model, self.tokenizer, self.batch_size = pretrained, tokenizer, batch_size


class Manager:
    """As ``lm_eval.tasks.TaskManager`` is called."""

    def __init__(self, *, include_path, include_defaults):
        self.include_path, self.include_defaults = include_path, include_defaults


@pytest.fixture
def lm_eval(monkeypatch):
    """The harness: an evaluation gives the model's logits of a text, and what it was asked."""

    def simple_evaluate(*, model, tasks, **options):
        ids = torch.tensor([model.tokenizer("a text")["input_ids"]])
        with torch.no_grad():
            logits = model.model(ids).logits.double().numpy()
        return {"logits": logits, "tasks": tasks, "options": options, "lm": model}

    modules = {"lm_eval": {"simple_evaluate": simple_evaluate}, "lm_eval.models": {}}
    modules |= {"lm_eval.models.huggingface": {"HFLM": Hflm}}
    modules |= {"lm_eval.tasks": {"TaskManager": Manager}}
    for name, held in modules.items():
        module = ModuleType(name)
        for key, value in held.items():
            setattr(module, key, value)
        monkeypatch.setitem(sys.modules, name, module)


def plain_logits(model, change=None, layer=1, units=(3, 5)):
    """Of the same text, by a hook on a layer's MLP."""
    handles = []
    if change is not None:

        def hook(_, given, out):
            out = out.clone()
            out[..., list(units)] = change(out[..., list(units)])
            return out

        handles.append(model.hf.model.layers[layer].mlp.register_forward_hook(hook))
    with torch.no_grad():
        logits = model.hf(torch.tensor([model.tokenizer("a text")["input_ids"]])).logits
    for handle in handles:
        handle.remove()
    return logits.double().numpy()


UNITS = [(1, 3), (1, 5)]


@pytest.mark.parametrize(
    ("how", "amount", "change"),
    [
        ("inhibit", None, lambda out: 0 * out),
        ("multiply", 2.5, lambda out: 2.5 * out),
        ("add", 0.75, lambda out: out + 0.75),
    ],
)
def test_the_harness_evaluates_the_edited_model(models, lm_eval, how, amount, change):
    model = models("llama")
    found = evaluate_edited(model, UNITS, how, amount, tasks=["own_task"])
    np.testing.assert_allclose(found["logits"], plain_logits(model, change), rtol=1e-4, atol=1e-5)
    intact = plain_logits(model)
    assert np.abs(found["logits"] - intact).max() > 1e-3
    # After the evaluation the model is as it was.
    np.testing.assert_allclose(plain_logits(model), intact, rtol=1e-6, atol=1e-7)


def test_without_units_the_harness_evaluates_the_intact_model(models, lm_eval):
    model = models("llama")
    found = evaluate_edited(model, tasks=("one", "two"), batch_size=3, limit=7)
    np.testing.assert_allclose(found["logits"], plain_logits(model), rtol=1e-5, atol=1e-6)
    assert found["tasks"] == ["one", "two"] and found["options"] == {"limit": 7}
    assert found["lm"].batch_size == 3
    assert found["lm"].model is model.hf and found["lm"].tokenizer is model.tokenizer


def test_tasks_of_an_export_are_looked_for_there_alone(models, lm_eval, tmp_path):
    found = evaluate_edited(models("llama"), tasks=["one"], include_path=tmp_path)
    manager = found["options"]["task_manager"]
    assert (manager.include_path, manager.include_defaults) == (str(tmp_path), False)


def test_a_task_manager_of_one_s_own_goes_before_the_folder(models, lm_eval, tmp_path):
    own = Manager(include_path="elsewhere", include_defaults=True)
    more = {"include_path": tmp_path, "task_manager": own}
    found = evaluate_edited(models("llama"), tasks=["one"], **more)
    assert found["options"]["task_manager"] is own


def test_a_missing_harness_is_said_with_how_to_install_it(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(UserError) as refused:
        evaluate_edited(models("llama"), tasks=["one"])
    assert str(refused.value) == (
        "lm-eval: lm-evaluation-harness is not installed (in the clone: pip install -e '.[lm-eval]')"
    )


def test_an_unknown_way_of_editing_is_refused_before_anything_is_evaluated(models, lm_eval):
    with pytest.raises(UserError) as refused:
        evaluate_edited(models("llama"), UNITS, "inhibitt", tasks=["one"])
    assert str(refused.value).startswith("how: no way of editing 'inhibitt'")
    assert "inhibit" in str(refused.value)
