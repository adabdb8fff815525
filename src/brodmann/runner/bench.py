"""What a pass computes with: a loaded model, and what runs texts and items through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from brodmann.config.study import Study
from brodmann.models.sources import WeightsRecord
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.target import Target
from brodmann.tasks.items import TaskItems

if TYPE_CHECKING:
    from brodmann.runner.activations import Activations
    from brodmann.runner.encode import EncodedItem, Encoder, Ids
    from brodmann.runner.engine import Engine
    from brodmann.runner.scoring import Scorer


class _Counting(Protocol):
    @property
    def forward_passes(self) -> int: ...


Counter = TypeVar("Counter", bound=_Counting)


class Bench:
    """A loaded model with its encoder and scorer, each made when it is first asked for."""

    def __init__(self, study: Study, model: Any) -> None:
        self.study = study
        self.model = model
        self._counters: list[_Counting] = []
        self._encoded: dict[tuple[str, PromptPlan, str], list[EncodedItem]] = {}

    @classmethod
    def opener(cls, study: Study, name: str, record_file: str, threads: int) -> Callable[[], Bench]:
        """Loads a model of the study and sets it up, when it is called."""
        record = WeightsRecord.read(record_file)
        return lambda: cls(study, load(study, name, record, threads, together=True))

    @property
    def batch_tokens(self) -> int | None:
        """Tokens that are run at once, if the user says so."""
        return self.study.execution.batch_tokens

    @cached_property
    def made_with(self) -> Mapping[str, Any]:
        """For records: software and device. Versions are read from files: once, not for every record."""
        return {**software(), "device": str(self.model.device)}

    @property
    def forward_passes(self) -> int:
        """So far, of all that was counted."""
        return sum(counter.forward_passes for counter in self._counters)

    def counted(self, counter: Counter) -> Counter:
        """``counter``, whose forward passes are from now on counted as this pass's."""
        self._counters.append(counter)
        return counter

    @cached_property
    def engine(self) -> Engine:
        """Runs whatever is asked of the model's tokens."""
        from brodmann.runner.engine import Engine

        return self.counted(Engine(self.model, self.batch_tokens))

    @cached_property
    def scorer(self) -> Scorer:
        """Log-probabilities of answers and passages."""
        from brodmann.runner.scoring import Scorer

        return Scorer(self.model, engine=self.engine)

    @cached_property
    def encoder(self) -> Encoder:
        """Items as token ids."""
        from brodmann.runner.encode import Encoder

        return Encoder(self.model.tokenizer, self.model.name)

    def encode(self, items: TaskItems, plan: PromptPlan) -> list[EncodedItem]:
        """All items of a task; encoded once."""
        at = (items.task, plan, items.digest(plan.wording))
        if at not in self._encoded:
            self._encoded[at] = self.encoder.encode(items, plan)
        return self._encoded[at]

    def encoded(self, target: Target) -> list[EncodedItem]:
        """The used items of a task."""
        every = self.encode(target.items, target.plan)
        return [every[number] for number in target.used]

    def texts(
        self, texts: Sequence[str], *, truncate: int | None = None, where: str = "the texts"
    ) -> list[Ids]:
        """Texts as token ids."""
        from brodmann.runner.texts import encode_texts

        return encode_texts(self.model.tokenizer, texts, truncate=truncate, where=where)

    def activations(self, site: str) -> Activations:
        """Reads the activations of a site."""
        from brodmann.runner.activations import Activations

        return Activations(self.model, site=site, engine=self.engine)
