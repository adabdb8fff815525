"""Baseline and attribution in one reading: the records of both passes run one after the other, whoever made
them, and nothing more than is asked for."""

import json
import shutil
from copy import copy as copy_of
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from golden.passes import Files, Store, ledger, load_config, read_items, the_passes
from golden.study import MODEL, READ, STUDY, copy, copy_kept
from rounding import assert_same
from safetensors.numpy import load as unpack

from brodmann.circuits.attribution import Attributor
from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.stages.baseline import write_baseline
from brodmann.circuits.stages.survey import Survey
from brodmann.errors import UserError
from brodmann.pipeline.models import fetch_weights
from brodmann.runner import asked, bench
from brodmann.store.store import _records
from brodmann.tasks.items import Item, write_items

# What only the attribution pass can make needs the model there.
ALONE = {"second_seed": False, "agreement": {"tasks": []}}
TASKS = ("formal/sums", "language/agreement")


class Study:
    """The kept study of the golden tests, before its first pass; its folder is the working directory."""

    def __init__(self, folder, root, **changes):
        self.folder = folder
        copy(STUDY, folder)
        for name in ("workflow", "stimuli"):
            (folder / name).symlink_to(root / name)
        copy_kept(folder / "results", READ)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        for key, change in changes.items():
            config[key] = {**config.get(key, {}), **change}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        self.study = load_config([folder / "config.yaml"], root=folder).study
        self._at(MODEL)
        shutil.rmtree(f"{self.own}/baseline", ignore_errors=True)

    def twin(self):
        """The same study, at its model of this name: fetched and checked."""
        made = copy_of(self)
        made._at("twin")
        Path(made.own).mkdir()
        fetch_weights(made.study, "twin", made.files.record)
        the_passes(made.study, made.files)["check"]()
        shutil.copyfile(f"{made.store}/checked.json", made.files.card)
        made.files = replace(made.files, lenders=tuple(self.files.baselines))
        return made

    def _at(self, model):
        self.own, self.store = f"results/{model}", f"results/{model}/.store"
        second = [f"results/items/.second/{task}.json" for task in self.study.second_tasks]
        self.files = replace(Files.of(model, TASKS), second=second, masks="", templates={})

    def baseline(self, *, attributions):
        """The baseline pass and the light jobs of a run that asks for attributions, or not."""
        asked.tell(attributions)
        the_passes(self.study, self.files)["baseline"]()
        lenders = self.files.lenders or [None] * len(TASKS)
        for items, output, lender in zip(
            self.files.items, self.files.baselines, lenders, strict=True
        ):
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            write_baseline(
                self.study,
                model_json=self.files.card,
                items_file=items,
                manifest=self.files.manifest,
                output=output,
                lender=lender,
            )
        return self

    def attribution(self):
        the_passes(self.study, self.files)["attribution"]()
        return self

    def ledger(self):
        return ledger.read(self.folder / self.store)

    def records(self, stage):
        """Key -> payload."""
        return records_in(self.folder / self.store / stage)


def records_in(folder):
    """Key -> payload of a folder of the store."""
    if not folder.exists():
        return {}
    store = Store(folder)
    keys = [key for shard in sorted(folder.glob("*.shard")) for key, _ in _records(shard)]
    return {key: store.get(key) for key in keys}


# Not ``study``, the finished one of other workflow tests.
@pytest.fixture(name="kept")
def make_study(tmp_path, root, monkeypatch):
    """Makes a study in a folder of its own, and goes there."""
    monkeypatch.setenv(asked._ATTRIBUTIONS, "0")  # put back afterwards
    made = []

    def make(**changes):
        folder = tmp_path / f"study{len(made)}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        made.append(Study(folder, root, **changes))
        return made[-1]

    return make


def assert_same_records(one, other, stage):
    """The same keys, and the same numbers within the noise of float32."""
    one, other = one[stage], other[stage]
    assert one.keys() == other.keys() and one
    for key in one:
        if stage == "baseline":
            found, expected = (json.loads(record[key]) for record in (one, other))
            assert found.keys() == expected.keys()
            for name in expected["log_probs"]:
                pair = [record["log_probs"][name] for record in (found, expected)]
                # None stands for an item whose prompts are not equally long.
                assert [x is None for x in pair[0]] == [x is None for x in pair[1]]
                assert_same(*([x for x in own if x is not None] for own in pair))
            rest = [{k: v for k, v in x.items() if k not in VARY} for x in (found, expected)]
            assert rest[0] == rest[1]
            continue
        found, expected = (unpack(record[key]) for record in (one, other))
        assert found.keys() == expected.keys()
        for name in expected:
            if expected[name].dtype.kind == "f":
                assert_same(found[name], expected[name])


VARY = ("log_probs", "forward_passes")


def both(study):
    return {stage: study.records(stage) for stage in ("baseline", "attribution")}


def write_many(made):
    """Items of letters: of so many, random weights have some right, and some prompts differ in length."""
    path = made.files.items[1]
    items, dice = read_items(path), np.random.default_rng(0)

    def word(length):
        return " " + "".join(dice.choice(list("abcdefgh"), length))

    many = []
    for n in range(40):
        start, right, wrong = word(9), word(1), word(1 + n % 2)
        lengths = (3, 4) if n % 10 == 3 else (3, 3)
        clean, corrupted = (start + word(length) for length in lengths)
        many.append(Item(clean, corrupted, right, wrong))
    wordings = dict.fromkeys(items.wordings, many)
    groups = [f"group {n % 7}" for n in range(len(many))]
    write_items(path, replace(items, wordings=wordings, groups=groups))


@pytest.mark.parametrize("filter", ["aligned", "both_correct"])
def test_one_reading_makes_the_records_of_two_passes(kept, filter):
    tasks = {"min_both_correct": 0.01}
    models = {MODEL: {"source": "path:weights", "filter": filter}}
    # An item a time: many runs are of none that is used.
    small = {"batch_tokens": 1} if filter == "both_correct" else {}
    # Of one of the two, circuits of fewer items are asked for, too.
    more = {"stability": {"items": [2, 3], "draws": 3}} if filter == "aligned" else {}
    at_once = kept(attribution=ALONE | more, tasks=tasks, models=models, execution=small)
    write_many(at_once)
    at_once.baseline(attributions=True).attribution()
    made = both(at_once)
    kinds = ["attribution" in unpack(one) for one in made["attribution"].values()]
    assert kinds.count(False) == (kinds.count(True) if more else 0)
    [first, second] = at_once.ledger()
    assert (first["stage"], first["model_loads"]) == ("baseline", 1)
    assert (second["stage"], second["model_loads"], second["forward_passes"]) == (
        "attribution",
        0,
        0,
    )
    steps = kept(attribution=ALONE | more, tasks=tasks, models=models)
    write_many(steps)
    steps.baseline(attributions=False)
    assert steps.records("attribution") == {}, "baselines alone are to stay cheap"
    steps.attribution()
    assert steps.ledger()[1]["model_loads"] == 1
    for stage in ("baseline", "attribution"):
        assert_same_records(made, both(steps), stage)
    sums, letters = (Baseline.read(steps.folder / path) for path in steps.files.baselines)
    assert letters.n_aligned < letters.n_items
    if filter == "both_correct":
        assert letters.included and 0 < len(letters.used_ids) < letters.n_aligned
    else:
        assert sums.included and len(sums.used_ids) == sums.n_aligned


def test_second_items_and_comparisons_are_left_to_the_attribution_pass(kept):
    at_once = kept().baseline(attributions=True)
    own = at_once.records("attribution")
    assert len(own) == len(TASKS) * 2  # both components, of the task's own items alone
    at_once.attribution()
    # Made by this very pass, on the way of the second items' baselines: the ledger says so.
    seconds = {f"{task} (second seed)" for task in TASKS}
    assert seconds <= set(at_once.ledger()[1]["computed"])
    at_once.attribution()
    assert seconds <= set(at_once.ledger()[2]["reused"])
    steps = kept().baseline(attributions=False).attribution()
    for stage in ("baseline", "attribution"):
        assert_same_records(both(at_once), both(steps), stage)
    assert len(at_once.records("attribution")) > len(own)
    assert len(at_once.records("baseline")) == 2 * len(TASKS)
    assert at_once.ledger()[1]["forward_passes"] < steps.ledger()[1]["forward_passes"]


def test_an_excluded_task_has_no_attribution(kept):
    # Random weights are right by chance, not always.
    models = {MODEL: {"source": "path:weights", "filter": "both_correct"}}
    out = {"tasks": {"min_both_correct": 1.0}, "models": models, "attribution": ALONE}
    at_once = kept(**out).baseline(attributions=True)
    assert at_once.records("attribution") == {}
    at_once.attribution()
    assert [entry["model_loads"] for entry in at_once.ledger()] == [1, 0]
    steps = kept(**out).baseline(attributions=False)
    assert_same_records(both(at_once), both(steps), "baseline")


def test_an_untrained_twin_has_the_items_of_its_trained_one(kept):
    """They are known before it is scored, with the tasks that are left out."""
    models = {
        MODEL: {"source": "path:weights", "filter": "both_correct"},
        "twin": {"source": "path:weights", "untrained": True, "control": True, "filter": "aligned"},
    }
    study = {"models": models, "attribution": ALONE, "tasks": {"min_both_correct": 0.01}}
    made = []
    for attributions in (True, False):
        trained = kept(**study)
        write_many(trained)
        trained.baseline(attributions=attributions)
        twin = trained.twin().baseline(attributions=attributions)
        assert bool(twin.records("attribution")) == attributions
        made.append(twin.attribution())
    at_once, steps = made
    for stage in ("baseline", "attribution"):
        assert_same_records(both(at_once), both(steps), stage)
    loads = [[entry["model_loads"] for entry in twin.ledger()[1:]] for twin in made]
    assert loads == [[1, 0], [1, 1]], "after the check"
    files = (steps.files.lenders, steps.files.baselines)
    (out, letters), own = ([Baseline.read(path) for path in some] for some in files)
    assert not out.included and 0 < len(letters.used_ids) < letters.n_aligned
    assert own[0].used_ids == [] and own[1].used_ids == letters.used_ids and own[1].included


def test_values_that_are_not_finite_are_the_same_error(kept, monkeypatch):
    load = bench.load

    def broken(*args, **options):
        model = load(*args, **options)
        with torch.no_grad():
            model.hf.lm_head.weight[:] = float("nan")
        return model

    monkeypatch.setattr(bench, "load", broken)
    said = []
    for attributions in (False, True):
        made = kept(attribution=ALONE)
        with pytest.raises(UserError) as caught:
            made.baseline(attributions=attributions)
        said.append(str(caught.value))
        assert made.records("baseline") == made.records("attribution") == {}
    assert said[0] == said[1] and "item 0: the model gives a log-probability" in said[0]


def test_contributions_that_are_not_finite_are_left_to_the_attribution_pass(kept, monkeypatch):
    made, with_scores = kept(attribution=ALONE), Attributor.with_scores

    def broken(self, *args, **options):
        for part in with_scores(self, *args, **options):
            for values in part.values.values():
                values[:, 0] = float("nan")
            yield part

    with monkeypatch.context() as patched:
        patched.setattr(Attributor, "with_scores", broken)
        made.baseline(attributions=True)
    assert len(made.records("baseline")) == len(TASKS) and made.records("attribution") == {}
    made.attribution()
    assert_same_records(
        both(made), both(kept(attribution=ALONE).baseline(attributions=True)), "attribution"
    )


@pytest.mark.parametrize("why", ["estimator", "memory"])
def test_where_a_survey_does_not_serve_baselines_are_made_alone(kept, monkeypatch, why):
    other = {"estimator": "ig", "ig_steps": 2} if why == "estimator" else {}
    if why == "memory":
        monkeypatch.setattr("brodmann.circuits.stages.survey.MOST_HELD", 100)
    made = kept(attribution=ALONE | other).baseline(attributions=True)
    assert made.records("attribution") == {}
    steps = kept(attribution=ALONE).baseline(attributions=False)
    assert_same_records(both(made), both(steps), "baseline")


class Killed(BaseException):
    """As if by a signal: nothing catches it."""


def test_a_killed_pass_goes_on_where_it_was(kept, monkeypatch):
    whole = kept(attribution=ALONE).baseline(attributions=True)
    # Killed in the second task, after its attribution was put and before its baseline was.
    made, keep, calls = kept(attribution=ALONE), Survey._keep, []

    def kill(self, *args):
        keep(self, *args)
        calls.append(args)
        if len(calls) == 2:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Survey, "_keep", kill)
        with pytest.raises(Killed):
            made.baseline(attributions=True)
    assert len(made.records("baseline")) == 1
    before = made.records("attribution")
    made.baseline(attributions=True).attribution()
    first, second = made.ledger()
    assert len(first["computed"]) == len(first["reused"]) == 1
    assert (second["model_loads"], second["computed"]) == (0, [])
    for stage in ("baseline", "attribution"):
        assert_same_records(both(made), both(whole), stage)
    assert made.records("attribution").items() >= before.items()


# Through Snakemake, whose jobs are processes of their own


@pytest.mark.slow
def test_step_by_step_is_the_same_as_everything_at_once(finished, fresh):
    loads = {entry["stage"]: entry["model_loads"] for entry in finished.ledger()}
    assert (loads["baseline"], loads["attribution"]) == (1, 0)
    store = Path("results", "tiny", ".store")
    fresh.snakemake("baselines")
    assert "attribution" not in [entry["stage"] for entry in fresh.ledger()]
    assert records_in(fresh.path / store / "attribution") == {}
    fresh.snakemake("attributions")
    assert [e["model_loads"] for e in fresh.ledger() if e["stage"] == "attribution"] == [1]
    found, expected = (
        {stage: records_in(at.path / store / stage) for stage in ("baseline", "attribution")}
        for at in (fresh, finished)
    )
    for stage in ("baseline", "attribution"):
        assert_same_records(found, expected, stage)
