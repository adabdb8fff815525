"""Shards of a pass: every record is made by exactly one, all equally busy, and the manifest names them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brodmann.files import digest
from brodmann.store import ledger
from brodmann.store.shares import Deal, Load, Marker, Share, is_marker
from brodmann.store.work import Pass, Records, Work

LOADS = st.lists(
    st.builds(Load, st.integers(0, 80), st.integers(0, 500), st.sampled_from([0, 0, 1, 7, 32])),
    max_size=12,
)


@settings(deadline=None)
@given(st.lists(LOADS, min_size=1, max_size=3), st.integers(1, 9))
def test_every_record_is_dealt_once_and_blocks_stay_whole(calls, of):
    deal, again = Deal(of), Deal(of)
    for loads in calls:
        dealt = deal(loads)
        assert dealt == again(loads)
        for load, parts in zip(loads, dealt, strict=True):
            assert [n for _, part in parts for n in part] == list(range(load.count))
            assert all(1 <= shard <= of for shard, _ in parts)
            assert load.block or len(parts) <= 1
            starts = [part.start for _, part in parts]
            assert all(start % load.block == 0 for start in starts if start)


@settings(deadline=None)
@given(LOADS, st.integers(1, 9))
def test_no_shard_has_more_than_a_fair_share_and_one_piece(loads, of):
    deal = Deal(of)
    dealt = deal(loads)
    found = Counter()
    for load, parts in zip(loads, dealt, strict=True):
        for shard, part in parts:
            found[shard] += len(part) * max(1, load.cost)
    costs = [found[shard + 1] for shard in range(of)]
    assert costs == deal.costs
    piece = max(
        (min(load.count, load.block or load.count) * max(1, load.cost) for load in loads), default=0
    )
    assert max(costs) <= sum(costs) / of + piece


def test_the_longest_first():
    """Graham's rule, on his example: longest first 11, in the order given 14."""
    loads = [Load(1, cost) for cost in (5, 5, 4, 4, 3, 3, 3)]
    deal = Deal(3)
    deal(loads)
    assert sorted(deal.costs) == [8, 8, 11]


def test_what_is_too_much_for_one_is_parted():
    deal = Deal(4)
    [parts] = deal([Load(128, 10, 16)])
    assert [(shard, part.start, part.stop) for shard, part in parts] == [
        (1, 0, 32),
        (2, 32, 64),
        (3, 64, 96),
        (4, 96, 128),
    ]


class Machine:
    forward_passes = 0


@pytest.fixture
def works():
    """A parted work, whole ones, and two names of one record; what is made is counted."""
    made: list[str] = []

    def compute(bench, names, on_step):
        for name in names:
            made.append(name)
            yield {name: name.encode()}

    def work(what, names, **more):
        return Work(what, {n: digest(n.rstrip("'")) for n in names}, compute, what, **more)

    return made, [
        work("many", [f"m{n}" for n in range(20)], cost=2, block=3),
        *(work(f"w{n}", [f"w{n}a", f"w{n}b"], cost=n) for n in range(1, 6)),
        work("same", ["w1a'", "m3'"]),
    ]


def run(folder: Path, works, share: Share):
    load = Machine
    with Pass("toy", "tiny", folder / "toy.json", load, share) as this:
        this.make(works)
    return this


def share_of(folder: Path, number: int, of: int) -> Share:
    return Share(number, of, str(folder / f"shards/toy.{number}-of-{of}.json"))


@pytest.mark.parametrize("of", [1, 2, 3, 7, 40])
def test_shards_make_everything_once_and_the_pass_nothing(tmp_path, works, of):
    made, works = works
    shares = [share_of(tmp_path, number, of) for number in range(1, of + 1)]
    for share in reversed(shares):  # in any order
        run(tmp_path, works, share)
        assert not (tmp_path / "toy.json").exists()
    assert sorted(made) == sorted({name.rstrip("'") for work in works for name in work.keys})
    run(tmp_path, works, Share(before=tuple(share.marker for share in shares)))
    assert len(made) == 30
    entries = ledger.read(tmp_path)
    assert [entry.get("shard") for entry in entries] == [
        f"{n} of {of}" for n in range(of, 0, -1)
    ] + [None]
    assert entries[-1]["model_loads"] == 0
    manifest = json.loads((tmp_path / "toy.json").read_text())
    assert [one["shard"] for one in manifest["shards"]] == [f"{n + 1} of {of}" for n in range(of)]
    assert sum(one["records"] for one in manifest["shards"]) == 30
    records = Records(tmp_path / "toy.json", "toy")
    assert all(records.get(n, n).decode() == n.rstrip("'") for work in works for n in work.keys)


def test_what_no_shard_has_made_the_pass_makes(tmp_path, works):
    made, works = works
    run(tmp_path, works, share_of(tmp_path, 1, 3))
    first = list(made)
    run(tmp_path, works, share_of(tmp_path, 3, 3))
    assert 0 < len(first) < len(made) < 30
    run(tmp_path, works, Share())
    assert len(made) == len(set(made)) == 30
    assert "shards" not in json.loads((tmp_path / "toy.json").read_text())


def test_markers_of_a_run_that_was_killed_go_when_the_pass_is_through(tmp_path, works, monkeypatch):
    _, works = works
    for number, of in ((2, 3), (1, 2), (2, 2)):
        run(tmp_path, works, share_of(tmp_path, number, of))
    (tmp_path / "shards/toys.1-of-3.json").write_text("{}")  # another pass's
    unlink = Path.unlink

    def after_another(path, missing_ok=False):
        """Another job was quicker."""
        unlink(path, missing_ok=True)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", after_another)
    run(tmp_path, works, Share(before=tuple(share_of(tmp_path, n, 2).marker for n in (1, 2))))
    left = sorted(path.name for path in (tmp_path / "shards").iterdir())
    assert left == ["toy.1-of-2.json", "toy.2-of-2.json", "toys.1-of-3.json"]


def test_another_number_of_shards_makes_nothing_again(tmp_path, works):
    made, works = works
    for number in (1, 2, 3):
        run(tmp_path, works, share_of(tmp_path, number, 3))
    for number in range(1, 8):
        run(tmp_path, works, share_of(tmp_path, number, 7))
    assert len(made) == 30
    assert [entry["model_loads"] for entry in ledger.read(tmp_path)] == [1] * 3 + [0] * 7


def test_shares_do_not_hang_on_what_is_in_the_store(tmp_path, works):
    """A shard that begins when others have finished takes the records that it would have taken."""
    made, works = works
    run(tmp_path / "alone", works, share_of(tmp_path / "alone", 2, 3))
    alone = list(made)
    made.clear()
    for number in (1, 3):
        run(tmp_path, works, share_of(tmp_path, number, 3))
    others = set(made)
    made.clear()
    run(tmp_path, works, share_of(tmp_path, 2, 3))
    assert made == alone and not others & set(made)


def test_what_all_shards_need_is_made_before_them(tmp_path, works):
    made, works = works
    first, rest = works[:1], works[1:]

    def begun(number):
        with Pass(
            "toy", "tiny", tmp_path / "toy.json", Machine, share_of(tmp_path, number, 2)
        ) as one:
            one.make(first, dealt=False)
            if not one.share.prepares:
                one.make(rest)

    begun(0)
    assert made == [f"m{n}" for n in range(20)]
    # It has left a marker, and no manifest, which would say that the pass is through.
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["toy.0-of-2.json"]
    assert not (tmp_path / "toy.json").exists()
    for number in (1, 2):
        begun(number)
    assert len(made) == len(set(made)) == 30


def test_things_that_stand_for_works(tmp_path):
    costs = {name: n for n, name in enumerate("abcdefgh")}
    parts = []
    for number in (1, 2, 3):
        with Pass(
            "toy", "tiny", tmp_path / "toy.json", Machine, share_of(tmp_path, number, 3)
        ) as one:
            parts.append(one.own(costs))
            assert parts[-1] == sorted(parts[-1])
    assert sorted(name for part in parts for name in part) == list(costs)
    with Pass("toy", "tiny", tmp_path / "toy.json", Machine) as whole:
        assert whole.own(costs) == list(costs)


def test_works_are_dealt_on_top_of_what_stands_for_others(tmp_path):
    """Costs 3 first, then 4 and 2: one job has 5, the other 4."""
    own, made = [], []
    for number in (1, 2):
        with Pass(
            "toy", "tiny", tmp_path / "toy.json", Machine, share_of(tmp_path, number, 2)
        ) as one:
            own.append(one.own({"three": 3}))
            works = [
                Work.one(name, digest(name), lambda _: b"", cost=cost)
                for name, cost in (("two", 2), ("four", 4))
            ]
            made.append([missing.work.what for missing in one.make(works)])
    assert (own, made) == ([["three"], []], [["two"], ["four"]])


def test_markers_are_found_by_their_names(tmp_path):
    store = tmp_path / "results/tiny/.store"
    made = [Marker("tiny", "network_use", n, 12) for n in (1, 7)]
    for one in made:
        path = tmp_path / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        assert is_marker(one.path)
    for other in ("other", "1-of-2", "toy.part", "toy.1", "toy.1-of-x", "toy.x-of-2", "toy.-of-"):
        (store / f"shards/{other}.json").write_text("{}")
    assert Marker.all_in(store) == made
    assert Marker.all_in(tmp_path) == []
    assert not is_marker("results/tiny/.store/network_use.json")
    assert replace(made[0], number=2).path.endswith("network_use.2-of-12.json")
