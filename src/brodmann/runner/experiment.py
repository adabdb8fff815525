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

CORPUS = ""  # in place of a task
Test = Callable[[np.ndarray, Sequence[np.ndarray]], float]


@dataclass(frozen=True, eq=False)
class Edit:
    """Units changed alike; without any the model is as it is, whatever ``how``.

    ``label``: its name, unique in the experiment. ``cells``: what tables say of it. ``group``: the edits that
    it is compared within, its random controls (``control``) and what they are controls of; None for the
    intact model. ``of``: what the units are, for whoever made the edit.
    """

    label: str
    cells: Mapping[str, object]
    units: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # layer * width + unit
    how: str = ""  # see runner.edits
    amount: float | None = None
    group: Hashable = None
    control: bool = False
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

    @property
    def measures(self) -> tuple[str, ...]:
        """The corpus, then the tasks."""
        return (CORPUS, *self.targets)

    def work(self, edit: Edit, group: str = "") -> Work[Bench]:
        """One edit on every measure, a record each."""
        measures = {name_of(edit, measure): measure for measure in self.measures}

        def compute(bench: Bench, names: Sequence[str], _: OnStep) -> Iterator[dict[str, bytes]]:
            amount = self.amount(bench, edit)
            for name in names:
                with applied(bench, edit, self.site, amount):
                    measure = measures[name]
                    found = self._task(bench, measure) if measure else self._corpus(bench)
                yield {name: canonical_json({**found, "computed_with": bench.made_with})}

        keys = {name: self.key(edit, measure) for name, measure in measures.items()}
        return Work(edit.label, keys, compute, group)

    def _corpus(self, bench: Bench) -> dict[str, Any]:
        from brodmann.runner.perplexity import score_passages

        found = score_passages(bench.scorer, bench.model.tokenizer, self.passages)
        self._require_finite(bench, found.log_probs, "the corpus, passage")
        return asdict(found)

    def _task(self, bench: Bench, task: str) -> Mapping[str, Any]:
        """What is kept of each used item's log-probabilities: None of an item that cannot be asked.

        Dual: both answers after the prompt. Single: the answer's two prompts, read as a whole, which must be
        equally long.
        """
        from brodmann.runner.answers import queries_of

        items = bench.encoded(self.targets[task])
        asked = [n for n, item in enumerate(items) if item.incorrect is not None or item.aligned]
        each = [
            queries_of(items[n])[2:]
            if items[n].incorrect is None
            else queries_of(items[n])[: 4 if self.both_prompts else 2]
            for n in asked
        ]
        values = bench.scorer.log_probabilities([query for own in each for query in own])
        self._require_finite(bench, values, f"{task}, answer")
        rows: list[list[float] | None] = [None] * len(items)
        start = 0
        for n, own in zip(asked, each, strict=True):
            rows[n] = values[start : start + len(own)]
            start += len(own)
        return self.record(rows)

    def _require_finite(self, bench: Bench, values: Sequence[float], where: str) -> None:
        what = f"{self.under} {bench.model.name} gives a log-probability of"
        require_finite(values, lambda number: f"{where} {number + 1}", what, self.fix)


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
    their random controls. ``values``: per edit [n], of the same texts or prompts in the same order."""
    controls: dict[Hashable, list[np.ndarray]] = {}
    for edit, own in zip(edits, values, strict=True):
        if edit.control:
            controls.setdefault(edit.group, []).append(own)
    found: list[dict[str, float]] = []
    for edit, own in zip(edits, values, strict=True):
        p = {} if edit.group is None else {"p": test(own, [values[0]])}
        if p and not edit.control and edit.group in controls:
            p["p_random"] = test(own, controls[edit.group])
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


def with_both_q(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table with the q of both kinds of p."""
    return with_q(with_q(rows), p="p_random", q="q_random")
