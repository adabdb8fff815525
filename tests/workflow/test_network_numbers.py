"""Numbers of networks through the workflow, each against its definition written out on plain activations.

The corpus has a text of a single token, none of which is kept, and one of the same token over and over.
"""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from clone import SEED
from reference import log_probability
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef
from small_networks import SETTINGS
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.networks.consistency import SampleNetworks
from brodmann.networks.maps import Networks
from brodmann.networks.stages.decomposition import sample_names
from brodmann.store.work import Records
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import read_items

FOLDER = "results/tiny/networks"
LIMIT = 20
LAYERS, HIDDEN = 3, 32
TASK = "formal/sums"


def permuted(folder):
    """The model with the dimensions of its residual stream in another order."""
    model, order = tiny_model("llama", SEED), torch.randperm(32, generator=torch.manual_seed(1))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            rows = weight.ndim == 1 or name.endswith(("o_proj.weight", "down_proj.weight"))
            weight.copy_((weight[order] if rows else weight[:, order]).clone())
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


@pytest.fixture(scope="module")
def texts():
    words = "ship wave gull salt tide mast"
    dice = np.random.default_rng(3)
    long = [" ".join(dice.choice(words.split(), 4 + n)) for n in range(12)]
    return ["a", "b" * 15, *long]


@pytest.fixture
def numbered(fresh, texts, tmp_path):
    """A study of two models that compute the same, over all of the texts; its report is written, too."""
    study = fresh
    (study.path / "texts").mkdir()
    for n, text in enumerate(texts):
        (study.path / "texts" / f"{n:02d}.txt").write_text(text)
    passages = ["a gull cried", "the plough stood still", "no road led there", "salt lay about"]
    (study.path / "held.txt").write_text("\n\n".join(passages))
    permuted(tmp_path / "twin")
    config = study.config()
    config["models"]["twin"] = {"source": f"path:{tmp_path / 'twin'}", "filter": "aligned"}
    config["networks"] = {
        **SETTINGS,
        "datasets": {"sea": "texts"},
        "group_samples": 8,
        "individual_samples": 6,
        "threshold": 1.5,
        "drop_first": True,
        "editing": {
            "corpus": "held.txt",
            "seeds": [0, 1],
            "items": 7,
            "amounts": {"multiply": [], "add": [0.5]},
        },
        "following": {"texts": 8},
    }
    study.write_config(config)
    study.snakemake("networks", "report")
    return study


def outputs(text, limit=LIMIT):
    """What every MLP puts out at every token but the first: [tokens, layers * hidden]."""
    model, found = tiny_model("llama", SEED), []
    for layer in model.model.layers:
        layer.mlp.register_forward_hook(lambda *a: found.append(a[2][0]))
    with torch.no_grad():
        model(input_ids=torch.tensor([tiny_tokenizer()(text)["input_ids"][:limit]]))
    return torch.cat(found, -1).double().numpy()[1:]


def table(study, name):
    return pd.read_csv(study.path / FOLDER / f"{name}.csv", keep_default_na=False)


def drawn(texts):
    chosen = Dice("networks", 0, "sea").shuffled(list(range(len(texts))))
    return [texts[n] for n in chosen[:8]], [texts[n] for n in chosen[8:14]]


@pytest.mark.slow
def test_numbers_are_those_of_the_definitions(numbered, texts):
    study = numbered
    networks = Networks.load(study.path / FOLDER / "sea/templates.safetensors")
    group, individual = drawn(texts)
    parts = [outputs(text) for text in group]
    signals = np.concatenate(parts)
    check_maps(networks, signals)
    check_consistency(study, networks, individual)
    check_course(study, networks, signals)
    check_connectivity(study, networks, parts, signals)
    check_choices(study, networks)
    check_fingerprint(study, networks, parts)


def check_maps(networks, signals):
    assert networks.mean.ravel() == pytest.approx(signals.mean(0), rel=1e-3, abs=1e-6)
    assert networks.sd.ravel() == pytest.approx(signals.std(0), rel=1e-3)
    z = (signals - signals.mean(0)) / signals.std(0)
    for n, whole in enumerate(networks.maps.reshape(len(networks), -1)):
        assert (whole.mean(), whole.std()) == pytest.approx((0, 1), abs=1e-9)
        assert whole.max() == np.abs(whole).max()
        rest = z - np.outer(z @ whole, whole) / (whole @ whole)
        share = 1 - np.square(rest).sum() / np.square(z).sum()
        assert networks.explained[n] == pytest.approx(share, rel=1e-3)
    assert (np.diff(networks.explained) <= 0).all()


def check_consistency(study, networks, individual):
    """Sets of units, one IoU after the other; the study counts all (``individual_kept``).

    Of the stored networks: those of a text of few tokens hang on the last digits of its activations, of which
    the engine's and a plain pass's differ (docs/networks.md).
    """
    records = Records(study.path / "results/tiny/.store/networks.json", "networks")
    names = sample_names("sea", len(individual))
    samples = [SampleNetworks.unpack(records.get(name, name)) for name in names]
    sets = []
    for text, sample in zip(individual, samples, strict=True):
        assert len(sample) <= 4 and (len(outputs(text)) >= 2 or len(sample) == 0)
        own = np.split(sample.units, sample.starts[1:-1]) if len(sample) else []
        sets.append([set(units.tolist()) for units in own])
    counts = table(study, "consistency")
    assert (counts.denominator == sum(map(len, sets))).all() and (counts.samples == 6).all()
    for n, own in enumerate(networks.members.reshape(len(networks), -1)):
        template = set(np.flatnonzero(own))
        each = [[len(template & s) / len(template | s) for s in some] for some in sets]
        assert counts["count"][n] == sum(value > 0.2 for some in each for value in some)
        best = np.mean([max(some) for some in each if some])
        assert counts.mean_best_iou[n] == pytest.approx(best, abs=1e-6)


def check_course(study, networks, signals):
    """Least-squares coefficients of the example, on the scale of the group's signals."""
    sentence = (study.path / "stimuli/example/languages.txt").read_text(encoding="utf-8").strip()
    z = (outputs(sentence, 512) - signals.mean(0)) / signals.std(0)
    maps = networks.maps.reshape(len(networks), -1)
    expected = np.linalg.lstsq(maps.T, z.T, rcond=None)[0].T
    course = table(study, "interpretation/course.sea")
    for n in range(len(networks)):
        own = course[course.network == f"network-{n}"].course.to_numpy()
        assert np.allclose(own, expected[:, n], atol=1e-3 * np.abs(expected).max())


def means(signals, networks):
    return np.stack([signals[:, own.ravel()].mean(1) for own in networks.members], axis=1)


def check_connectivity(study, networks, parts, signals):
    r = np.corrcoef(means((signals - signals.mean(0)) / signals.std(0), networks).T)
    rows = table(study, "connectivity").set_index(["network", "other"]).r
    for i, j in itertools.product(range(len(networks)), repeat=2):
        assert rows[f"network-{i}", f"network-{j}"] == pytest.approx(r[i, j], abs=1e-3)


def check_choices(study, networks):
    """Accuracy, F1 and MCC of what is chosen when network-1 is inhibited, and the exact tests."""
    items = read_items(study.path / f"results/items/{TASK}.json")
    wording = next(iter(items.wordings.values()))
    used = sorted(Dice("editing", 0, TASK).shuffled(list(range(len(items))))[:7])
    editing = table(study, "editing")
    rows = editing[(editing.task == TASK) & (editing.how.isin(["inhibit", ""]))]

    def chosen(mask):
        model, tokenizer = tiny_model("llama", SEED), tiny_tokenizer()
        for layer, own in zip(model.model.layers, torch.from_numpy(mask), strict=True):
            layer.mlp.register_forward_hook(lambda m, a, out, own=own: out.masked_fill(own, 0.0))
        said, gold = [], []
        for item in (wording[n] for n in used):
            answers = sorted([item.correct, item.incorrect])
            pairs = ((item.clean_prompt, item.correct), (item.corrupted_prompt, item.incorrect))
            for prompt, right in pairs:
                lp = [
                    log_probability(
                        model, tokenizer(prompt)["input_ids"], tokenizer(a)["input_ids"]
                    )
                    for a in answers
                ]
                said.append(int(lp[1] > lp[0]))
                gold.append(answers.index(right))
        return np.array(said), np.array(gold)

    none = np.zeros((LAYERS, HIDDEN), dtype=bool)
    own = rows[(rows.condition == "network-1") | (rows.condition == "intact")]
    intact, _ = chosen(none)
    said, gold = chosen(networks.members[1])
    for condition, found in (("intact", intact), ("network-1", said)):
        values = own[own.condition == condition].set_index("metric").value.astype(float)
        assert values["accuracy"] == pytest.approx(np.mean(found == gold))
        assert values["f1"] == pytest.approx(
            f1_score(gold, found, labels=[0, 1], average="macro", zero_division=0)
        )
        assert values["mcc"] == pytest.approx(matthews_corrcoef(gold, found))
    # Each of three alike may be the own one; with the intact model, each of two.
    controls = []
    members = np.flatnonzero(networks.members[1].ravel())
    rest = np.setdiff1d(np.arange(LAYERS * HIDDEN), members)
    for seed in (0, 1):
        mask = none.copy().ravel()
        dice = np.random.default_rng([seed, len(members)])
        mask[dice.choice(rest, len(members), replace=False)] = True
        controls.append(chosen(mask.reshape(none.shape))[0] == gold)
    row = own[(own.condition == "network-1") & (own.metric == "accuracy")].iloc[0]
    right = said == gold
    assert float(row.p) == pytest.approx(exact(np.stack([right, intact == gold])))
    assert float(row.p_random) == pytest.approx(exact(np.stack([right, *controls])))


def exact(right):
    """Choices by how many ways there are for a total, item by item."""
    ways = {0: 1.0}
    for column in right.T.astype(int):
        more = {}
        for total, share in ways.items():
            for value in column:
                more[total + value] = more.get(total + value, 0.0) + share / len(column)
        ways = more
    observed = ways[int(right[0].sum())]
    return min(1.0, sum(share for share in ways.values() if share <= observed * (1 + 1e-7)))


def check_fingerprint(study, networks, parts):
    """The twin's networks are these, its dimensions moved: the same courses."""
    found = pd.read_csv(study.path / "results/statistics/fingerprint.csv").iloc[0]
    followed = [means(part, networks) for part in parts if len(part) >= 3]
    assert found.n_texts == len(followed)
    rho = np.mean([spearmanr(own).statistic for own in followed], axis=0)
    k = len(networks)
    assert found.rho == pytest.approx(1, abs=1e-6) and found.pairs == k * k
    assert math.isclose(found.above_half, (rho > 0.5).sum(), abs_tol=1)
