"""lm-evaluation-harness on an edited model: the extra ``lm-eval``, see docs/networks-use.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.errors import UserError
from brodmann.runner.edits import edited

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel


def evaluate_edited(
    model: LoadedModel,
    units: Iterable[tuple[int, int]] | np.ndarray = (),
    how: str = "inhibit",
    amount: float | np.ndarray | None = None,
    *,
    tasks: Sequence[str],
    site: str = "mlp_output",
    include_path: str | Path | None = None,
    batch_size: int = 8,
    **options: Any,
) -> dict[str, Any]:
    """What ``lm_eval.simple_evaluate`` returns for the model while ``units`` are edited; none: intact.

    ``include_path``: a folder of tasks, such as an export; ``options`` go to ``simple_evaluate``.
    """
    try:
        import lm_eval
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager
    except ImportError:
        fix = "in the clone: pip install -e '.[lm-eval]'"
        raise UserError.at("lm-eval", "lm-evaluation-harness is not installed", fix) from None
    harness = HFLM(pretrained=model.hf, tokenizer=model.tokenizer, batch_size=batch_size)
    if include_path is not None:
        own = TaskManager(include_path=str(include_path), include_defaults=False)
        options.setdefault("task_manager", own)
    with edited(model, units, how, amount, site=site):
        results: dict[str, Any] = lm_eval.simple_evaluate(
            model=harness, tasks=list(tasks), **options
        )
        return results
