"""One pass over one model: find what the store lacks, load once, compute, put, write the manifest.

A stage declares its *works*; the engine does the rest:

    with Pass("localizer", card.name, manifest, load) as this:
        this.make(works)

Several jobs may share a pass (``shares``): each declares all works, and makes the records that are its own.

A *record* has a key (SHA-256 of everything that it depends on) and a name, by which the manifest lists the
key: light jobs look their records up by name (``Records``) and need not know what a key is made of. A *work*
is one computation, which may make several records. What a work yields is durable before its next part is
computed, so that a killed pass goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from brodmann.errors import UserError
from brodmann.files import incomplete, read_json, write_json
from brodmann.store import ledger
from brodmann.store.progress import Stopwatch, progress
from brodmann.store.shares import WHOLE, Deal, Load, Share
from brodmann.store.store import Store

log = logging.getLogger(__name__)

OnStep = Callable[[int], object]


class Counting(Protocol):
    """What computes: a loaded model with what is run through it."""

    @property
    def forward_passes(self) -> int:
        """So far."""


class Reads(Protocol):
    """Gives records by their names: a pass that goes on with them, or a light job."""

    def get(self, name: str, what: str) -> bytes:
        """The payload of a record; ``what`` says in errors what it is."""


B = TypeVar("B", bound=Counting)
T = TypeVar("T")


class Together(Protocol[B]):
    """Computes several works at once, where one by one each would be too small for the machine."""

    def fits(self, bench: B, works: Sequence[Missing[B]]) -> bool:
        """Whether so many are still worth being computed at once."""

    def compute(
        self, bench: B, works: Sequence[Missing[B]], on_step: OnStep
    ) -> Iterator[tuple[Work[B], Mapping[Any, bytes]]]:
        """(work, its records) for each of the works, as soon as they are known."""


@dataclass(frozen=True)
class Work(Generic[B]):
    """One computation and the records that it makes.

    ``keys``: name of a record -> its key. ``compute`` is given what computes, the names of the records that
    the store lacks, and what moves the progress bar; it yields name -> payload, part by part. ``steps``: how
    far the bar goes for these names; without it the engine counts records. ``group``: what the ledger lists
    as computed or reused (a task, a network); nothing if empty. ``together``: in place of ``compute``, what
    computes it with others that name the same. ``about``: what it is about, for whoever computes it.
    ``cost``: of one record, about, in characters that the model reads; ``block``: records that shards do not
    part, 0 for all of them.
    """

    what: str
    keys: Mapping[Any, str]
    compute: Callable[[B, Sequence[Any], OnStep], Iterable[Mapping[Any, bytes]]] | None = None
    group: str = ""
    steps: Callable[[B, Sequence[Any]], int] | None = None
    together: Together[B] | None = None
    about: Any = None
    cost: int = 1
    block: int = 0

    @classmethod
    def one(
        cls, name: str, key: str, compute: Callable[[B], bytes], *, group: str = "", cost: int = 1
    ) -> Work[B]:
        """A work of a single record."""

        def parts(bench: B, _: Sequence[Any], __: OnStep) -> Iterator[Mapping[Any, bytes]]:
            yield {name: compute(bench)}

        return cls(name, {name: key}, parts, group, cost=cost)


@dataclass(frozen=True)
class Missing(Generic[B]):
    """A work, and those of its records that are to be made: the store lacked them."""

    work: Work[B]
    names: tuple[Any, ...]

    def steps(self, bench: B) -> int:
        """How far the progress bar goes for these records."""
        if self.work.steps is None:
            return len(self.names)
        return self.work.steps(bench, self.names)


class Pass(Generic[B]):
    """A pass over one model. Leaving it without an error enters it in the ledger and writes the manifest.

    ``load`` gives what computes; it is called once, when the first record is found to be missing. ``share``:
    of a shard, which leaves its marker in place of the manifest.
    """

    def __init__(
        self,
        stage: str,
        model: str,
        manifest: str | Path,
        load: Callable[[], B],
        share: Share = WHOLE,
    ) -> None:
        self.stage, self.model, self.manifest, self.share = stage, model, manifest, share
        self.folder = Path(manifest).parent
        self.named, self.made = 0, 0  # records that were asked for, and that were made
        self._load = load
        self._bench: B | None = None
        self._watch = Stopwatch()
        self._stores: dict[str, Store] = {}
        self._groups: dict[str, bool] = {}  # group -> whether any of it was computed
        self._keys: dict[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._deal = Deal(share.of)
        self._dealt: set[str] = set()  # keys

    def __enter__(self) -> Pass[B]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with ExitStack() as stores:
            for store in self._stores.values():
                stores.callback(store.close)
            # Shards still write while others are through: the pass tidies up after them.
            if kind is None and self.share.whole:
                for store in self._stores.values():
                    store.consolidate()
        if kind is None:
            self._end()

    def _end(self) -> None:
        shard = {} if self.share.whole else {"shard": str(self.share)}
        facts: dict[str, Any] = {
            "stage": self.stage,
            **shard,
            "model_loads": int(self._bench is not None),
            "forward_passes": 0 if self._bench is None else self._bench.forward_passes,
        }
        if self._groups:
            facts["computed"] = [group for group, computed in self._groups.items() if computed]
            facts["reused"] = [group for group, computed in self._groups.items() if not computed]
        facts |= {**self._facts, "seconds": self._watch.seconds}
        ledger.enter(self.folder, **facts)
        if not self.share.whole:
            write_json(self.share.marker, {"model": self.model, "records": self.made, **facts})
            return
        made_by = {"shards": list(map(_noted, self.share.before))} if self.share.before else {}
        write_json(self.manifest, {"model": self.model, "keys": self._keys, **facts, **made_by})
        # Of runs that were killed and had another number of shards; Snakemake removes those of this run.
        for left in (self.folder / "shards").glob(f"{self.stage}.*-of-*.json"):
            if str(left) not in self.share.before:
                left.unlink(missing_ok=True)

    @property
    def bench(self) -> B:
        """What computes; loaded by the first call."""
        if self._bench is None:
            self._bench = self._load()
        return self._bench

    def store(self, name: str | None = None) -> Store:
        """The store of a stage, by default of the pass's own; open until the pass ends."""
        name = name or self.stage
        return self._stores.setdefault(name, Store(self.folder / name))

    def get(self, name: str, what: str) -> bytes:
        """A record that this pass has found or made in its own store, by its listed name."""
        return self.store().require(self._keys[name], what, self.manifest)

    def note(self, **facts: Any) -> None:
        """More for the ledger and the manifest."""
        self._facts |= facts

    def computed(self, *groups: str) -> None:
        """List groups as computed whose records were made on the way of other works."""
        self._groups |= dict.fromkeys(groups, True)

    def make(
        self,
        works: Iterable[Work[B]],
        *,
        bar: str | None = None,
        unit: str = "record",
        store: str | None = None,
        listed: bool = True,
        dealt: bool = True,
    ) -> list[Missing[B]]:
        """Make the records that the store lacks, each once, in order; returns which these were.

        ``bar``: title of the progress bar; without one, works show their own. ``listed``: whether the
        manifest lists the records. ``dealt``: whether a shard makes its share of them; else all. May be
        called again with works that need records of the first.
        """
        works, place = list(works), self.store(store)
        if listed:
            self._list(works)
        if dealt and not self.share.whole:
            own = self._own(works)
        else:
            own = [Missing(work, tuple(work.keys)) for work in works]
        missing = _missing(own, place)
        log.info("%s, %s: %d of %d works to do", self.model, self.stage, len(missing), len(own))
        for one in own:
            self.named += len(one.names)
            if one.work.group:
                self._groups.setdefault(one.work.group, False)
        if missing:
            self._compute(missing, place, f"{bar} {self.model}" if bar else None, unit)
        return missing

    def own(self, costs: Mapping[T, int]) -> list[T]:
        """Of things that stand for works, those that are this job's; all are the pass's itself.

        ``costs``: of each, as of works. Where works need records of others, these are then its own, too.
        """
        if self.share.whole:
            return list(costs)
        dealt = self._deal([Load(1, cost) for cost in costs.values()])
        return [one for one, [(shard, _)] in zip(costs, dealt, strict=True) if self._is(shard)]

    def _is(self, shard: int) -> bool:
        return shard == self.share.number

    def _list(self, works: Sequence[Work[B]]) -> None:
        """Enter records where they are found by their names."""
        for work in works:
            for name, key in work.keys.items():
                if self._keys.setdefault(str(name), key) != key:
                    raise ValueError(f"two records are called '{name}'")

    def _own(self, works: Sequence[Work[B]]) -> list[Missing[B]]:
        """This shard's records. One that has several names is dealt once."""
        every: list[Missing[B]] = []
        for work in works:
            names = []
            for name, key in work.keys.items():
                if key not in self._dealt:
                    names.append(name)
                self._dealt.add(key)
            every.append(Missing(work, tuple(names)))
        dealt = self._deal([Load(len(one.names), one.work.cost, one.work.block) for one in every])
        own = []
        for one, parts in zip(every, dealt, strict=True):
            names = [one.names[n] for shard, part in parts if self._is(shard) for n in part]
            if names:
                own.append(Missing(one.work, tuple(names)))
        return own

    def _compute(
        self, missing: Sequence[Missing[B]], store: Store, title: str | None, unit: str
    ) -> None:
        bench = self.bench
        total = sum(one.steps(bench) for one in missing)
        with _bar(total, title, unit) as (on_step, on_work):
            for batch in _batches(bench, missing):
                on_work(batch[0].work.what)
                for work, part in _computed(bench, batch, on_step):
                    store.put_many({work.keys[name]: own for name, own in part.items()})
                    self.made += len(part)
                    if work.steps is None:
                        on_step(len(part))
                    if work.group:
                        self._groups[work.group] = True


def _batches(bench: B, missing: Sequence[Missing[B]]) -> Iterator[list[Missing[B]]]:
    """Works that are computed at once, in order; most of them alone."""
    batch: list[Missing[B]] = []
    for one in missing:
        together = batch[0].work.together if batch else None
        joins = together is not None and one.work.together is together
        if batch and not (joins and together is not None and together.fits(bench, [*batch, one])):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _computed(
    bench: B, batch: Sequence[Missing[B]], on_step: OnStep
) -> Iterator[tuple[Work[B], Mapping[Any, bytes]]]:
    """What a batch makes, part by part."""
    work = batch[0].work
    if work.together is not None:
        yield from work.together.compute(bench, batch, on_step)
    elif work.compute is not None:
        for part in work.compute(bench, batch[0].names, on_step):
            yield work, part


def _missing(asked: Sequence[Missing[B]], store: Store) -> list[Missing[B]]:
    """What the store lacks; of records with the same key only the first."""
    known: set[str] = set()
    found = []
    for one in asked:
        names = []
        for name in one.names:
            key = one.work.keys[name]
            if key not in known and key not in store:
                names.append(name)
            known.add(key)
        if names:
            found.append(Missing(one.work, tuple(names)))
    return found


def _noted(marker: str) -> dict[str, Any]:
    """What a shard did, as the manifest says it."""
    found = read_json(marker)
    if not isinstance(found, dict):
        raise incomplete(marker)
    wanted = ("shard", "records", "model_loads", "forward_passes", "seconds")
    return {name: found[name] for name in wanted if name in found}


@contextmanager
def _bar(
    total: int, title: str | None, unit: str
) -> Iterator[tuple[OnStep, Callable[[str], object]]]:
    """(moves the bar, says what is being computed); without a title there is no bar."""
    if title is None:
        yield (lambda _: None), (lambda _: None)
        return
    with progress(total, title, unit=unit) as shown:
        yield shown.update, shown.set_postfix_str


class Records:
    """What a pass left in its store, by the names that its manifest lists: for light jobs."""

    def __init__(self, manifest: str | Path, stage: str) -> None:
        self._manifest = Path(manifest)
        self._store = Store(self._manifest.parent / stage)

    @cached_property
    def _keys(self) -> Mapping[str, str]:
        found = read_json(self._manifest)
        if not isinstance(found, dict):
            raise incomplete(self._manifest)
        if not isinstance(keys := found.get("keys"), dict):
            # An earlier version's. Without its manifest the pass runs again, and only looks up its keys.
            raise self._renew("lists no records (an earlier version wrote it)")
        return keys

    def __contains__(self, name: str) -> bool:
        """Whether the pass had such a record at all."""
        return name in self._keys

    def get(self, name: str, what: str) -> bytes:
        """The payload of a record; ``what`` says in errors what it is."""
        if name not in self:
            raise self._renew(f"does not list {what}")
        return self._store.require(self._keys[name], what, self._manifest)

    def at(self, key: str, what: str) -> bytes:
        """The same of a record that the manifest does not list, by its key."""
        return self._store.require(key, what, self._manifest)

    def _renew(self, what: str) -> UserError:
        self._manifest.unlink(missing_ok=True)
        fix = "run the same command again: what is stored is found, only the list is made anew"
        return UserError.at(str(self._manifest), what, fix)
