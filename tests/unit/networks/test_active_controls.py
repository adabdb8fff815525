"""Controls that are as active as edited units: whom they hold, and what is tested against them."""

from types import SimpleNamespace

import numpy as np
import pytest
from naive_sites import naive_activations
from safetensors.numpy import load
from scipy.stats import wilcoxon

from brodmann.config.network_use import EditingSettings
from brodmann.models.population import Population
from brodmann.networks import conditions as sets
from brodmann.networks.maps import Networks
from brodmann.networks.stages.editing import ACTIVATIONS, Editing, _with_activity
from brodmann.networks.stages.probing import Probing
from brodmann.runner.bench import Bench
from brodmann.runner.experiment import ACTIVATION_MATCHED, MATCHED, corpus_rows, with_every_q

SITE = "mlp_output"
PASSAGES = ("the cat sat", "a red dog ran far", "one two")
MASSIVE = [5, 40]


def editing_of(model, **more):
    """The works of this part in a tiny model with one made-up dataset of two networks."""
    width = model.width(SITE)
    maps = np.zeros((2, model.n_layers, width))
    maps[0, 0, [1, 2, 9]], maps[0, 1, 3], maps[1, 1, [3, 4]] = 5, -5, 9
    nothing = np.full(2, np.nan)
    editing = object.__new__(Editing)
    editing.settings = EditingSettings(localizer=None, seeds=(0,), inhibit=True, **more)
    editing.passages = PASSAGES
    editing.stage = SimpleNamespace(
        networks={"a": Networks(maps, nothing, nothing)},
        there=Population(*maps[0].shape),
        shape=maps[0].shape,
        massive=MASSIVE,
        undrawn=MASSIVE,
        settings=SimpleNamespace(massive="exclude", site=SITE),
        use=SimpleNamespace(editing=editing.settings),
        key=lambda *_, **__: "key",
    )
    return editing


class Kept:
    """Records by name, as a pass leaves them."""

    def __init__(self, **records):
        self.records = records

    def get(self, name, _):
        return self.records[name]


@pytest.fixture(scope="module")
def found(models):
    """The works with such controls, their records and the naive activations [layers, units]."""
    model = models("llama")
    editing = editing_of(model, activation_matched_seeds=(3, 4))
    bench = Bench(SimpleNamespace(execution=SimpleNamespace(batch_tokens=None)), model)
    [work] = editing.first_works()
    [made] = work.compute(bench, list(work.keys), print)
    rows = [model.tokenizer(text)["input_ids"] for text in PASSAGES]
    each = [naive_activations(model, row, SITE).abs().mean(1).numpy() for row in rows]
    return editing, Kept(**{ACTIVATIONS: made[ACTIVATIONS]}), np.mean(np.stack(each), axis=0)


def test_activations_are_means_over_the_tokens_of_each_passage(found):
    _, records, naive = found
    assert load(records.get(ACTIVATIONS, ""))["activations"] == pytest.approx(naive, rel=1e-4)


def test_controls_lie_in_the_same_layers_and_are_near_in_activation(found):
    editing, records, naive = found
    conditions = editing.conditions(records)
    width, flat = naive.shape[1], naive.reshape(-1)
    plain = {(one.dataset, one.name): one for one in conditions if one.seed is None}
    drawn = [one for one in conditions if one.name == ACTIVATION_MATCHED]
    assert len(drawn) == 2 * len(plain) and {one.seed for one in drawn} == {3, 4}
    for one in drawn:
        own = plain[one.dataset, one.control_of].units
        assert not set(one.units) & {*own, *MASSIVE}
        layers = [sorted((units // width).tolist()) for units in (own, one.units)]
        assert layers[0] == layers[1]
    # Each drawn unit is among the nearest of its layer: fewer than ten others, and those in the same step of
    # 5 %, lie between it and the unit of the network that it stands for.
    lone = [one for one in drawn if one.control_of == "network-0"]
    own = plain["a", "network-0"].units
    for one in lone:
        for unit in one.units[one.units // width == 1]:
            [target] = own[own // width == 1]
            layer = np.log(flat[width : 2 * width])
            rest = [n for n in range(width) if n + width not in {*own, *MASSIVE}]
            off = np.abs(layer[rest] - np.log(flat[target]))
            assert np.sum(off < abs(np.log(flat[unit]) - np.log(flat[target])) - 0.1) < 10


def test_without_such_controls_sets_draws_and_settings_are_as_ever(found, models):
    editing, records, _ = found
    plain = editing_of(models("llama"))
    assert plain.first_works() == []
    rest = [one for one in editing.conditions(records) if one.name != ACTIVATION_MATCHED]
    for one, other in zip(plain.conditions(None), rest, strict=True):
        assert (one.name, one.seed, one.units.tolist()) == (
            other.name,
            other.seed,
            other.units.tolist(),
        )
    assert "activation_matched_seeds" not in plain.settings.measurement()
    assert editing.settings.measurement()["activation_matched_seeds"] == (3, 4)


def test_each_edit_is_tested_against_both_kinds_of_controls(found):
    editing, records, naive = found
    conditions = editing.conditions(records)
    edits = _with_activity(editing.edits(conditions), naive)
    dice = np.random.default_rng(0)
    made = [
        {"log_probs": dice.normal(-9, 1, 12).tolist(), "tokens": [3] * 12, "words": [2] * 12}
        for _ in edits
    ]
    rows = with_every_q(corpus_rows(edits, made, 0))[1 : len(edits)]
    surprise = {
        edit.label.removesuffix(" ''"): -np.array(own["log_probs"]) / 3
        for edit, own in zip(edits, made, strict=True)
    }

    def p(label, seeds, kind):
        names = [f"a {kind} like network-0, seed {seed}, inhibit" for seed in seeds]
        return wilcoxon(surprise[label] - np.mean([surprise[n] for n in names], axis=0)).pvalue

    [own] = [row for row in rows if (row["condition"], row["how"]) == ("network-0", "inhibit")]
    label = "a network-0, inhibit"
    assert own["p_random"] == pytest.approx(p(label, [0], "random"))
    assert own["p_matched"] == pytest.approx(p(label, [3, 4], ACTIVATION_MATCHED))
    members = [1, 2, 9, naive.shape[1] + 3]
    assert own["activation"] == pytest.approx(naive.reshape(-1)[members].mean(), rel=1e-6)
    assert set(MATCHED) <= set(own) and own["q_matched"] >= own["p_matched"]
    # Controls have none of these tests, nor has a random share of all units.
    beside = [row for row in rows if row["condition"] in ("random", ACTIVATION_MATCHED)]
    assert beside and not any("p_random" in row or "p_matched" in row for row in beside)


def test_probes_leave_them_out(found):
    """They are read off features of the conditions that they were always read off."""
    editing, records, _ = found
    probing = object.__new__(Probing)
    probing.stage = editing.stage
    names = {edit.cells["condition"] for edit in probing.edits(editing.conditions(records))}
    assert names == {"intact", sets.ALL, sets.TOP, sets.RANDOM}
