"""`brodmann align` on a tiny model: lesions beside random ones, repeated recordings, stimulus sets."""

import csv
import logging

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
import yaml
from rounding import assert_same
from tiny_models import LAYERS, NEURONS, save_telling, tiny_tokenizer

from brodmann.cli import main
from brodmann.localizers.aligned import CEILED, COLUMNS, LESIONED

TEXTS = [f"{a} {b} {c}" for a in ("the", "a", "no") for b in ("cat", "dog", "sun") for c in "xyz"]
FEATURES = [(2, unit) for unit in (1, 5, 9, 20)] + [(1, 30)]
LESION = [(0, unit) for unit in range(12)] + [(1, 4), (1, 5), (2, 9)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny Llama with weights so large that every unit has a say, masks, and stimuli."""
    folder = tmp_path_factory.mktemp("study")
    save_telling(folder / "weights", 10)
    config = {
        "models": {"tiny": {"source": "path:weights"}},
        "tasks": {"include": ["language/npi"]},
        "execution": {"cache": str(folder / "cache"), "device": "cpu"},
        "localizer": {"lesion": {"tasks": []}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    for name, units in (("mask", FEATURES), ("lesion", LESION)):
        table = pd.DataFrame(units, columns=["layer", "unit"])
        table.assign(model="tiny", site="mlp_hidden").to_csv(folder / f"{name}.csv", index=False)
    (folder / "stimuli.txt").write_text("\n".join(TEXTS) + "\n")
    yield folder
    logging.getLogger("transformers").setLevel(logging.WARNING)


def align(study, out, *more, stimuli="stimuli.txt"):
    given = ["align", "--model", "tiny", "--configfile", f"{study}/study.yaml"]
    given += ["--mask", f"{study}/mask.csv", "--stimuli", f"{study}/{stimuli}", "--out", str(out)]
    return main([*given, *map(str, more)])


def naive_activations(study, silenced=()):
    """Of all neurons at each text's last token, by plain hooks: [texts, layers, neurons]."""
    hf = transformers.AutoModelForCausalLM.from_pretrained(study / "weights").eval()
    seen = {}
    for number, block in enumerate(hf.model.layers):

        def hook(_, inputs, layer=number):
            value = inputs[0].clone()
            value[..., [unit for at, unit in silenced if at == layer]] = 0.0
            seen[layer] = value[0, -1]
            return (value,)

        block.mlp.down_proj.register_forward_pre_hook(hook)
    found = []
    tokenizer = tiny_tokenizer()
    for text in TEXTS:
        with torch.no_grad():
            hf(input_ids=torch.tensor([tokenizer(text)["input_ids"]]))
        found.append(torch.stack([seen[layer] for layer in range(LAYERS)]))
    return torch.stack(found).double().numpy()


def read(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def values(rows):
    return np.array(
        [[float(cell) for name, cell in row.items() if name != "stimulus"] for row in rows]
    )


def write_recordings(path, recorded):
    names = [f"v{n}" for n in range(recorded.shape[1])]
    pd.DataFrame(recorded, columns=names).to_csv(path, index=False)


def test_lesions_stand_beside_the_intact_model_and_random_lesions(study, tmp_path, capsys):
    intact = naive_activations(study)
    kept = [pair for pair in FEATURES if pair not in LESION]
    signal = intact[:, [at for at, _ in kept], [unit for _, unit in kept]]
    signal = (signal - signal.mean(0)) / signal.std(0)
    rng = np.random.default_rng(0)
    files = [tmp_path / f"run{n}.csv" for n in range(2)]
    for file in files:
        write_recordings(file, signal + 0.3 * rng.normal(size=signal.shape))
    more = ["--voxels", *files, "--lesion", f"{study}/lesion.csv", "--seeds", 1, 2]
    assert align(study, tmp_path / "out", *more) == 0
    said = capsys.readouterr().out.splitlines()

    rows = read(tmp_path / "out" / "alignment.csv")
    assert tuple(rows[0]) == (*LESIONED, *COLUMNS, *CEILED)
    labels = [("intact", ""), ("lesion", ""), ("random", "1"), ("random", "2")]
    assert list(dict.fromkeys((r["lesion"], r["lesion_seed"]) for r in rows)) == labels
    assert [r["n_lesioned"] for r in rows[:: 3 * signal.shape[1]]] == ["0", *3 * [str(len(LESION))]]
    # The features that a lesion does not silence itself, as plain hooks read them.
    lesioned = naive_activations(study, LESION)
    for name, whole in (("intact", intact), ("lesion", lesioned)):
        table = read(tmp_path / "out" / f"activations.{name}.localized.csv")
        units = [tuple(map(int, place.split("."))) for place in table[0] if place != "stimulus"]
        assert set(units) <= set(kept) and len(units) >= 2
        expected = whole[:, [at for at, _ in units], [unit for _, unit in units]]
        assert_same(values(table), expected)
    assert not np.allclose(intact, lesioned)
    mean = {name: [] for name in ("intact", "lesion", "random")}
    for row in rows:
        r, ceiling = float(row["r"]), float(row["ceiling"])
        assert float(row["normalised"]) == pytest.approx(r / ceiling)
        assert row["ceiling_by"] == "split-half" and 0.8 < ceiling < 1
        if row["condition"] == "localized":
            mean[row["lesion"]].append(r)
    assert np.mean(mean["intact"]) > np.mean(mean["lesion"])
    lost = np.mean(mean["intact"]) - np.mean(mean["lesion"])
    assert said[-2].startswith(f"The lesion of {len(LESION)} units costs {lost:.3f} of r [")
    assert "; 2 random lesions of the same layers cost " in said[-2]
    summary = read(tmp_path / "out" / "alignment_summary.csv")
    assert len(summary) == 4 * 3 and summary[0]["lost"] == ""
    row = summary[3]
    assert (row["lesion"], row["condition"]) == ("lesion", "localized")
    assert float(row["lost"]) == pytest.approx(lost) and float(row["r"]) == pytest.approx(
        np.mean(mean["lesion"])
    )
    assert float(row["lost_low"]) < lost < float(row["lost_high"])


def test_random_lesions_are_of_the_same_layers_and_spare_the_lesion(study, tmp_path):
    """Seen by their traces: under each, as many neurons of each layer are 0 for every text."""
    more = ["--lesion", f"{study}/lesion.csv", "--seeds", 5]
    everything = pd.DataFrame([(at, unit) for at in range(LAYERS) for unit in range(NEURONS)])
    everything.columns = ["layer", "unit"]
    mask = tmp_path / "all.csv"
    everything.assign(model="tiny", site="mlp_hidden").to_csv(mask, index=False)
    assert align(study, tmp_path / "out", *more, "--mask", mask) == 0
    [head, *_] = csv.reader((tmp_path / "out/activations.intact.localized.csv").open())
    left = {tuple(map(int, place.split("."))) for place in head[1:]}
    drawn = set(map(tuple, everything.to_numpy().tolist())) - left - set(LESION)
    count = [sum(at == layer for at, _ in LESION) for layer in range(LAYERS)]
    assert [sum(at == layer for at, _ in drawn) for layer in range(LAYERS)] == count


def test_a_stimulus_set_with_subjects_and_todays_tables_without(study, tmp_path, capsys):
    folder = study / "set"
    folder.mkdir()
    ids = [f"s{n}" for n in range(len(TEXTS))]
    pd.DataFrame({"stimulus_id": ids, "sentence": TEXTS}).to_csv(folder / "stimulus_set.csv")
    signal = naive_activations(study)[:, 2, :3]
    rng = np.random.default_rng(0)
    tables = [
        pd.DataFrame(signal + rng.normal(size=signal.shape), columns=["a", "b", "c"]).assign(
            stimulus_id=ids, subject=name
        )
        for name in ("one", "two", "three")
    ]
    pd.concat(tables).to_csv(folder / "assembly.csv", index=False)
    assert align(study, tmp_path / "set", stimuli="set") == 0
    assert " of the ceiling (median of " in capsys.readouterr().out
    rows = read(tmp_path / "set" / "alignment.csv")
    assert tuple(rows[0]) == (*COLUMNS, *CEILED)
    # The same recordings without what the ceiling is made of: the same r, and the columns of ever.
    mean = sum(table[["a", "b", "c"]] for table in tables) / 3
    mean.to_csv(tmp_path / "mean.csv", index=False)
    assert align(study, tmp_path / "mean", "--voxels", tmp_path / "mean.csv") == 0
    plain = read(tmp_path / "mean" / "alignment.csv")
    assert tuple(plain[0]) == COLUMNS
    assert [float(r["r"]) for r in rows] == pytest.approx([float(r["r"]) for r in plain])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--ceiling", "split-half"], "there are no repeated measurements"),
        (["--lesion", "mask.csv"], "none is left to predict with"),
        (["--lesion", "wide.csv"], "8 of its units have no other unit of their layer"),
        (["--lesion", "far.csv"], "has no unit 48 in layer 0"),
        (["--lesion", "other.csv"], "those of the model 'other', not of 'tiny'"),
        (["--voxels", "one.csv", "two.csv"], "two.csv: its voxels are not those of"),
        (
            ["--voxels", "one.csv", "--folds", "1"],
            "27 stimuli (or groups) in 1 folds cannot be pre",
        ),
        (["--voxels", "one.csv", "--folds", "28"], "27 stimuli (or groups) in 28 folds cannot be"),
    ],
)
def test_what_cannot_be_aligned_is_said_in_a_line(study, tmp_path, capsys, more, message):
    def mask(name, units, model="tiny"):
        table = pd.DataFrame(units, columns=["layer", "unit"]).assign(model=model)
        table.assign(site="mlp_hidden").to_csv(study / name, index=False)

    mask("wide.csv", [(0, unit) for unit in range(28)])
    mask("far.csv", [(0, NEURONS)])
    mask("other.csv", [(0, 1)], "other")
    for name, voxel in (("one.csv", "v"), ("two.csv", "w")):
        pd.DataFrame({voxel: range(len(TEXTS))}).to_csv(study / name, index=False)
    given = [str(study / word) if word.endswith(".csv") else word for word in more]
    assert align(study, tmp_path / "out", *given) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and message in said
    assert not (tmp_path / "out").exists()
