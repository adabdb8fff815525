"""The store never returns anything but what was put in, whatever happens to its files."""

import contextlib
import multiprocessing
import os
import signal
import time

import pytest

from brodmann.errors import UserError
from brodmann.files import digest
from brodmann.store import ledger
from brodmann.store import store as store_module
from brodmann.store.store import ABANDONED_AFTER_S, HEADER_SIZE, Store


def key(n):
    return digest(["key", n])


def payload(n):
    # Holds the record's own magic bytes, so that resynchronising must not be fooled by it.
    return f"BRD1 payload {n} ".encode() * (n + 1)


def fill(folder, numbers):
    with Store(folder) as store:
        for n in numbers:
            store.put(key(n), payload(n))


def shards(folder):
    return sorted(path for path in folder.iterdir())


def test_what_goes_in_comes_out(tmp_path):
    fill(tmp_path, range(5))
    store = Store(tmp_path)
    assert [store.get(key(n)) for n in range(5)] == [payload(n) for n in range(5)]
    assert store.get(key(9)) is None and key(9) not in store
    assert [path.suffix for path in shards(tmp_path)] == [".shard"]


def test_own_records_are_found_before_closing(tmp_path):
    with Store(tmp_path) as store:
        assert key(1) not in store
        store.put(key(1), payload(1))
        assert store.get(key(1)) == payload(1)


def test_a_closed_store_goes_on_in_another_shard(tmp_path):
    store = Store(tmp_path)
    for n in range(3):
        store.put(key(n), payload(n))
        store.close()
    assert [path.suffix for path in shards(tmp_path)] == [".shard"] * 3
    assert [store.get(key(n)) for n in range(3)] == [payload(n) for n in range(3)]


def test_shards_are_not_read_again_for_what_they_lack(tmp_path, monkeypatch):
    """A pass asks for each of its records, and a store may be large."""
    fill(tmp_path, range(3))
    read, records = [], store_module._records
    monkeypatch.setattr(
        store_module, "_records", lambda shard: read.append(shard) or records(shard)
    )
    store = Store(tmp_path)
    assert [n for n in range(9) if key(n) in store] == [0, 1, 2]
    assert read == shards(tmp_path)


def test_a_missing_store_is_empty_and_stays_unmade(tmp_path):
    assert Store(tmp_path / "none").get(key(0)) is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("cut", [1, 10, HEADER_SIZE - 3, HEADER_SIZE + 2])
def test_a_torn_last_record_loses_only_itself(tmp_path, cut):
    fill(tmp_path, range(3))
    [shard] = shards(tmp_path)
    last = HEADER_SIZE + len(payload(2)) + 1
    shard.write_bytes(shard.read_bytes()[: -last + cut])
    store = Store(tmp_path)
    assert [store.get(key(n)) for n in range(3)] == [payload(0), payload(1), None]


@pytest.mark.parametrize("offset", [0, 3, 40, HEADER_SIZE - 4, HEADER_SIZE + 1])
def test_a_damaged_record_loses_only_itself(tmp_path, offset):
    fill(tmp_path, range(3))
    [shard] = shards(tmp_path)
    content = bytearray(shard.read_bytes())
    second = HEADER_SIZE + len(payload(0)) + 1
    content[second + offset] ^= 0x5A
    shard.write_bytes(content)
    store = Store(tmp_path)
    assert store.get(key(0)) == payload(0) and store.get(key(2)) == payload(2)
    assert store.get(key(1)) is None


@pytest.mark.parametrize("junk", [b"", b"\0" * 500, b"BRD1 " * 100, os.urandom(3000)])
def test_junk_files_are_passed_over(tmp_path, junk):
    fill(tmp_path, range(2))
    (tmp_path / "00.shard").write_bytes(junk)
    (tmp_path / "notes.txt").write_text("not a shard")
    assert Store(tmp_path).get(key(1)) == payload(1)


@pytest.mark.parametrize("size", [1, 2, *range((1 << 20) - 4, (1 << 20) + 3)])
def test_records_behind_junk_of_any_size_are_found(tmp_path, size):
    """Also where the magic bytes lie in two of the blocks that are read (of 1 MiB)."""
    fill(tmp_path, range(2))
    [shard] = shards(tmp_path)
    sound = shard.read_bytes()
    shard.write_bytes(b"B" * size + sound)
    store = Store(tmp_path)
    assert [store.get(key(n)) for n in range(2)] == [payload(0), payload(1)]


@pytest.mark.parametrize("last", [payload(1), b""])
def test_a_payload_that_is_whole_counts_without_its_last_newline(tmp_path, last):
    with Store(tmp_path) as store:
        store.put(key(0), payload(0))
        store.put(key(1), last)
    [shard] = shards(tmp_path)
    shard.write_bytes(shard.read_bytes()[:-1])
    assert [Store(tmp_path).get(key(n)) for n in range(2)] == [payload(0), last]


def test_a_damaged_copy_does_not_hide_a_sound_one(tmp_path):
    """Two passes at once have both stored the record."""
    fill(tmp_path, [3])
    fill(tmp_path, [3])
    first, second = shards(tmp_path)
    for damaged, sound in ((first, second), (second, first)):
        kept = damaged.read_bytes()
        damaged.write_bytes(kept[:-2] + b"?\n")
        assert Store(tmp_path).get(key(3)) == payload(3)
        damaged.write_bytes(kept)
        assert sound.exists()


def _write_forever(folder):
    with Store(folder) as store:
        for n in range(10**6):
            store.put(key(n), payload(n % 50))


def test_killed_writer_keeps_what_it_finished(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_write_forever, args=(tmp_path,))
    process.start()
    while not (tmp_path.exists() and any(p.stat().st_size > 20_000 for p in tmp_path.iterdir())):
        time.sleep(0.01)
        assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store = Store(tmp_path)
    done = [n for n in range(2000) if key(n) in store]
    assert len(done) > 10 and done == list(range(len(done)))
    assert all(store.get(key(n)) == payload(n % 50) for n in done)


def test_two_writers_do_not_disturb_each_other(tmp_path):
    with Store(tmp_path) as one, Store(tmp_path) as two:
        for n in range(10):
            (one if n % 2 else two).put(key(n), payload(n))
    assert all(Store(tmp_path).get(key(n)) == payload(n) for n in range(10))


def test_consolidation_bounds_the_files_and_keeps_every_record(tmp_path):
    for n in range(20):
        fill(tmp_path, [n])
    reader = Store(tmp_path)
    assert reader.get(key(0)) == payload(0)  # its index knows the old shards
    with Store(tmp_path) as store:
        store.consolidate(limit=16)
    assert len(shards(tmp_path)) == 1
    assert all(reader.get(key(n)) == payload(n) for n in range(20))


def test_consolidation_waits_for_more_than_the_limit_and_drops_what_is_damaged(tmp_path):
    for n in range(3):
        fill(tmp_path, [n])
    Store(tmp_path).consolidate(limit=3)
    assert len(shards(tmp_path)) == 3
    damaged = shards(tmp_path)[1]
    damaged.write_bytes(damaged.read_bytes()[:-2] + b"?\n")
    store = Store(tmp_path)
    store.consolidate(limit=2)
    [merged] = shards(tmp_path)
    assert merged.stat().st_size == sum(HEADER_SIZE + len(payload(n)) + 1 for n in (0, 2))
    assert [store.get(key(n)) for n in range(3)] == [payload(0), None, payload(2)]


def test_consolidation_spares_what_another_process_is_writing(tmp_path):
    for n in range(5):
        fill(tmp_path, [n])
    with Store(tmp_path) as writer:
        writer.put(key(7), payload(7))
        [left] = tmp_path.glob("*.open")
        os.utime(left, (time.time() - 7200,) * 2)  # its next record takes hours
        Store(tmp_path).consolidate(limit=1)
        # Nor does it copy that.
        [merged] = tmp_path.glob("*.shard")
        assert merged.stat().st_size == sum(HEADER_SIZE + len(payload(n)) + 1 for n in range(5))
        writer.put(key(8), payload(8))
    assert all(Store(tmp_path).get(key(n)) == payload(n) for n in [*range(5), 7, 8])


def test_two_processes_may_consolidate_at_once(tmp_path, monkeypatch):
    """The other one is through while this one copies its second record."""
    for n in range(5):
        fill(tmp_path, [n])
    put, copied = Store.put, []

    def interrupted(store, name, content):
        copied.append(name)
        if len(copied) == 2:
            Store(tmp_path).consolidate(limit=1)
        put(store, name, content)

    monkeypatch.setattr(Store, "put", interrupted)
    Store(tmp_path).consolidate(limit=1)
    assert len(copied) == 10 and len(shards(tmp_path)) == 2
    assert [Store(tmp_path).get(key(n)) for n in range(5)] == [payload(n) for n in range(5)]


def test_consolidation_leaves_alone_what_is_no_shard(tmp_path):
    for n in range(3):
        fill(tmp_path, [n])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "copies").mkdir()
    for own in ("notes.txt", "copies"):
        os.utime(tmp_path / own, (time.time() - 2 * ABANDONED_AFTER_S,) * 2)
    Store(tmp_path).consolidate(limit=2)
    assert len(shards(tmp_path)) == 3 and (tmp_path / "notes.txt").read_text() == "mine"
    assert [Store(tmp_path).get(key(n)) for n in range(3)] == [payload(n) for n in range(3)]


def test_shards_of_killed_processes_are_merged_in_the_end(tmp_path):
    with Store(tmp_path) as store:
        store.put(key(1), payload(1))
        [shard] = shards(tmp_path)
        left = shard.with_name("dead.open")
        left.write_bytes(shard.read_bytes())
    old = time.time() - ABANDONED_AFTER_S - 10
    os.utime(left, (old, old))
    Store(tmp_path).consolidate(limit=1)
    assert not left.exists()
    assert Store(tmp_path).get(key(1)) == payload(1)


def test_full_disk_keeps_earlier_records(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.put(key(0), payload(0))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        store.put(key(1), payload(1))
    monkeypatch.undo()
    store.put(key(2), payload(2))
    store.close()
    again = Store(tmp_path)
    assert [again.get(key(n)) for n in range(3)] == [payload(0), None, payload(2)]


def test_a_required_record_that_is_gone_takes_the_manifest_with_it(tmp_path):
    manifest = tmp_path / "stage.json"
    manifest.write_text("{}")
    with Store(tmp_path / "stage") as store:
        store.put(key(0), payload(0))
        assert store.require(key(0), "it", manifest) == payload(0) and manifest.exists()
        with pytest.raises(UserError, match=r"it is gone or damaged \(run the same command again"):
            store.require(key(1), "it", manifest)
        assert not manifest.exists()
        # Another job has found it, too.
        with pytest.raises(UserError, match=r"it is gone or damaged \(run the same command again"):
            store.require(key(1), "it", manifest)


def test_ledger(tmp_path):
    assert ledger.read(tmp_path) == []
    ledger.enter(tmp_path, stage="a", model_loads=1)
    ledger.enter(tmp_path, stage="b", model_loads=0)
    assert [entry["stage"] for entry in ledger.read(tmp_path)] == ["a", "b"]
    # Whoever may read the user's other files may read it.
    (tmp_path / "other").touch()
    assert (tmp_path / "ledger.jsonl").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_no_file_of_the_store_stays_open(tmp_path):
    """A process may make many passes, and the number of its open files is limited."""
    ledger.enter(tmp_path, stage="a")
    fill(tmp_path / "a", range(2))
    assert Store(tmp_path / "a").get(key(1)) == payload(1)
    files = [path.stat() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    for number in range(256):
        with contextlib.suppress(OSError):
            assert not any(os.path.samestat(os.fstat(number), file) for file in files)
