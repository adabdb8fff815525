"""Circuits among experts: closed forms, circuits that are whole experts, and the files."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from cards import card

from brodmann.circuits.masks import Mask, Selection, write_mask
from brodmann.config.statistics import StatisticsSettings
from brodmann.report.experts import experts_part
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.statistics.experts import (
    CONCENTRATION,
    SIMILARITY,
    Mixture,
    Profiles,
    concentration,
)
from brodmann.statistics.stages.experts import COLUMNS, SHARES, write_experts, write_profiles
from brodmann.store.tables import read_table

# Layer 0 has no experts.
MIXTURE = Mixture(4, 8, (1, 2, 3))
SAID = {"count": 4, "neurons": 8, "chosen": 1, "layers": [1, 2, 3], "widths": [20, 32, 32, 32]}
DOMAINS = ["a", "a", "a", "b", "b", "b"]


def neurons(layer, expert, *numbers):
    return [(layer, expert * 8 + number) for number in numbers]


def by_hand(circuits):
    """[tasks, (layer, expert)] by counting one by one."""
    found = np.zeros((len(circuits), 4, 4))
    for task, circuit in enumerate(circuits):
        for layer, unit in circuit:
            if layer and unit < 32:
                found[task, layer, unit // 8] += 1
    return found[:, 1:]


def planted(seed, own):
    """Circuits of six neurons a layer, of the domain's expert (``own``) or of any; tasks share none."""
    dice, circuits = np.random.default_rng(seed), []
    left = {layer: dice.permutation(32).tolist() for layer in MIXTURE.layers}
    for task, domain in enumerate(DOMAINS):
        units = []
        for layer, free in left.items():
            expert = {"a": 1, "b": 2}[domain]
            fit = [unit for unit in free if not own or unit // 8 == expert][:2]
            left[layer] = [unit for unit in free if unit not in fit]
            units += [(layer, unit) for unit in fit]
        circuits.append(np.array([*units, (0, task)]))
    return circuits


def test_profiles_and_statistics_by_hand():
    circuits = [
        np.array([*neurons(1, 0, 1, 2, 3), *neurons(2, 3, 0), (0, 4)]),
        np.array([*neurons(1, 0, 1, 5), *neurons(1, 2, 7)]),
        np.array([*neurons(3, 1, 0, 1)]),
        np.array([(0, 3), (0, 9)]),  # none of experts
    ]
    found = Profiles.of(MIXTURE, circuits, ["a", "a", "b", "b"])
    assert len(found.units) == 8, "once, though two circuits have one of them"
    counts = found.counts(found.own)
    np.testing.assert_array_equal(counts, by_hand(circuits))
    # Of the pairs (0, 1), (0, 2), (1, 2), the first within a domain.
    cosine = (3 * 2) / (np.sqrt(9 + 1) * np.sqrt(4 + 1))
    assert found.within_and_across(counts) == pytest.approx((cosine, 0))
    # Of 3 pairs in one layer all; of 3, the one in expert 0; of 1, it.
    assert concentration(counts) == pytest.approx((1 + 1 / 3 + 1) / 3)
    # Two and two of four in a layer: of six pairs, two.
    assert concentration(np.array([[[2.0, 2.0], [0.0, 0.0]]])) == pytest.approx(1 / 3)
    assert np.isnan(concentration(counts * 0))
    for none in ([circuits[3]] * 2, []):
        nothing = Profiles.of(MIXTURE, none, ["a", "b"][: len(none)]).tested(5, 0)
        assert all(np.isnan([one.observed, one.p]).all() for one in nothing.values())


def test_neurons_are_dealt_within_their_layer_and_alike_for_all_tasks():
    circuits = planted(0, own=True)
    profiles = Profiles.of(MIXTURE, circuits, DOMAINS)
    dice = np.random.default_rng(0)
    own = profiles.counts(profiles.own)
    drawn = [profiles.counts(profiles.dealt(dice)) for _ in range(2000)]
    for one in drawn[:50]:
        np.testing.assert_array_equal(one.sum(2), own.sum(2))
        assert one.sum((0,)).max() <= 8, "no expert gets more neurons than it has"
    # The chance of one expert for two of a layer's 32 neurons: 7 of the 31 others.
    mean = np.mean([concentration(one) for one in drawn])
    assert mean == pytest.approx(7 / 31, abs=0.02)
    # What two circuits share they share wherever it is dealt to.
    twice = Profiles.of(MIXTURE, [circuits[0], circuits[0]], ["a", "a"])
    assert twice.within_and_across(twice.counts(twice.dealt(dice)))[0] == pytest.approx(1)


def test_circuits_that_are_whole_experts_are_told_from_those_that_are_not():
    found = Profiles.of(MIXTURE, planted(0, own=True), DOMAINS).tested(400, 0)
    assert found[SIMILARITY].observed == pytest.approx(1)
    assert found[CONCENTRATION].observed == 1
    assert max(one.p for one in found.values()) == pytest.approx(1 / 401)
    # Expected of a deal: two of a layer's 32 neurons lie in one expert by 7 / 31, whosever they are.
    assert found[CONCENTRATION].null == pytest.approx(7 / 31, abs=0.02)
    assert abs(found[SIMILARITY].null) < 0.03
    p = []
    for seed in range(40):
        drawn = Profiles.of(MIXTURE, planted(seed, own=False), DOMAINS).tested(99, seed)
        p += [[drawn[name].p for name in (SIMILARITY, CONCENTRATION)]]
    low = (np.array(p) <= 0.1).mean(0)
    assert (low < 0.25).all() and 0.3 < np.mean(p) < 0.7, "p of nothing is uniform"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two models of six tasks in two sizes; one has no experts."""
    results = tmp_path_factory.mktemp("experts") / "results"
    sizes = [Selection("positive", 1.0), Selection("positive", 5.0)]
    tasks = [f"{domain}/{number}" for number, domain in enumerate(DOMAINS)]
    for name, said in (("mixed", SAID), ("dense", None)):
        own = card(name, experts=said, n_layers=4, neurons_per_layer=32)
        own.write(results / name / "model.json", {})
        for selection in sizes:
            for task, pairs in zip(tasks, planted(1, own=True), strict=True):
                units = pairs @ [32, 1]
                mask = Mask(units, np.linspace(1, 0.5, len(units), dtype=np.float32), 32)
                place = results / name / "masks/neurons" / selection.name / f"{task}.csv"
                of = own.experts_at("mlp_hidden")
                write_mask(place, mask, own.origin("mlp_hidden"), selection, of)
    return SimpleNamespace(
        results=results,
        tasks=SimpleNamespace(selected=tasks),
        selection=SimpleNamespace(names=[one.name for one in sizes], main_name=sizes[0].name),
        statistics=StatisticsSettings(permutations=99, exclude=()),
        controls=(),
        profiled_models=("mixed", "dense"),
    )


def test_the_files_and_the_report(study, root):
    results = study.results
    for name in study.profiled_models:
        write_profiles(
            study,
            model_json=str(results / name / "model.json"),
            mask_folder=str(results / name / "masks/neurons"),
            outputs=[
                str(results / name / "experts" / f"{sel}.csv") for sel in study.selection.names
            ],
        )
    sel = study.selection.main_name
    assert read_table(results / f"dense/experts/{sel}.csv", SHARES).empty
    table = pd.read_csv(results / f"mixed/experts/{sel}.csv")
    assert list(table.columns) == list(SHARES)
    first = table[table["task"] == "a/0"]
    assert first["layer"].tolist() == [0, 1, 2, 3] and first["n"].tolist() == [1, 2, 2, 2]
    assert first["expert"].isna().tolist() == [True, False, False, False]
    assert set(first["expert"].dropna()) == {1}
    assert first["share"].sum() == pytest.approx(1) and first["share"].iloc[1] == pytest.approx(
        2 / 7
    )
    mask = pd.read_csv(results / f"mixed/masks/neurons/{sel}/a/0.csv")
    for layer, score in zip(first["layer"], first["score"], strict=True):
        assert score == pytest.approx(mask[mask["layer"] == layer]["score"].sum())
    output = results / "statistics" / "experts.csv"
    write_experts(
        study,
        files={name: str(results / name / "model.json") for name in study.profiled_models},
        output=str(output),
    )
    found = read_table(output, COLUMNS)
    assert set(found["model"]) == {"mixed"} and len(found) == 4
    assert (found["p"] == 1 / 100).all() and (found["q"] == 1 / 100).all()
    assert found["value"].tolist() == pytest.approx([1] * 4)
    part = experts_part(Sources(study, None, results, frozenset(), Prose(root / "workflow/report")))
    text = " ".join(part.lead)
    assert "mixed, 6 tasks" in text and "a similarity of 1.00" in text and "0.00" in text
    [printed] = part.tables
    assert len(printed.rows) == 4 and printed.source == "statistics/experts.csv"
    study.profiled_models = ()
    assert experts_part(Sources(study, None, results, frozenset(), None)) is None
