"""Localizers of a model with a planted sink: what is selected, lesioned and drawn with it and without it."""

import json
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from naive_sites import naive_activations
from reference import log_probability
from safetensors.numpy import load_file
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.config.load import load_config
from brodmann.figures.massive import of_lesions
from brodmann.localizers.lesion import lesion
from brodmann.localizers.stages import lesion as lesions
from brodmann.localizers.stages import localizer, massive
from brodmann.models.card import ModelCard
from brodmann.models.load import wrap_model
from brodmann.pipeline.models import check_model, fetch_weights
from brodmann.report.localizers import Lesion, localized
from brodmann.report.massive import massive_groups
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.report.wording import big
from brodmann.runner.massive import massive as massive_units
from brodmann.store import masks

SINK = 7
# Texts of either kind end with another letter, to which the sink responds more than any other unit.
SENTENCES = [f"cat {n} b c d e f g h i j a" for n in range(12)]
NONWORDS = [f"dog {n} b c d e f g h i j z" for n in range(12)]
PASSAGES = ["the cat sat on it", "no dog is up there", "rain fell all day"]


def test_a_layer_whose_median_unit_is_silent_has_none():
    """Most ReLU neurons are silent on any text: every other one would be more than 100 times their median."""
    dice = np.random.default_rng(0)
    found = np.abs(dice.normal(size=(9, 2, 40))) + 0.5
    found[:, 0, 7] = -300
    found[:, 1, :30] = 0
    assert [(one["layer"], one["unit"]) for one in massive_units(found)] == [(0, 7)]
    assert massive_units(found)[0]["layer_median"] == pytest.approx(
        np.median(np.median(np.abs(found[:, 0]), 0))
    )


class Study:
    """A study of the model in a folder of its own; every run goes on with the same store."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.hf = tiny_model("gpt2")
        with torch.no_grad():
            self.hf.transformer.h[0].mlp.c_proj.bias[SINK] = 1000
            [letter] = tiny_tokenizer()("a")["input_ids"]
            self.hf.transformer.wte.weight[letter, SINK] += 50
        self.hf.save_pretrained(folder / "model")
        tiny_tokenizer().save_pretrained(folder / "model")
        texts = folder / "stimuli" / "language"
        texts.mkdir(parents=True)
        (texts / "sentences.txt").write_text("\n".join(SENTENCES))
        (texts / "nonwords.txt").write_text("\n".join(NONWORDS))
        (folder / "corpus.txt").write_text("\n\n".join(PASSAGES))
        self.model = wrap_model(self.hf, tiny_tokenizer(), name="m")

    def run(self, massive_units, **more):
        """The table of lesions, with the rest in ``results``."""
        settings = {"tasks": [], "seeds": [42, 43], "corpus": str(self.folder / "corpus.txt")}
        config = {
            "models": {"m": {"source": f"path:{self.folder / 'model'}"}},
            "localizer": {
                "stimuli": str(self.folder / "stimuli"),
                "truncate": {"language": None},
                "percentages": [5.0, 20.0],
                "massive": massive_units,
                "lesion": {**settings, **more},
            },
            "execution": {"device": "cpu", "cache": str(self.folder / "cache")},
        }
        Path("config.yaml").write_text(json.dumps(config))
        study = load_config([Path("config.yaml")], root=self.root).study
        store = Path("results/m/.store")
        card, record = "results/m/model.json", "results/m/.source.json"
        fetch_weights(study, "m", record)
        check_model(study, "m", record_file=record, store=str(store), output=card, threads=1)
        found = {"model_json": card, "manifest": str(store / "localizer.json")}
        localizer.run_pass(study, record_file=record, threads=1, **found)
        own = Path("results/m/localizer/language")
        own.mkdir(parents=True, exist_ok=True)
        output = str(own / "selectivity.safetensors")
        localizer.write_localizer(study, network="language", output=output, **found)
        lesioned = {
            "model_json": card,
            "localizer_manifest": found["manifest"],
            "manifest": str(store / "lesion.json"),
        }
        lesions.run_pass(study, record_file=record, item_files=[], threads=1, **lesioned)
        table = str(own / "lesion.csv")
        lesions.write_table_of(study, network="language", item_files=[], output=table, **lesioned)
        massive.write_massive(study, output=str(own.parent / "massive.csv"), **lesioned)
        self.study, self.settings = study, study.localizer
        return pd.read_csv(table, keep_default_na=False)

    def units(self, name):
        return list(masks.read(f"results/m/localizer/language/{name}.csv").units)

    def perplexity(self, units):
        """By the plain model, passage by passage, under a lesion (itself tested against plain hooks)."""
        rows = [self.model.tokenizer(text)["input_ids"] for text in PASSAGES]
        with lesion(self.model, units):
            total = sum(log_probability(self.hf, row[:1], row[1:]) for row in rows)
        return math.exp(-total / sum(len(row) - 1 for row in rows))

    def activations(self):
        """Mean absolute activation over a text's tokens, then over texts: [layers, units]."""
        rows = [self.model.tokenizer(text)["input_ids"] for text in (*SENTENCES, *NONWORDS)]
        each = [naive_activations(self.model, row, "block_output").abs().mean(1) for row in rows]
        return np.mean(np.stack(each), axis=0)


@pytest.fixture(scope="module")
def sink(root, tmp_path_factory):
    """The study, where it has been run."""
    folder = tmp_path_factory.mktemp("sink")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Study(root, folder)


@pytest.fixture(scope="module")
def apart(sink):
    return sink.run("separate", activation_matched_seeds=[1, 2])


def best(t, count, without=()):
    order = np.argsort(-t.reshape(-1), kind="stable")
    pairs = [divmod(int(unit), t.shape[1]) for unit in order]
    return [pair for pair in pairs if pair not in without][:count]


def test_the_sink_is_left_out_and_set_apart(sink, apart):
    every = [(layer, SINK) for layer in range(3)]
    assert list(ModelCard.read("results/m/model.json").massive_units("block_output")) == every
    t = load_file("results/m/localizer/language/selectivity.safetensors")["t"]
    for size, count in ((5.0, 4), (20.0, 19)):
        assert sink.units(f"top-{size}pct") == best(t, count, every)
        assert sink.units(f"with-massive-{size}pct") == best(t, count)
        assert set(sink.units(f"with-massive-{size}pct")) & set(every)
        for seed in (42, 43):
            drawn = sink.units(f"random-{size}pct-seed{seed}")
            assert len(drawn) == count and not {*every, *sink.units(f"top-{size}pct")} & set(drawn)
    assert sorted(sink.units("massive")) == every
    assert set(sink.settings.selections) == {
        path.stem for path in Path("results/m/localizer/language").glob("*.csv")
    } - {"lesion"}
    held = pd.read_csv("results/m/localizer/massive.csv", keep_default_na=False)
    assert set(held["selection"]) == {"", "with-massive-5.0pct", "with-massive-20.0pct", "massive"}


def test_lesions_with_it_without_it_and_of_it_are_true(sink, apart):
    counts = {"intact": 2, "lesion": 4, "random": 8, "with_massive": 4, "activation_matched": 8}
    counts |= {"massive": 2, "massive_random": 4}
    assert apart["condition"].value_counts().to_dict() == counts
    rows = apart[apart["measure"] == "perplexity"].set_index(["condition", "selection"])["value"]
    for condition, names in (
        ("lesion", ("top-5.0pct", "top-20.0pct")),
        ("with_massive", ("with-massive-5.0pct", "with-massive-20.0pct")),
        ("massive", ("massive",)),
    ):
        for name in names:
            naive = sink.perplexity(sink.units(name))
            assert rows[condition, name].item() == pytest.approx(naive, rel=1e-3)
    assert rows["intact", ""].item() == pytest.approx(sink.perplexity([]), rel=1e-3)
    # As many units as the set of massive ones, none of these.
    assert set(apart[apart["condition"] == "massive_random"]["k"]) == {3}
    # Each is tested against its own controls.
    tested = apart[(apart["measure"] == "perplexity") & (apart["p_random"] != "")]
    assert set(tested["condition"]) == {"lesion", "with_massive", "massive"}
    tested = apart[(apart["measure"] == "perplexity") & (apart["p_matched"] != "")]
    assert set(tested["condition"]) == {"lesion"}
    # The report reads the lesions and random controls that it always read.
    shown = list(Lesion.all_of(pd.read_csv("results/m/localizer/language/lesion.csv")))
    assert [one.corpus["selection"] for one in shown] == ["top-5.0pct", "top-20.0pct"]
    assert [len(one.random) for one in shown] == [2, 2]


def test_controls_are_as_active_as_the_units(sink, apart):
    naive = sink.activations()
    rows = apart[(apart["measure"] == "perplexity") & (apart["condition"] != "intact")]
    rows = rows.astype({"activation": float})
    for size in (5.0, 20.0):
        own = sink.units(f"top-{size}pct")
        at = rows[rows["percentage"] == str(size)].set_index("condition")["activation"]
        mean = np.mean([naive[unit] for unit in own])
        assert at["lesion"] == pytest.approx(mean, rel=1e-3)
        # Two more draws, from the same layers; the sink, 1,000 times as active, would show.
        for drawn in at["activation_matched"]:
            assert drawn == pytest.approx(mean, rel=0.5) and drawn < 20
    with_sink = rows.set_index("selection").loc["with-massive-5.0pct", "activation"]
    assert with_sink > 200


def test_the_report_has_both_lesions_side_by_side(sink, apart):
    say = Prose(sink.root / "workflow" / "report")
    sources = Sources(sink.study, None, Path("results"), frozenset(), say)
    beside, matched = massive_groups(sources, list(localized(sources)))
    value = apart[apart["measure"] == "perplexity"].set_index(["condition", "selection"])["value"]
    [table] = beside.tables
    first = dict(zip(table.heads, table.rows[0], strict=True))
    assert first["with these"] == big(value["with_massive", "with-massive-5.0pct"].item())
    assert first["without"] == big(value["lesion", "top-5.0pct"].item())
    assert first["massive activations among them"].startswith(
        f"3: dimension {SINK} (layers 0 to 2)"
    )
    alone = big(value["massive", "massive"].item())
    assert first["massive activations alone"].startswith(f"{alone} (3 units; random units ")
    assert "all of them together are a lesion of their own" in beside.lead[0]
    [table] = matched.tables
    first = dict(zip(table.heads, table.rows[0], strict=True))
    assert 0.5 < float(first["their activity"]) < 2
    # None of the lesions holds a massive activation: there is a verdict.
    for one in localized(sources):
        assert all(one.holds(lesion.corpus["selection"]).empty for lesion in one.lesions)
    figure, drawn = of_lesions(
        {"lesions": ["results/m/localizer/language/lesion.csv"]},
        {"pairs": [["m", "language"]], "controls": []},
    )
    assert set(drawn["condition"]) == {"intact", "lesion", "random", "with_massive", "massive"}
    assert len(drawn) == 1 + 2 + 4 + 2 + 1
    assert len(figure.axes) == 1
    plt.close(figure)


def test_kept_the_table_is_as_ever_and_nothing_that_is_known_is_measured_again(sink, apart):
    found = sink.run("keep")
    assert list(found.columns) == [
        *("condition", "selection", "percentage", "k", "seed", "kind", "measure", "task", "n"),
        *("value", "low", "high", "p", "q", "p_random", "q_random"),
    ]
    counts = {"intact": 2, "lesion": 4, "random": 8}
    assert found["condition"].value_counts().to_dict() == counts
    t = load_file("results/m/localizer/language/selectivity.safetensors")["t"]
    assert sink.units("top-5.0pct") == best(t, 4)
    # The lesions are those that the other study made with the sink among the units.
    [entry] = [
        json.loads(line) for line in Path("results/m/.store/ledger.jsonl").read_text().splitlines()
    ][-1:]
    assert entry["stage"] == "lesion" and entry["rows"] <= 4
    both = pd.concat([apart.assign(of="apart"), found.assign(of="keep")])
    value = both[both["measure"] == "perplexity"].set_index(["of", "condition", "percentage"])[
        "value"
    ]
    for size in ("5.0", "20.0"):
        assert value["apart", "with_massive", size].item() == value["keep", "lesion", size].item()


def test_left_out_it_is_no_set_of_its_own(sink, apart):
    found = sink.run("exclude")
    counts = {"intact": 2, "lesion": 4, "random": 8, "with_massive": 4}
    assert found["condition"].value_counts().to_dict() == counts
    values = [
        table[table["measure"] == "perplexity"].set_index(["condition", "seed", "percentage"])[
            "value"
        ]
        for table in (apart, found)
    ]
    for condition in ("lesion", "with_massive"):
        assert values[0][condition].tolist() == values[1][condition].tolist()
