"""An edit experiment: sets of units changed one after another, each time with the same measures taken.

Lesions of localized units and edits of networks are both of this kind: every *edit* is measured on a corpus
and on tasks, under a key of its own for each measure, and set beside the intact model and beside random units
that were edited alike. Light but for what runs a model: the tables are made without one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.errors import UserError
from brodmann.files import canonical_json
from brodmann.runner.target import Target
from brodmann.significance import effects
from brodmann.significance.fdr import with_q
from brodmann.store.work import OnStep, Records, Work

if TYPE_CHECKING:
    from brodmann.runner.bench import Bench
    from brodmann.runner.measures import Questions

CORPUS = ""  # in place of a task
# A condition, random units of the same layers that are as active; and the columns of tables that have such
# rows: the tests against them, and the mean absolute activation of the units that are changed.
ACTIVATION_MATCHED = "activation_matched"
MATCHED = ("p_matched", "q_matched", "activation")
Test = Callable[[np.ndarray, Sequence[np.ndarray]], float]


@dataclass(frozen=True, eq=False)
class Edit:
    """Units changed alike; without any the model is as it is, whatever ``how``.

    ``label``: its name, unique in the experiment. ``cells``: what tables say of it. ``group``: the edits that
    it is compared within, its random controls (``control``) and what they are controls of; None for the
    intact model. ``active``: the same of controls that are as active, whose ``group`` is another. ``of``:
    what the units are, for whoever made the edit.
    """

    label: str
    cells: Mapping[str, object]
    units: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # layer * width + unit
    how: str = ""  # see runner.edits
    amount: float | None = None
    group: Hashable = None
    control: bool = False
    active: Hashable = None
    of: Any = None

    @property
    def edits(self) -> bool:
        """Whether any unit is changed."""
        return len(self.units) > 0


@contextmanager
def applied(
    bench: Bench, edit: Edit, site: str, amount: float | np.ndarray | None = None
) -> Iterator[None]:
    """Edit the model within the block; ``amount``, one or [layers, units]: in place of the edit's own."""
    from brodmann.runner.edits import edited

    if not edit.edits:
        yield
        return
    width = bench.model.width(site)
    pairs = [divmod(unit, width) for unit in edit.units.tolist()]
    with edited(bench.model, pairs, edit.how, edit.amount if amount is None else amount, site=site):
        yield


def floor_of(bench: Bench, edit: Edit, site: str) -> int:
    """The lowest layer that an edit changes; 0 of the intact model, which is run as a whole."""
    return int(edit.units.min()) // bench.model.width(site) if edit.edits else 0


def from_below(edits: Sequence[Edit]) -> list[Edit]:
    """The intact model first, then by the lowest layer that is changed: what lies below it is run once."""
    return sorted(edits, key=lambda edit: int(edit.units.min()) if edit.edits else -1)


def require_finite(
    values: Sequence[float] | np.ndarray, place: Callable[[int], str], what: str, fix: str
) -> None:
    """Refuse the first value that is none; ``place`` tells where, of its number in the flat array."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    if (bad := np.flatnonzero(~np.isfinite(flat))).size:
        raise UserError.at(place(int(bad[0])), f"{what} {flat[bad[0]]}", fix)


@dataclass(frozen=True)
class Experiment:
    """What edits are measured on, and how.

    ``key``: of an edit on a measure (``CORPUS`` or a task). ``record``: what is kept of a task's answers.
    ``both_prompts``: whether dual-answer items are asked after the corrupted prompt, too. ``amount``: what
    units are changed to where that has to be measured first. ``under`` and ``fix``: what is said if the
    edited model's numbers are none.
    """

    site: str
    passages: Sequence[str]
    targets: Mapping[str, Target]
    key: Callable[[Edit, str], str]
    record: Callable[[list[list[float] | None]], Mapping[str, Any]]
    under: str
    fix: str
    both_prompts: bool = False
    amount: Callable[[Bench, Edit], np.ndarray | None] = lambda _, __: None
    _kept: dict[tuple[tuple[str, ...], Bench], Questions] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def measures(self) -> tuple[str, ...]:
        """The corpus, then the tasks."""
        return (CORPUS, *self.targets)

    def work(self, edit: Edit, group: str = "") -> Work[Bench]:
        """One edit on every measure, a record each."""
        measures = {name_of(edit, measure): measure for measure in self.measures}

        def compute(bench: Bench, names: Sequence[str], _: OnStep) -> Iterator[dict[str, bytes]]:
            amount = self.amount(bench, edit)
            questions = self._questions(bench, tuple(measures[name] for name in names))
            what = f"{self.under} {bench.model.name} gives a log-probability of"
            with applied(bench, edit, self.site, amount):
                found = questions.records(floor_of(bench, edit, self.site), what, self.fix)
            yield {
                name: canonical_json({**found[measures[name]], "computed_with": bench.made_with})
                for name in names
            }

        keys = {name: self.key(edit, measure) for name, measure in measures.items()}
        read = sum(map(len, self.passages))
        read += sum(target.characters.all for target in self.targets.values())
        # A record's share: an edit is measured as a whole.
        return Work(edit.label, keys, compute, group, cost=read // len(keys))

    def works(
        self, edits: Sequence[Edit], group: Callable[[Edit], str] = lambda _: ""
    ) -> list[Work[Bench]]:
        """Every edit on every measure, in the order that spares most work."""
        return [self.work(edit, group(edit)) for edit in from_below(edits)]

    def _questions(self, bench: Bench, measures: tuple[str, ...]) -> Questions:
        """Made once for edits that the store lacks the same measures of."""
        from brodmann.runner.measures import CorpusMeasure, Questions, TaskMeasure

        if (measures, bench) not in self._kept:
            self._kept.clear()
            self._kept[measures, bench] = Questions(
                bench,
                {
                    measure: TaskMeasure(
                        measure,
                        bench.encoded(self.targets[measure]),
                        self.both_prompts,
                        self.record,
                    )
                    if measure != CORPUS
                    else CorpusMeasure(bench.model.tokenizer, self.passages)
                    for measure in measures
                },
            )
        return self._kept[measures, bench]


def name_of(edit: Edit, measure: str) -> str:
    """What the manifest calls an edit's record on a measure."""
    return f"{edit.label} on {measure or 'the corpus'}"


# The tables


def records_of(
    records: Records, edits: Sequence[Edit], measure: str, what: str
) -> list[dict[str, Any]]:
    """Each edit's record on one measure."""
    import json

    return [json.loads(records.get(name_of(edit, measure), what)) for edit in edits]


def corpus_rows(
    edits: Sequence[Edit], records: Sequence[Mapping[str, Any]], seed: int
) -> list[dict[str, Any]]:
    """Perplexity per token, which is tested, and per word: there it is the same question again."""
    surprise = [-np.array(own["log_probs"]) / np.array(own["tokens"]) for own in records]
    values = {
        measure: [effects.perplexity(own["log_probs"], own[count], seed) for own in records]
        for measure, count in (("perplexity", "tokens"), ("word_perplexity", "words"))
    }
    return rows_of(edits, CORPUS, values, p_values(edits, surprise, effects.rank_test))


def p_values(
    edits: Sequence[Edit], values: Sequence[np.ndarray], test: Test
) -> list[dict[str, float]]:
    """p of each edit against the intact model, which is the first; and, of all but random units, against
    their random controls, and against those that are as active. ``values``: per edit [n], of the same texts
    or prompts in the same order."""
    controls: dict[Hashable, list[np.ndarray]] = {}
    matched: dict[Hashable, list[np.ndarray]] = {}
    for edit, own in zip(edits, values, strict=True):
        if edit.control:
            controls.setdefault(edit.group, []).append(own)
            matched.setdefault(edit.active, []).append(own)
    found: list[dict[str, float]] = []
    for edit, own in zip(edits, values, strict=True):
        p = {} if edit.group is None else {"p": test(own, [values[0]])}
        if p and not edit.control and edit.group in controls:
            p["p_random"] = test(own, controls[edit.group])
        if not edit.control and edit.active is not None and edit.active in matched:
            p["p_matched"] = test(own, matched[edit.active])
        found.append(p)
    return found


def rows_of(
    edits: Sequence[Edit],
    task: str,
    values: Mapping[str, Sequence[effects.Value]],
    tested: Sequence[Mapping[str, float]],
) -> list[dict[str, Any]]:
    """A row per edit for each measure (its name -> a value per edit); tests stand with the first measure."""
    first = next(iter(values))
    return [
        {
            **edit.cells,
            "measure": measure,
            "task": task,
            **asdict(value),
            "intact": own[0].value,
            **(p if measure == first else {}),
        }
        for measure, own in values.items()
        for edit, value, p in zip(edits, own, tested, strict=True)
    ]


def with_every_q(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table with the q of every kind of p."""
    return with_q(with_q(with_q(rows), p="p_random", q="q_random"), p="p_matched", q="q_matched")
