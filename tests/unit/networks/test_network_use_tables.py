"""Tables of what is done with networks, made in one process and held against plain transformers."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from golden.opened import opened
from golden.passes import ledger
from golden.study import KEPT, copy_kept, records
from reference import log_probability
from transformers import AutoModelForCausalLM, AutoTokenizer

from brodmann.comparison.stages.network_use import run_pass, write_all
from brodmann.errors import UserError
from brodmann.models.population import Population
from brodmann.networks import conditions as sets
from brodmann.networks.maps import Networks
from brodmann.networks.probing import probe
from brodmann.networks.stages import probing as probing_stage
from brodmann.networks.stages.following import driving
from brodmann.networks.stages.probing import answer_labels, groups_of
from brodmann.store.work import Records

FACTOR = 3.0
DUAL, SINGLE = "language/agreement", "formal/sums"
ASKED = {"tasks": ["*"], "items": 5, "seeds": [0], "activation_matched_seeds": [5]}
EDITING = {"inhibit": False, "networks": True, "amounts": {"multiply": [FACTOR], "add": []}}


def arguments(study, files, manifest):
    use = study.networks.use
    return {
        "model_json": files.card,
        "template_files": files.templates,
        "editing_items": files.items_of(use.editing.tasks),
        "probing_items": files.items_of(use.probing.tasks),
        "manifest": manifest,
    }


@pytest.fixture(scope="module")
def used(tmp_path_factory, root):
    """A study whose networks are tripled: its tables, its records, and the model in plain transformers."""
    folder = tmp_path_factory.mktemp("used")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        more = {"editing": {**ASKED, **EDITING}, "probing": {"tasks": ["*"]}}
        study, files = opened(folder, root, networks=more)
        common = arguments(study, files, files.manifest)
        run_pass(study, record_file=files.record, threads=1, **common)
        drawn = []
        write_all(study, folder="out", draw=lambda *given: drawn.append(given), **common)
        model = AutoModelForCausalLM.from_pretrained("weights").eval()
        yield SimpleNamespace(
            folder=folder / "out",
            records=Records(str(folder / files.manifest), "network_use"),
            model=model,
            tokenizer=AutoTokenizer.from_pretrained("weights"),
            networks=Networks.load(files.templates["sea"]),
            drawn=drawn,
        )


def table(used, name):
    return pd.read_csv(used.folder / f"{name}.csv", keep_default_na=False)


def wording(task):
    items = json.loads((KEPT / "items" / f"{task}.json").read_text())
    return items["wordings"]["completion"]


class Tripled:
    """The plain model while the chosen outputs of its MLPs are tripled; intact without units."""

    def __init__(self, model, units=()):
        width = model.config.hidden_size
        mask = np.zeros((model.config.num_hidden_layers, width), bool)
        mask.reshape(-1)[np.asarray(units, int)] = True
        self.handles = [
            layer.mlp.register_forward_hook(
                lambda m, a, out, chosen=chosen: torch.where(chosen, FACTOR * out, out)
            )
            for layer, chosen in zip(model.model.layers, torch.from_numpy(mask), strict=True)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def asked(used):
    """(task, item, side) -> log-probabilities of the right and of the wrong answer, by definition."""

    def lp(prompt, answer):
        ids = [used.tokenizer(text)["input_ids"] for text in (prompt, answer)]
        return log_probability(used.model, *ids)

    found = {}
    for number, item in enumerate(wording(DUAL)):
        right, wrong = item["correct"], item["incorrect"]
        clean, other = item["clean_prompt"], item["corrupted_prompt"]
        found[DUAL, number, "clean"] = lp(clean, right), lp(clean, wrong)
        found[DUAL, number, "corrupted"] = lp(other, wrong), lp(other, right)
    for number, item in enumerate(wording(SINGLE)):
        texts = [item[f"{side}_prompt"] + item["correct"] for side in ("clean", "corrupted")]
        found[SINGLE, number, "clean"] = tuple(lp(text[:1], text[1:]) for text in texts)
    return found


def test_corrected_choices_are_those_that_a_tripled_network_turns_round(used):
    found = table(used, "interpretation/corrected")
    with Tripled(used.model):
        intact = asked(used)
    rows, clearest = 0, []
    for number, members in enumerate(used.networks.members):
        units = np.flatnonzero(members)
        own = found[found.network == f"network-{number}"]
        condition = sets.Condition("sea", f"network-{number}", units)
        [control] = sets.random_like(condition, Population(2, 16), (0,))
        with Tripled(used.model, units):
            edited = asked(used)
        with Tripled(used.model, control.units):
            beside = asked(used)
        margins = [{at: r - w for at, (r, w) in lps.items()} for lps in (intact, edited, beside)]
        assert min(abs(m) for one in margins for m in one.values()) > 1e-3  # no choice is a tie
        before, after, random = margins
        mended = {at for at in before if before[at] <= 0 < after[at]}
        spoiled = [at for at in before if after[at] <= 0 < before[at]]
        assert set(zip(own.task, own.item, own.side, strict=True)) == mended
        for row in own.itertuples():
            at = row.task, row.item, row.side
            shown = [row.right_intact, row.wrong_intact, row.right_edited, row.wrong_edited]
            assert shown == pytest.approx([*intact[at], *edited[at]], rel=1e-4)
            assert row.margin_edited == pytest.approx(after[at], abs=1e-3)
            assert row.margin_random == pytest.approx(random[at], abs=1e-3)
            assert (row.random_controls, row.random_corrects) == (1, int(random[at] > 0))
            assert (row.corrected_by_edit, row.spoiled_by_edit) == (len(mended), len(spoiled))
            assert (row.choices, row.n_units, row.how) == (15, len(units), "multiply")
            clearest.append((row.random_corrects, -row.margin_edited))
        rows += len(mended)
    assert rows == len(found) > 1
    # What random units do not correct comes first; then what is clearest.
    assert clearest == sorted(clearest)


def test_the_page_of_corrections_shows_the_first_of_them(used):
    first = table(used, "interpretation/corrected").iloc[0]
    page = (used.folder / "interpretation/corrected.html").read_text(encoding="utf-8")
    assert f">{first.prompt}</p>" in page and f"<b>{first.right}</b>" in page
    balance = f"corrects {first.corrected_by_edit} and spoils {first.spoiled_by_edit}"
    assert balance in page and "Of all 15 choices" in page and "Not run" not in page


def test_accuracies_of_edits_are_shares_of_right_choices(used):
    found = table(used, "editing").query("metric == 'accuracy'")
    assert set(found.task) == {DUAL, SINGLE}
    units = np.flatnonzero(used.networks.members.any(0))
    for condition, chosen in (("intact", ()), ("all", units)):
        with Tripled(used.model, chosen):
            right = {at: one > other for at, (one, other) in asked(used).items()}
        for task in (DUAL, SINGLE):
            [value] = found[(found.condition == condition) & (found.task == task)].value
            own = [good for (name, *_), good in right.items() if name == task]
            assert float(value) == pytest.approx(np.mean(own))


def test_edits_say_how_active_their_units_are(used):
    """The mean absolute output over the tokens of a passage, then over passages, then over units."""
    lines = (used.folder.parent / "texts/held.txt").read_text().split("\n\n")[:2]
    kept = []
    for passage in lines:
        outputs = []
        handles = [
            layer.mlp.register_forward_hook(lambda m, a, out, own=outputs: own.append(out[0].abs()))
            for layer in used.model.model.layers
        ]
        ids = used.tokenizer(" ".join(passage.split()))["input_ids"]
        with torch.no_grad():
            used.model(torch.tensor([ids]))
        for handle in handles:
            handle.remove()
        kept.append(torch.stack([out.double().mean(0) for out in outputs]).numpy())
    activity = np.mean(kept, axis=0).reshape(-1)
    found = table(used, "editing")
    for number, members in enumerate(used.networks.members):
        own = found[found.condition == f"network-{number}"].activation.astype(float)
        expected = activity[np.flatnonzero(members)].mean()
        assert own.to_numpy() == pytest.approx(np.full(len(own), expected), rel=1e-4)
    assert set(found[found.condition == "intact"].activation) == {""}
    matched = found[found.condition == "activation_matched"]
    assert set(matched.seed.astype(int)) == {5}


def plain_features(used, task):
    """What enters the final norm at the last token of each prompt, clean and corrupted in turn."""
    kept = []
    handle = used.model.model.norm.register_forward_pre_hook(lambda m, a: kept.append(a[0][0, -1]))
    for item in wording(task):
        for side in ("clean", "corrupted"):
            text = item[f"{side}_prompt"]
            with torch.no_grad():
                used.model(torch.tensor([used.tokenizer(text)["input_ids"]]))
    handle.remove()
    return torch.stack(kept).numpy()


def test_features_are_read_before_the_final_norm(used):
    from safetensors.numpy import load

    units = np.flatnonzero(used.networks.members.any(0))
    for label, chosen in (("intact", ()), (f"sea all, multiply {FACTOR}", units)):
        for task in (DUAL, SINGLE):
            record = used.records.get(f"features of {task}: {label}", "features")
            with Tripled(used.model, chosen):
                expected = plain_features(used, task)
            found = load(record)["features"]
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_probes_tell_answers_and_domains_apart(used):
    found = table(used, "probing")
    # Sets are read, single networks are not; each of two tasks, and domains over both.
    counts = found.groupby(["condition", "control_of"]).size().to_dict()
    read = ("all", "top", "localizer:language")
    named = [("intact", ""), *((own, "") for own in read), *(("random", own) for own in read)]
    assert counts == dict.fromkeys(named, 3)
    assert set(found[found.label == "domain"].task) == {""}
    assert set(found[found.label == "answer"].task) == {DUAL, SINGLE}
    intact = found[found.condition == "intact"].set_index(["label", "task"]).accuracy
    for row in found.itertuples():
        assert row.intact == intact[row.label, row.task]
    features = np.concatenate([plain_features(used, task) for task in (DUAL, SINGLE)])
    domains = np.repeat(["language", "formal"], 10)
    groups = np.repeat(np.arange(10), 2)
    told = probe(features, domains, groups, folds=2, seed=0)
    assert told.n == 20 and set(found[found.label == "domain"].n) == {20}
    assert intact["domain", ""] > 0.5 and told.accuracy > 0.5
    assert set(found.chance.astype(float)) == {0.5} and set(found.folds) == {2}


def items_of(answers, groups=None):
    """A target with these right and wrong answers."""
    pairs = [SimpleNamespace(correct=right, incorrect=wrong) for right, wrong in answers]
    items = SimpleNamespace(wordings={"completion": pairs}, groups=groups, task="language/t")
    used = tuple(range(len(pairs)))
    return SimpleNamespace(items=items, plan=SimpleNamespace(wording="completion"), used=used)


def test_labels_of_answers_go_by_the_alphabet():
    """1 where the later of both answers is right; a text's label says whether it is the clean one."""
    target = items_of([(" are", " is"), (" is", " are"), (" so", None)])
    assert answer_labels(target).tolist() == [0, 1, 1, 0, 0, 1]


def test_prompts_of_one_group_are_kept_together():
    answers = [(" a", " b")] * 3
    assert groups_of(items_of(answers)) == [f"language/t {n}" for n in (0, 0, 1, 1, 2, 2)]
    shared = groups_of(items_of(answers, ["dogs", "cats", "dogs"]))
    assert shared == [
        f"language/t {name}" for name in ("dogs",) * 2 + ("cats",) * 2 + ("dogs",) * 2
    ]


def test_one_fold_alone_has_no_spread(monkeypatch):
    from brodmann.networks.probing import Probe

    one = SimpleNamespace(settings=SimpleNamespace(folds=2, seed=0))
    monkeypatch.setattr("brodmann.networks.probing.probe", lambda *_, **__: Probe((0.75,), 0.5, 8))
    row = probing_stage._read(one, np.zeros((8, 2)), np.zeros(8), list("aabbccdd"), label="answer")
    assert (row["accuracy"], row["folds"], row["n"]) == (0.75, 1, 8) and np.isnan(row["sd"])


def test_networks_are_drawn_over_the_example(used):
    [(pieces, courses, title, stem)] = used.drawn
    assert title == "tiny: networks of sea over a text" and stem.endswith("course.sea")
    text = (used.folder.parent / "texts/held.txt").read_text().strip()
    assert "".join(piece.text for piece in pieces) == text[: len(pieces)]
    sizes = used.networks.n_units.tolist()
    assert [course.note.split(" units")[0] for course in courses] == [str(n) for n in sizes]
    found = table(used, "interpretation/course.sea")
    assert len(found) == len(pieces) * len(courses)
    one = found[found.network == "network-1"].course
    assert one.to_numpy() == pytest.approx(courses[1].values, rel=1e-6)


def test_networks_are_as_connected_as_their_stored_courses(used):
    from safetensors.numpy import load_file

    courses = load_file(used.folder / "sea/courses.safetensors")["standard"]
    found = table(used, "connectivity")
    assert found.n_tokens.unique().tolist() == [len(courses)]
    r = found.set_index(["network", "other"]).r
    expected = np.corrcoef(courses.T)
    for one in range(2):
        for other in range(2):
            assert r[f"network-{one}", f"network-{other}"] == pytest.approx(expected[one, other])


# The study as it is kept, in which no network is amplified by itself


@pytest.fixture
def kept(tmp_path, monkeypatch, root):
    """What is written of the stored records, without the model, of a study with such ``networks``."""
    monkeypatch.chdir(tmp_path)

    def write(**networks):
        study, files = opened(tmp_path, root, networks=networks)
        copy_kept(tmp_path / "results", records())
        common = arguments(study, files, files.manifest)
        run_pass(study, record_file=files.record, threads=1, **common)
        assert ledger.read(files.store)[-1]["model_loads"] == 0
        write_all(study, folder="out", draw=lambda *_: None, **common)
        return (tmp_path / "out/interpretation/corrected.html").read_text(encoding="utf-8")

    return write


def lines(name):
    return Path(f"out/{name}.csv").read_text().splitlines()


def test_a_study_that_amplifies_no_network_by_itself_says_why_nothing_is_corrected(kept):
    # Sets of networks are no single network, whatever they correct.
    assert "networks.editing.networks is false" in kept()
    assert len(lines("interpretation/corrected")) == 1
    # Tasks of one domain: there is no domain to tell.
    assert set(pd.read_csv("out/probing.csv").label) == {"answer"}


def test_without_tasks_there_is_nothing_to_probe_or_to_correct(kept):
    page = kept(editing={"tasks": []}, probing={"tasks": []})
    assert "networks.editing.tasks names no task" in page
    assert len(lines("probing")) == len(lines("interpretation/corrected")) == 1
    assert set(pd.read_csv("out/editing.csv").metric) == {"perplexity", "word_perplexity"}


def test_without_a_localizer_networks_are_compared_with_their_own_best_units(kept):
    kept(editing={"localizer": None})
    sets_of = pd.read_csv("out/editing_sets.csv")
    named = {*sets_of.condition, *sets_of.other}
    assert not [name for name in named if "localizer" in name]
    assert {"all", "top"} <= set(sets_of.condition)
    assert "localizer:language" not in set(pd.read_csv("out/editing.csv").condition)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00\xd8", "example.txt: not a UTF-8 text file (save it as UTF-8)"),
        (b" \n\t", "example.txt: is empty (give a text of a few sentences)"),
    ],
)
def test_an_example_that_cannot_be_shown_is_refused(tmp_path, content, message):
    from brodmann.networks.stages.following import Following

    path = tmp_path / "example.txt"
    path.write_bytes(content)
    use = SimpleNamespace(following=SimpleNamespace(example=str(path), texts=2))
    following = Following(SimpleNamespace(use=use, settings=None), lambda _: ["unused"])
    with pytest.raises(UserError) as refused:
        _ = following.example
    assert str(refused.value) == f"{tmp_path}/{message}"


# Where networks are driven


def course(values, ends, numbers=None):
    values = np.array(values, dtype=float)[:, None]
    return {
        "standard": values,
        "text": np.array(numbers if numbers is not None else [0] * len(values)),
        "end": np.array(ends),
    }


def test_the_strongest_tokens_of_each_text_are_listed_with_their_surroundings():
    texts = ["one two three", "four five"]
    found = course([0.5, 2.0, -1.0, np.nan, 3.0], [3, 7, 13, 4, 9], [0, 0, 0, 1, 1])
    rows = list(driving(found, 0, texts))
    assert [row["token"] for row in rows] == [" five", " two", "one", " three"]
    assert rows[0]["before"] == "four" and rows[0]["after"] == ""
    assert rows[1]["before"] == "one" and rows[1]["after"] == " three"
    assert [row["text"] for row in rows] == [1, 0, 0, 0]


def test_a_network_that_falls_twice_as_far_is_known_by_where_it_falls():
    texts = ["abcd"]
    falls = list(driving(course([1.0, -2.0, 0.5, -0.1], [1, 2, 3, 4]), 0, texts))
    assert [row["token"] for row in falls] == ["b", "d", "c", "a"]
    rises = list(driving(course([1.0, -1.9, 0.5, -0.1], [1, 2, 3, 4]), 0, texts))
    assert [row["token"] for row in rises] == ["a", "c", "d", "b"]


def test_a_token_without_text_of_its_own_and_a_stretch_shown_before_are_passed_over():
    """A special token ends where it began; pieces of one character end at one place."""
    found = course([5.0, 4.0, 3.0, 1.0], [0, 2, 2, 3])
    assert [row["token"] for row in driving(found, 0, ["abc"])] == ["ab", "c"]
    many = course(np.arange(20.0, 0, -1), range(1, 21))
    assert len(list(driving(many, 0, ["x" * 20]))) == 12
