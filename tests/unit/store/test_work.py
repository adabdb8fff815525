"""The pass engine: what is missing is found, computed once, durable part by part, and listed by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brodmann.errors import UserError
from brodmann.files import digest
from brodmann.store import ledger
from brodmann.store.store import Store
from brodmann.store.work import Pass, Records, Work


class Machine:
    """Computes, and counts how often."""

    def __init__(self) -> None:
        self.forward_passes = 0

    def made(self, text: str) -> bytes:
        self.forward_passes += 1
        return text.encode()


class Loader:
    """Gives a machine; knows how many it gave."""

    def __init__(self) -> None:
        self.loads: list[Machine] = []

    def __call__(self) -> Machine:
        self.loads.append(Machine())
        return self.loads[-1]


def opened(folder: Path, load: Loader, stage: str = "toy") -> Pass[Machine]:
    return Pass(stage, "tiny", folder / f"{stage}.json", load)


def one(name: str, group: str = "", of: object = None) -> Work[Machine]:
    return Work.one(name, digest(of or name), lambda bench: bench.made(name), group=group)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "toy.json").read_text())


def test_what_is_missing_is_computed_once_and_what_is_there_loads_nothing(tmp_path):
    load = Loader()
    with opened(tmp_path, load) as this:
        this.make([one("a", "first"), one("b", "second")])
    with opened(tmp_path, load) as this:
        missing = this.make([one("a", "first"), one("b", "second"), one("c", "third")])
    assert [(m.work.what, m.names) for m in missing] == [("c", ("c",))]
    with opened(tmp_path, load) as this:
        this.make([one("c", "third")])
    assert len(load.loads) == 2
    entries = ledger.read(tmp_path)
    assert [entry["model_loads"] for entry in entries] == [1, 1, 0]
    assert [entry["forward_passes"] for entry in entries] == [2, 1, 0]
    assert [entry["computed"] for entry in entries] == [["first", "second"], ["third"], []]
    assert [entry["reused"] for entry in entries] == [[], ["first", "second"], ["third"]]
    assert manifest(tmp_path)["keys"] == {"c": digest("c")}


def test_a_pass_tidies_up_after_many_others(tmp_path):
    """Each leaves a shard: there are 16 at most beside its own, and every record is found."""
    for n in range(20):
        with opened(tmp_path, Loader()) as this:
            this.make([one(str(n))])
        assert len(list((tmp_path / "toy").iterdir())) <= 17
    store = Store(tmp_path / "toy")
    assert [store.get(digest(str(n))) for n in range(20)] == [str(n).encode() for n in range(20)]


def test_equal_keys_are_computed_once_and_found_under_both_names(tmp_path):
    load = Loader()
    with opened(tmp_path, load) as this:
        this.make([one("a", of="same"), one("b", of="same")])
        assert (this.named, this.made) == (2, 1)
    records = Records(tmp_path / "toy.json", "toy")
    assert records.get("a", "it") == records.get("b", "it") == b"a"


def test_each_part_is_durable_before_the_next(tmp_path):
    """As a job that is killed in the third of four parts leaves it."""
    names = ("0", "1", "2", "3")
    work = {name: digest(name) for name in names}

    def compute(bench, names, on_step):
        for name in names:
            if name == "2" and not bench.again:
                # Another process sees the first two, though this one's shard is not closed.
                store = Store(tmp_path / "toy")
                assert [work[n] in store for n in ("0", "1", "2")] == [True, True, False]
                raise KeyboardInterrupt
            yield {name: bench.made(name)}

    def load(again: bool):
        machine = Machine()
        machine.again = again
        return machine

    with pytest.raises(KeyboardInterrupt), opened(tmp_path, lambda: load(False)) as this:
        this.make([Work("all", work, compute)])
    assert not (tmp_path / "toy.json").exists() and ledger.read(tmp_path) == []
    with opened(tmp_path, lambda: load(True)) as this:
        [missing] = this.make([Work("all", work, compute)])
    assert missing.names == ("2", "3")
    [entry] = ledger.read(tmp_path)
    assert entry["forward_passes"] == 2


def test_the_bar_counts_records_or_what_a_work_counts_in(tmp_path, monkeypatch):
    from brodmann.store import work

    bars = []

    class Bar:
        def __init__(self, total, title, unit):
            self.total, self.title, self.unit, self.moved = total, title, unit, []
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, steps):
            self.moved.append(steps)

        def set_postfix_str(self, text):
            self.at = text

    monkeypatch.setattr(work, "progress", Bar)

    def rows(bench, names, on_step):
        for name in names:
            on_step(5)
            yield {name: bench.made(name)}

    with opened(tmp_path, Loader()) as this:
        counted = Work("rows", {"r": digest("r")}, rows, steps=lambda _, names: 5 * len(names))
        this.make([one("a"), one("b"), counted], bar="toy", unit="row")
    [bar] = bars
    assert (bar.title, bar.unit, bar.at) == ("toy tiny", "row", "rows")
    assert bar.total == 7 == sum(bar.moved)


def test_works_of_another_store_and_of_a_second_phase(tmp_path):
    with opened(tmp_path, Loader()) as this:
        this.make([one("a")], store="other", listed=False)
        payload = this.store("other").get(digest("a"))
        this.make([Work.one("b", digest("b"), lambda bench: payload + bench.made("b"))])
        this.note(extra=3)
    assert digest("a") in Store(tmp_path / "other")
    assert Records(tmp_path / "toy.json", "toy").get("b", "it") == b"ab"
    assert manifest(tmp_path)["keys"].keys() == {"b"} and manifest(tmp_path)["extra"] == 3


def test_a_manifest_without_a_list_or_a_name_is_taken_back(tmp_path):
    """As an earlier version wrote it: the pass runs again, and computes nothing."""
    load = Loader()
    with opened(tmp_path, load) as this:
        this.make([one("a")])
    for written in ({"model": "tiny"}, {"model": "tiny", "keys": {"b": digest("b")}}):
        (tmp_path / "toy.json").write_text(json.dumps(written))
        with pytest.raises(UserError, match="run the same command again"):
            Records(tmp_path / "toy.json", "toy").get("a", "the record")
        assert not (tmp_path / "toy.json").exists()
        with opened(tmp_path, load) as this:
            this.make([one("a")])
        assert Records(tmp_path / "toy.json", "toy").get("a", "the record") == b"a"
    assert len(load.loads) == 1


def test_two_jobs_may_find_out_that_a_name_is_not_listed(tmp_path):
    with opened(tmp_path, Loader()) as this:
        this.make([one("a")])
    records = Records(tmp_path / "toy.json", "toy")
    for _ in range(2):  # the manifest is gone the second time, and its names are known already
        with pytest.raises(UserError, match=r"toy\.json: does not list it \(run the same command"):
            records.get("b", "it")


def test_groups_that_were_made_on_the_way_of_others_count_as_computed(tmp_path):
    with opened(tmp_path, Loader()) as this:
        this.make([one("a", "first")])
    with opened(tmp_path, Loader()) as this:
        this.make([one("a", "first"), one("b", "second")])
        this.computed("first", "third")
    assert manifest(tmp_path)["computed"] == ["first", "second", "third"]
    assert manifest(tmp_path)["reused"] == []


def test_a_lost_record_takes_the_manifest_back(tmp_path):
    with opened(tmp_path, Loader()) as this:
        this.make([one("a")])
    for shard in (tmp_path / "toy").iterdir():
        shard.unlink()
    with pytest.raises(UserError, match="the record is gone or damaged"):
        Records(tmp_path / "toy.json", "toy").get("a", "the record")
    assert not (tmp_path / "toy.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '"keys"', "null"])
def test_a_damaged_manifest_is_named(tmp_path, text):
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(UserError, match=r"toy\.json"):
        Records(tmp_path / "toy.json", "toy").get("a", "the record")


def test_two_records_of_one_name_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="two records are called 'a'"),
        opened(tmp_path, Loader()) as this,
    ):
        this.make([one("a"), one("a", of="another")])
    assert not (tmp_path / "toy.json").exists()
