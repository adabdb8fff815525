"""`brodmann prune` on a tiny model: what it measures and saves, against the checkpoint it made."""

import csv
import json
import logging
import math

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_models import LAYERS, NEURONS, save_telling
from transformers import AutoModelForCausalLM, AutoTokenizer

from brodmann.cli import main

PASSAGES = [
    "The cat sat on the warm mat.",
    "No dog was there to see it.",
    "Rain fell on the old roof.",
]
GONE = {0.25: NEURONS // 4 * LAYERS, 0.5: NEURONS // 2 * LAYERS}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny Llama whose neurons have a say, texts to find networks in, and passages."""
    folder = tmp_path_factory.mktemp("study")
    save_telling(folder / "weights", 6)
    (folder / "passages.txt").write_text("\n\n".join([*PASSAGES, "This one is not read."]))
    (folder / "texts").mkdir()
    for n, a in enumerate(("the cat", "a dog", "no sun", "my hat", "his ear", "one day")):
        for m, b in enumerate(("runs", "is red", "went by")):
            (folder / "texts" / f"{n}{m}.txt").write_text(f"{a} {b} and {n * m}")
    config = {
        "models": {"tiny": {"source": "path:weights"}},
        "tasks": {"include": ["language/npi"]},
        "execution": {"cache": str(folder / "cache"), "device": "cpu"},
        "localizer": {"lesion": {"tasks": []}},
        "networks": {
            "datasets": {"short": "texts", "asked": "task:language/npi"},
            "restarts": 1,
            "editing": {"corpus": "passages.txt", "passages": len(PASSAGES)},
        },
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    yield folder
    logging.getLogger("transformers").setLevel(logging.WARNING)


def prune(study, out, *more, ratio=0.25):
    given = ["prune", "--model", "tiny", "--configfile", f"{study}/study.yaml"]
    given += ["--dataset", "short", "--samples", "4", "--components", "2"]
    return main([*given, "--ratio", str(ratio), "--out", str(out), *map(str, more)])


def rows(out):
    with open(out / "pruning.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def surprise(folder):
    """Summed over all passages, by stock code; and how many tokens and words that was of."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    total, tokens = 0.0, 0
    for passage in PASSAGES:
        ids = torch.tensor([tokenizer(passage)["input_ids"]])
        with torch.no_grad():
            # The mean over all tokens but the first.
            total += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    return total, tokens, sum(len(passage.split()) for passage in PASSAGES)


def assert_measured(row, folder):
    total, tokens, words = surprise(folder)
    assert math.log(float(row["perplexity"])) == pytest.approx(total / tokens, rel=1e-3)
    assert math.log(float(row["word_perplexity"])) == pytest.approx(total / words, rel=1e-3)


def width(folder, layer=0):
    weights = load_file(folder / "model.safetensors")
    return weights[f"model.layers.{layer}.mlp.down_proj.weight"]


def test_the_checkpoint_costs_what_its_row_says(study, tmp_path, capsys):
    """With random prunings of the same size beside it, and another ratio that is measured alone."""
    out = tmp_path / "small"
    assert prune(study, out, "--also", 0.5, 0.25, 0.5, "--seeds", 3) == 0
    said = capsys.readouterr().out.splitlines()
    intact, *others = rows(out)
    assert (intact["condition"], intact["removed"], intact["ratio"]) == ("intact", "0", "")
    expected = [
        (condition, str(ratio), seed, str(GONE[ratio]))
        for ratio in (0.5, 0.25)
        for condition, seed in (("networks", ""), ("random", "3"))
    ]
    assert [(r["condition"], r["ratio"], r["seed"], r["removed"]) for r in others] == expected
    assert_measured(intact, study / "weights")
    [own] = [r for r in others if (r["condition"], r["ratio"]) == ("networks", "0.25")]
    assert_measured(own, out)
    # Other neurons are other numbers.
    assert len({r["perplexity"] for r in [intact, *others]}) == 5

    columns = [line.split() for line in said[:-1]]
    assert said[-1] == f"{out}: saved" and len(columns) == 5
    assert columns[0][:4] == ["intact", "0", "neurons", "removed"]
    assert columns[2][:5] == ["random", "seed", "3", "0.50", str(GONE[0.5])]
    assert float(columns[0][5]) == pytest.approx(float(intact["perplexity"]), rel=1e-3)

    facts = json.loads((out / "pruning.json").read_text())
    assert facts["model"] == "tiny" and facts["ratio"] == 0.25 and facts["smaller"] is True
    assert facts["neurons_per_layer"] == [NEURONS * 3 // 4] * LAYERS
    assert facts["whole_ends"] is facts["compensated"] is False
    assert len(facts["thresholds"]) == LAYERS and min(facts["thresholds"]) > 0
    assert width(out).shape[1] == NEURONS * 3 // 4


def test_compensation_holds_what_is_removed_at_its_mean(study, tmp_path):
    out = tmp_path / "held"
    out.mkdir()  # an empty folder is as good as none
    assert prune(study, out, "--compensate", "--seeds") == 0
    intact, own = rows(out)
    assert own["condition"] == "networks" and own["removed"] == str(GONE[0.25])
    assert_measured(own, out)
    assert json.loads((out / "pruning.json").read_text())["compensated"] is True
    biases = load_file(out / "model.safetensors")["model.layers.0.mlp.down_proj.bias"]
    assert float(biases.abs().max()) > 0
    assert own["perplexity"] != intact["perplexity"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            ["--dataset", "asked"],
            "--dataset: a task's prompts are not text to prune by (give a corpus, a file or a folder)",
        ),
        (
            ["--samples", "19"],
            "{study}/texts: 18 different samples, 19 are wanted (add texts, or ask for fewer)",
        ),
        (
            ["--model", "tinny"],
            "--model: no model 'tinny' in the config (did you mean 'tiny'?; or name a source: hf:tinny, "
            "path:DIR)",
        ),
    ],
)
def test_what_cannot_be_pruned_ends_with_a_line_and_no_folder(study, tmp_path, capsys, more, line):
    assert prune(study, tmp_path / "new" / "out", *more) == 1
    assert capsys.readouterr().err == f"ERROR: {line.format(study=study)}\n"
    assert list(tmp_path.iterdir()) == []


def test_what_lies_there_is_not_written_over(study, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        assert prune(study, tmp_path / name) == 1
        what = "is there already (choose a new or empty folder)"
        assert capsys.readouterr().err == f"ERROR: {tmp_path}/{name}: {what}\n"
    [kept] = (tmp_path / "full").iterdir()
    assert kept.read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("ratio", ["0", "1", "much"])
def test_a_share_that_is_none_is_refused(study, tmp_path, capsys, ratio):
    with pytest.raises(SystemExit, match="2"):
        prune(study, tmp_path / "out", ratio=ratio)
    what = f"argument --ratio: must be a share above 0 and below 1, not '{ratio}'"
    assert capsys.readouterr().err.splitlines()[-1].endswith(what)
