"""What is done with networks, part by part, against definitions written out and other libraries."""

import html.parser
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef

from brodmann.comparison.map_agreement import layer_agreement, layer_shares, unit_agreement
from brodmann.config.network_use import EditingSettings
from brodmann.errors import UserError
from brodmann.models.population import Population
from brodmann.networks import conditions as sets
from brodmann.networks import courses as tracks
from brodmann.networks.maps import Networks
from brodmann.networks.metrics import choices, scores, single_choices
from brodmann.networks.page import Course, document, highlighted, page, visible
from brodmann.networks.pieces import Piece, ends, pieces, segments
from brodmann.networks.probing import probe
from brodmann.networks.stages.corrected import not_run
from brodmann.networks.stages.editing import Editing, label_of
from brodmann.networks.stages.following import write_fingerprint
from brodmann.store.tensors import write_tensors

DICE = np.random.default_rng(0)


def networks(maps, **more):
    maps = np.asarray(maps, dtype=float)
    nothing = np.full(len(maps), np.nan)
    return Networks(maps, nothing, nothing, **more)


# Conditions


def two_datasets():
    one, other = np.zeros((2, 2, 10)), np.zeros((2, 2, 10))
    one[0, 0, [1, 2]], one[0, 1, 3], one[1, 1, [3, 4]] = 5, -5, 9
    other[0, 0, 2], other[1, 1, [4, 9]] = 4, -7
    return {"a": networks(one), "b": networks(other)}


def test_conditions_are_sets_of_networks():
    found = {(c.dataset, c.name): c.units.tolist() for c in sets.network_conditions(two_datasets())}
    assert found == {
        ("a", "network-0"): [1, 2, 13],
        ("a", "network-1"): [13, 14],
        ("a", "all"): [1, 2, 13, 14],
        ("b", "network-0"): [2],
        ("b", "network-1"): [14, 19],
        ("b", "all"): [2, 14, 19],
        ("a+b", "union"): [1, 2, 13, 14, 19],
        ("a+b", "intersection"): [2, 14],
        ("a+b", "difference"): [1, 13, 19],
    }
    lone = sets.network_conditions({"a": two_datasets()["a"]}, single=False)
    assert [c.name for c in lone] == ["all"]


def test_the_best_units_have_the_highest_z_over_all_networks():
    maps = DICE.normal(size=(4, 3, 50))
    height = np.abs(maps).max(0).ravel()
    found = sets.top_condition("a", networks(maps), 10.0).units
    assert set(found) == set(np.argsort(height)[-15:])
    # A share of the units that exist: of 150 places here 50 have none.
    assert len(sets.top_condition("a", networks(maps), 10.0, 50).units) == 10
    # What was not decomposed is never among them.
    maps[:, 1:] = 0
    assert sets.top_condition("a", networks(maps), 50.0).units.max() < 50


def test_random_units_are_as_many_of_all_others():
    one = sets.Condition("a", "network-0", np.arange(0, 40, 2))
    there = Population(1, 100)
    drawn = list(sets.random_like(one, there, (0, 1)))
    assert [len(d) for d in drawn] == [20, 20]
    assert not set(drawn[0].units) & set(one.units)
    assert set(drawn[0].units) != set(drawn[1].units)
    assert np.array_equal(next(sets.random_like(one, there, (0,))).units, drawn[0].units)
    assert not list(sets.random_like(sets.Condition("a", "x", np.array([], int)), there, (0,)))
    assert [len(d) for d in sets.random_share(15.0, Population(2, 100), (0,))] == [30]


def test_units_that_are_left_out_are_never_drawn():
    one, left_out = sets.Condition("a", "network-0", np.arange(0, 40, 2)), list(range(1, 60, 2))
    there = Population(1, 100)
    drawn = [*sets.random_like(one, there, range(5), left_out)]
    drawn += sets.random_share(15.0, there, range(5), left_out)
    assert [len(own) for own in drawn] == [20] * 5 + [15] * 5
    assert not {unit for own in drawn for unit in own.units} & set(left_out)
    # As many as there are.
    assert [len(own) for own in sets.random_share(90.0, there, (0,), left_out)] == [70]


def test_massive_activations_are_a_set_of_their_own_where_they_are_set_apart():
    editing = object.__new__(Editing)
    editing.settings = EditingSettings(localizer=None, seeds=(0, 1), random_percent=50.0)

    def conditions(massive, units):
        settings = SimpleNamespace(massive=massive)
        editing.stage = SimpleNamespace(
            networks=two_datasets(), there=Population(2, 10), massive=units, settings=settings
        )
        return editing.conditions(None)

    apart = conditions("separate", [8, 0])
    own = [one for one in apart if "massive" in (one.name, one.control_of)]
    assert [one.units.tolist() for one in own[:1]] == [[0, 8]] and [len(one) for one in own] == [
        2
    ] * 3
    drawn = [one for one in apart if one.seed is not None]
    assert len(drawn) > 4 and not {unit for one in drawn for unit in one.units} & {0, 8}
    out = conditions("exclude", [8, 0])
    alone = {label_of(one) for one in own}
    every = [label_of(one) for one in apart]
    assert [label_of(one) for one in out] == [name for name in every if name not in alone]
    # Without such units, or where they are kept, sets and draws are as ever.
    plain, none = conditions("keep", []), conditions("separate", [])
    assert [one.units.tolist() for one in plain] == [one.units.tolist() for one in none]


def test_iou_and_its_chance():
    one, other = np.arange(10), np.arange(5, 20)
    assert sets.iou(one, other) == 5 / 20
    assert sets.iou(one[:0], other[:0]) == 0.0
    share = 0.05
    assert sets.chance_iou(500, 500, 10000) == pytest.approx(share / (2 - share))
    drawn = [
        sets.iou(DICE.choice(10000, 500, False), DICE.choice(10000, 500, False)) for _ in range(200)
    ]
    assert np.mean(drawn) == pytest.approx(share / (2 - share), rel=0.05)


# Metrics


def test_metrics_equal_scikit_learns():
    values = DICE.normal(size=(60, 4))
    values[:, [0, 3]] += 0.8
    first = DICE.random(60) < 0.3
    found = scores(choices(values, first), list(map(str, range(60))), seed=0)
    # By hand: class 0 is the answer that comes first by the alphabet.
    gold, said = [], []
    for (cc, ci, xc, xi), clean_first in zip(values, first, strict=True):
        clean, corrupted = (0, 1) if clean_first else (1, 0)
        gold += [clean, corrupted]
        said += [clean if cc > ci else corrupted, clean if xc > xi else corrupted]
    assert found["accuracy"].value == np.mean(np.array(gold) == np.array(said))
    assert found["f1"].value == pytest.approx(f1_score(gold, said, average="macro"))
    assert found["mcc"].value == pytest.approx(matthews_corrcoef(gold, said))
    assert all(own.n == 120 and own.low < own.value < own.high for own in found.values())


def test_an_answer_preferred_whatever_the_prompt_has_no_mcc():
    always = [[0.0, -1.0, 0.0, -1.0]] * 10
    found = scores(choices(always, [True] * 10), list("abcdefghij"), seed=0)
    assert (found["accuracy"].value, found["mcc"].value) == (0.5, 0.0)


def test_single_answers_have_accuracy_only():
    found = scores(single_choices([[0.0, -1.0], [-2.0, -1.0], [0.0, 0.0]]), ["a", "b", "c"], seed=0)
    assert list(found) == ["accuracy"] and found["accuracy"].value == pytest.approx(1 / 3)
    assert math.isnan(scores(choices([], []), [], seed=0)["accuracy"].value)


def test_intervals_of_metrics_draw_items_of_the_same_content_together():
    """Ten units of three items each, written out item by item in every list that is drawn."""
    values = DICE.normal(size=(30, 4)) + np.repeat(DICE.normal(size=(10, 4)), 3, axis=0)
    units = [f"unit {n % 10}" for n in range(30)]
    made = choices(values, [True] * 30)
    rows = np.random.default_rng(5).integers(0, 10, (1000, 10))
    means = [made.right[[n + 10 * k for n in own for k in range(3)]].mean() for own in rows]
    found = scores(made, units, seed=5)["accuracy"]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert (found.n, found.value) == (60, made.right.mean())
    alone = scores(made, ["the same"] * 30, seed=5)
    assert all(math.isnan(own.low) and not math.isnan(own.value) for own in alone.values())


# Probing


def test_a_probe_finds_what_is_there_and_nothing_else():
    labels = np.repeat([0, 1], 60)
    groups = np.array([f"g{n % 60}" for n in range(120)])
    noise = DICE.normal(size=(120, 8))
    told = noise.copy()
    told[:, 0] += 4 * labels
    assert probe(told, labels, groups, folds=5, seed=0).accuracy > 0.95
    blind = probe(noise, labels, groups, folds=5, seed=0)
    assert 0.3 < blind.accuracy < 0.7 and blind.chance == 0.5 and len(blind.accuracies) == 5


def test_a_probe_never_sees_a_group_of_its_test_fold():
    """Features that name the group would be enough if groups were split."""
    groups = np.repeat(np.arange(40), 2)
    labels = np.array([(n // 2 * 7) % 3 == 0 for n in range(80)]).astype(int)
    features = np.eye(40)[groups]
    assert (
        probe(features, labels, groups, folds=5, seed=0).accuracy
        <= max(labels.mean(), 1 - labels.mean()) + 0.1
    )


def test_too_few_prompts_for_a_probe():
    features, groups = DICE.normal(size=(6, 3)), np.repeat(["a", "b", "c"], 2)
    labels = np.tile([0, 1], 3)
    assert len(probe(features, labels, groups, folds=5, seed=0).accuracies) == 3
    for few in (
        probe(features, labels, np.repeat("a", 6), folds=5, seed=0),
        probe(features, np.zeros(6), groups, folds=5, seed=0),
        probe(features[:0], labels[:0], groups[:0], folds=5, seed=0),
    ):
        assert few.accuracies == () and math.isnan(few.accuracy)
    apart = probe(features, groups, groups, folds=5, seed=0)
    assert apart.accuracies == () or max(apart.accuracies) == 0


# Pieces


TEXTS = ["the cat sat", "a <b> & 'c'\n\tnew", "schön 你好 🙂 Каждое", "e\u0301 a\u200db", "� odd"]


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_make_up_the_text(text):
    from tiny_models import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    ids = tuple(tokenizer(text)["input_ids"])
    found = pieces(tokenizer, (1, *ids))
    assert found[0] == Piece("<s>", 1, True)
    assert "".join(piece.text for piece in found[1:]) == text
    assert sum(piece.tokens for piece in found) == len(ids) + 1
    # One byte per token: a piece's tokens are its bytes.
    assert [p.tokens for p in found[1:]] == [len(p.text.encode()) for p in found[1:]] or "�" in text


def test_pieces_of_byte_fallback():
    """A SentencePiece-like tokenizer that spells unknown characters as bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", "<s>", *[f"<0x{n:02X}>" for n in range(256)], "▁", "a", "b"]
    vocabulary = {name: number for number, name in enumerate(names)}
    core = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", unk_token="<unk>")
    ids = tuple(tokenizer("b 你b")["input_ids"])
    found = pieces(tokenizer, ids)
    assert "".join(piece.text for piece in found) == "b 你b"
    assert max(piece.tokens for piece in found if "你" in piece.text) >= 3
    assert sum(piece.tokens for piece in found) == len(ids)


def test_segments_are_cut_where_tokens_of_both_end():
    #        the | cat | sat        th|e cat| sat, a special token before it
    one, other, count = segments([3, 7, 11], [0, 2, 7, 11])
    assert (one, other, count) == ([0, 0, 1], [-1, 0, 0, 1], 2)
    same = [0, 2, 2, 5]
    assert segments(same, same) == ([-1, 0, 0, 1], [-1, 0, 0, 1], 2)


def test_ends_of_tokens():
    from tiny_models import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    text = "aö b"
    ids = tuple(tokenizer(text)["input_ids"])
    assert ends(tokenizer, text, ids) == [1, 2, 2, 3, 4]

    class Slow:
        """The same without offsets."""

        is_fast = False
        all_special_ids = tokenizer.all_special_ids
        decode, convert_ids_to_tokens = tokenizer.decode, tokenizer.convert_ids_to_tokens

    found = ends(Slow(), text, ids)
    assert found[0] == 1 and found[1] == found[2] == 2 and found[-1] == 4


def test_special_tokens_stand_for_no_text():
    """What a model does at an end of text is not averaged into the last word."""
    from tiny_models import tiny_tokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer()
    plain = tuple(tokenizer("ab")["input_ids"])
    assert ends(tokenizer, "ab", (1, *plain, 2)) == [0, 1, 2, 0]  # put there by hand
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    ids = tuple(tokenizer("ab")["input_ids"])
    assert ids == (1, *plain, 2) and ends(tokenizer, "ab", ids) == [0, 1, 2, 0]
    one, _, count = segments(ends(tokenizer, "ab", ids), [1, 2])
    assert (one, count) == ([-1, 0, 1, -1], 2)


# Courses


def followed(tokens, count, seed=0):
    values = np.random.default_rng(seed).normal(size=(tokens, count))
    return tracks.Followed(values, list(range(1, tokens + 1)))


def test_mean_courses():
    signals = DICE.normal(size=(7, 2, 5))
    members = np.zeros((3, 2, 5), dtype=bool)
    members[0, 0, [1, 2]], members[1, :, 4] = True, True
    found = tracks.mean_courses(signals, members)
    assert found[:, 0] == pytest.approx(signals[:, 0, [1, 2]].mean(1))
    assert found[:, 1] == pytest.approx(signals[:, :, 4].mean(1))
    assert np.isnan(found[:, 2]).all()


def test_connectivity_and_rank_correlation_equal_numpys_and_scipys():
    one, other = DICE.normal(size=(30, 3)), DICE.normal(size=(30, 4))
    assert tracks.connectivity(one) == pytest.approx(np.corrcoef(one.T))
    expected = spearmanr(one, other).statistic[:3, 3:]
    assert tracks.spearman(one, other) == pytest.approx(expected)
    one[:, 1] = 2.0
    assert np.isnan(tracks.connectivity(one)[1]).all()
    one[:, 1] = np.nan
    found = tracks.spearman(one, other)
    assert np.isnan(found[1]).all() and found[[0, 2]] == pytest.approx(expected[[0, 2]])


def test_a_fingerprint_is_the_mean_over_texts():
    one = [followed(20, 3, seed) for seed in (1, 2)]
    other = [followed(20, 2, seed) for seed in (3, 4)]
    found = tracks.fingerprint(one, other)
    expected = [
        spearmanr(a.courses, b.courses).statistic[:3, 3:] for a, b in zip(one, other, strict=True)
    ]
    assert found.rho == pytest.approx(np.mean(expected, axis=0))
    first, second, rho = found.best
    assert rho == found.rho.max() == found.rho[first, second]
    itself = tracks.fingerprint(one, one)
    assert np.diag(itself.rho) == pytest.approx([1, 1, 1], abs=1e-12) and itself.close >= 3


def test_a_text_of_which_a_model_keeps_nothing_is_passed_over(tmp_path):
    """A single token, left out by drop_first: the other model's tokenizer makes two of it."""
    from safetensors.numpy import save_file

    from brodmann.networks.stages.following import write_fingerprint

    files = {}
    for model, lengths in (("one", (9, 0, 12, 0)), ("other", (9, 1, 12, 2))):
        numbers = np.repeat(np.arange(4), lengths)
        ends = np.concatenate([np.arange(1, n + 1) for n in lengths])
        files[model, "news"] = str(tmp_path / f"{model}.safetensors")
        raw = np.sin(np.outer(ends + numbers, [1.0, 2.0]))
        tensors = {"raw": raw, "standard": raw, "text": numbers, "end": ends}
        save_file(tensors, files[model, "news"])
    write_fingerprint(files, output=str(tmp_path / "f.csv"), across=str(tmp_path / "c.csv"))
    [row] = (tmp_path / "f.csv").read_text().splitlines()[1:]
    assert row.split(",")[:4] == ["news", "one", "other", "2"] and ",1," in row
    across = pd.read_csv(tmp_path / "c.csv")
    assert across.shape == (4, 7)
    # Both read the same 21 tokens of two texts; of the others only one has any.
    assert (across.n_stretches == 21).all()
    own = across[across.network == across.other_network]
    assert own.r.to_numpy() == pytest.approx([1.0, 1.0])
    whole = np.concatenate([np.arange(1, 10), np.arange(1, 13) + 2])
    r = np.corrcoef(np.sin(whole), np.sin(2.0 * whole))[0, 1]
    assert across.r.iloc[1] == pytest.approx(r)


def test_damaged_courses_are_named(tmp_path):
    damaged = tmp_path / "courses.safetensors"
    damaged.write_bytes(b"{}")
    with pytest.raises(UserError, match=r"courses\.safetensors: is damaged"):
        files = {("a", "x"): str(damaged), ("b", "x"): str(damaged)}
        write_fingerprint(files, output="unused", across="unused")
    write_tensors(damaged, {"raw": np.zeros((2, 1))}, {})
    with pytest.raises(UserError, match=r"courses\.safetensors: is incomplete"):
        files = {("a", "x"): str(damaged), ("b", "x"): str(damaged)}
        write_fingerprint(files, output="unused", across="unused")


def test_texts_tokenized_differently_are_lined_up():
    """The same course in finer tokens: equal means over the coarse ones."""
    coarse = tracks.Followed(DICE.normal(size=(6, 2)), [3, 7, 11, 12, 15, 20])
    fine = tracks.Followed(
        np.repeat(coarse.courses, 2, axis=0), [2, 3, 5, 7, 9, 11, 12, 12, 14, 15, 18, 20]
    )
    first, second = tracks.aligned(coarse, fine)
    assert first == pytest.approx(second) and len(first) == 6
    assert np.diag(tracks.fingerprint([coarse], [fine]).rho) == pytest.approx([1, 1])


# Pages


class Reader(html.parser.HTMLParser):
    """What a browser would make of a page: tags and the text of each highlighted paragraph."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.cells, self._inside = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "span":
            self.cells.append("")
            self._inside = True

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "span"

    def handle_data(self, data):
        if self._inside:
            self.cells[-1] += data


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt;",
    "</p></body>",
    "\u202eright to left",
    "\x00\x1b[0m\ud800",
    "a\nb",
    "你",
]


def test_a_page_shows_any_text_and_runs_none():
    found = [Piece(text, 1) for text in HOSTILE] + [Piece("🙂", 4)]
    values = DICE.normal(size=len(HOSTILE) + 4)
    text = page(HOSTILE[0], HOSTILE[1], found, [Course(HOSTILE[2], HOSTILE[3], values)])
    seen = Reader(text)
    assert not {"script", "img", "link", "iframe"} & set(seen.tags)
    assert not [
        name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "href")
    ]
    assert seen.cells == [visible(piece.text) for piece in found]
    assert visible("\u202ea\x00") == "<U+202E>a<U+0000>"
    text.encode("utf-8")
    assert "default-src 'none'" in text


def test_colours_follow_the_course():
    text = highlighted([Piece("a"), Piece("b"), Piece("🙂", 2)], np.array([2.0, -1.0, 0.0, 1.0]))
    assert "rgba(213,94,0,0.850)" in text and "rgba(0,114,178,0.425)" in text
    assert "linear-gradient" in text and 'title="+0, +1"' in text
    assert "nan" not in highlighted([Piece("a")], np.array([0.0]))


# Agreement of maps


def test_unit_agreement_against_permutations_written_out():
    width, layers = 40, 3
    one = DICE.choice(width * layers, 25, False)
    other = np.union1d(one[:15], DICE.choice(width * layers, 15, False))
    there = Population(layers, width)
    found = unit_agreement(one, other, there, seed=0)
    assert found.observed == pytest.approx(sets.iou(one, other))
    null = []
    for _ in range(2000):
        moved = np.concatenate(
            [
                layer * width + DICE.permutation(width)[: (one // width == layer).sum()]
                for layer in range(layers)
            ]
        )
        null.append(sets.iou(moved, other))
    assert found.chance == pytest.approx(np.mean(null), rel=0.05)
    assert found.p == pytest.approx(1 / 1001) and np.max(null) < found.observed
    apart = unit_agreement(np.arange(5), np.arange(5, 10), there, seed=0)
    assert apart.observed == 0 and apart.p == 1
    assert unit_agreement(one, one[:0], there, seed=0) is None


def test_layer_agreement():
    one = layer_shares(np.array([0, 1, 2, 21, 22, 50]), 10, 6)
    assert one.tolist() == [0.5, 0, 2 / 6, 0, 0, 1 / 6]
    assert layer_agreement(one, one, range(6), seed=0).observed == pytest.approx(1)
    assert layer_agreement(one, one, range(6), seed=0).p < 0.1
    other = np.array([0, 0.5, 0, 0.5, 0, 0])
    apart = layer_agreement(one, other, range(6), seed=0)
    assert apart.observed == 0 and apart.p == 1
    assert layer_agreement(one, np.zeros(6), range(6), seed=0) is None


# Corrections


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"amounts": {"multiply": [], "add": []}}, "amounts has no factor and no value"),
        ({"tasks": []}, "tasks names no task"),
        ({"networks": False}, "networks is false"),
        ({}, ""),
    ],
)
def test_a_page_does_not_say_that_nothing_helps_where_nothing_was_tried(settings, reason):
    missing = not_run(EditingSettings.model_validate(settings))
    text = document("corrected", title="a title", best=None, found=0, missing=missing)
    assert ("Not run" in text and reason in text) if reason else "Not run" not in text
    assert ("None: no choice" in text) != bool(reason)
