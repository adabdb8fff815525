"""From log-probabilities to the baseline of the results contract. Light: no model, no torch.

Shares are over aligned items. Ties count as wrong. ``used_ids`` are the items on which circuits are found
and tested: the both-correct ones, or all aligned ones under ``filter: aligned``. An untrained model beside
its trained one has those of the aligned ones that the trained one uses, and leaves out the tasks that the
trained one leaves out: what is compared is of the same tasks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brodmann.config.models import Inclusion
from brodmann.files import read_record

# A smaller difference between clean and corrupted baseline is no contrast to normalise by.
MIN_CONTRAST = 1e-3


@dataclass(frozen=True)
class Baseline:
    """``results/{model}/baseline/{task}.json``. A share or mean over no items is None."""

    n_items: int
    n_aligned: int
    n_both_correct: int
    clean_accuracy: float | None
    corrupted_accuracy: float | None
    both_correct_accuracy: float | None
    clean_baseline: float | None
    corrupted_baseline: float | None
    both_correct_ids: list[int]
    included: bool
    reason: str
    # True only for control models without contrast: scores stay differences, undivided.
    unnormalised: bool = False
    single_answer: bool = False
    used_ids: list[int] = field(default_factory=list)
    misaligned_ids: list[int] = field(default_factory=list)
    # Per aligned item: id, token counts, log-probabilities.
    items: list[dict[str, Any]] = field(default_factory=list)

    @property
    def contrast(self) -> float:
        """What differences of log-probabilities are divided by to be in units of the normalised metric."""
        if self.unnormalised or self.clean_baseline is None or self.corrupted_baseline is None:
            return 1.0
        return self.clean_baseline - self.corrupted_baseline

    @classmethod
    def read(cls, path: str | Path) -> Baseline:
        """Read what the baseline stage wrote."""
        return read_record(path, cls)

    def to_json(self) -> dict[str, Any]:
        """As it is written to the file."""
        return asdict(self)


@dataclass(frozen=True)
class Lent:
    """The items that another model uses of a task; None where it leaves the task out."""

    model: str
    used_ids: Collection[int] | None


def baseline_of(scores: dict[str, Any], inclusion: Inclusion, lent: Lent | None = None) -> Baseline:
    """Apply the alignment filter, the both-correct rule and the inclusion rule to stored scores.

    ``scores`` is a ``BaselineScores`` as a dict (as it lies in the store). ``lent`` narrows what
    ``filter: aligned`` keeps.
    """
    log_probs = scores["log_probs"]
    single = scores["single_answer"]
    n_items = len(scores["clean_tokens"])
    rows = [{name: column[n] for name, column in log_probs.items()} for n in range(n_items)]
    aligned = [
        n for n in range(n_items) if scores["clean_tokens"][n] == scores["corrupted_tokens"][n]
    ]
    judge = _judge_single if single else _judge_dual
    verdicts = {n: judge(rows[n]) for n in aligned}
    both = [n for n in aligned if all(verdicts[n])]
    used, kept = both, ""
    if inclusion.filter == "aligned":
        used, kept = _kept(aligned, lent)
    clean_baseline = _mean([_contrast(rows[n], single)[0] for n in used])
    corrupted_baseline = _mean([_contrast(rows[n], single)[1] for n in used])
    included, unnormalised, reason = _decide(
        n_items, len(aligned), len(both), clean_baseline, corrupted_baseline, inclusion, kept
    )
    tokens = scores["clean_tokens"]
    return Baseline(
        n_items=n_items,
        n_aligned=len(aligned),
        n_both_correct=len(both),
        clean_accuracy=_mean([verdicts[n][0] for n in aligned]),
        corrupted_accuracy=_mean([verdicts[n][1] for n in aligned]),
        both_correct_accuracy=_mean([all(verdicts[n]) for n in aligned]),
        clean_baseline=clean_baseline,
        corrupted_baseline=corrupted_baseline,
        both_correct_ids=both,
        included=included,
        reason=reason,
        unnormalised=unnormalised,
        single_answer=single,
        used_ids=used,
        misaligned_ids=[n for n in range(n_items) if n not in verdicts],
        items=[{"id": n, "prompt_tokens": tokens[n], **rows[n]} for n in aligned],
    )


def _kept(aligned: list[int], lent: Lent | None) -> tuple[list[int], str]:
    """The aligned items that count, and what is said of them."""
    every = f"keeps all {len(aligned)} aligned items"
    if lent is None:
        return aligned, every
    if lent.used_ids is None:
        return [], f"keeps no item: {lent.model} leaves the task out"
    used = sorted(set(aligned) & set(lent.used_ids))
    return used, f"keeps the {len(used)} aligned items that {lent.model} uses"


def _judge_dual(row: dict[str, float]) -> tuple[bool, bool]:
    """(right on the clean prompt, right on the corrupted prompt)."""
    return (
        row["clean_correct"] > row["clean_incorrect"],
        row["corrupted_incorrect"] > row["corrupted_correct"],
    )


def _judge_single(row: dict[str, float]) -> tuple[bool, bool]:
    """Clean, corrupted and both-correct are one and the same condition here."""
    right = row["clean_joint"] > row["corrupted_joint"]
    return right, right


def _contrast(row: dict[str, float], single: bool) -> tuple[float, float]:
    """The metric of one item on the (clean, corrupted) prompt."""
    if single:
        return row["clean_answer"], row["corrupted_answer"]
    return (
        row["clean_correct"] - row["clean_incorrect"],
        row["corrupted_correct"] - row["corrupted_incorrect"],
    )


def _mean(values: list[float] | list[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _decide(
    n_items: int,
    n_aligned: int,
    n_both: int,
    clean_baseline: float | None,
    corrupted_baseline: float | None,
    inclusion: Inclusion,
    kept: str,
) -> tuple[bool, bool, str]:
    """(included, unnormalised, reason). ``kept``: what ``filter: aligned`` does."""
    if n_aligned == 0:
        return False, False, f"no aligned items (of {n_items})"
    share = n_both / n_aligned
    if inclusion.filter == "both_correct":
        if share < inclusion.min_both_correct:
            return (
                False,
                False,
                f"both-correct share {share:.3f} is below {inclusion.min_both_correct:g}",
            )
        if n_both < max(1, inclusion.min_items):
            return False, False, f"{n_both} both-correct items, {inclusion.min_items} are needed"
        reason = f"both-correct share {share:.3f} reaches {inclusion.min_both_correct:g}"
    else:
        reason = f"filter: aligned {kept}"
        if clean_baseline is None:
            return False, False, reason
    assert clean_baseline is not None and corrupted_baseline is not None
    if not clean_baseline - corrupted_baseline > MIN_CONTRAST:
        if inclusion.control:
            return True, True, f"{reason}; no contrast: differences are left unnormalised"
        return False, False, "no contrast"
    return True, False, reason
