"""The texts of a study's datasets: which samples are decomposed together, and which one by one."""

from __future__ import annotations

from dataclasses import dataclass

from brodmann.config.networks import Dataset, NetworkSettings
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import digest
from brodmann.models.card import ModelCard
from brodmann.runner.prompting import plan_prompts
from brodmann.stimuli.corpora import clean_prompts, load_corpus
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import read_items


@dataclass(frozen=True)
class Texts:
    """A dataset's samples: those of the group level, and others for the individual level."""

    name: str
    group: tuple[str, ...]
    individual: tuple[str, ...]

    @property
    def group_sha256(self) -> str:
        """Hash of the texts that templates come from."""
        return digest(list(self.group))


def dataset_texts(study: Study, name: str, card: ModelCard) -> Texts:
    """The samples of a dataset, drawn with the networks' seed; a task's prompts in the model's wording."""
    settings = study.networks
    dataset = settings.datasets[name]
    samples = _samples(study, dataset, card)
    require_enough(settings, name, len(samples))
    first, more = settings.group_samples, settings.individual_samples
    chosen = Dice("networks", settings.seed, name).shuffled(list(range(len(samples))))
    drawn = tuple(samples[number] for number in chosen[: first + more])
    return Texts(name, drawn[:first], drawn[first:])


def require_enough(settings: NetworkSettings, name: str, number: int) -> None:
    """Whether a dataset of so many samples will do for both levels."""
    needed = settings.group_samples + settings.individual_samples
    if number < needed:
        raise UserError.at(
            f"networks.datasets.{name}",
            f"{number} samples, {needed} are needed",
            "lower networks.group_samples or networks.individual_samples",
        )


def group_texts(study: Study, name: str, card: ModelCard) -> tuple[str, ...]:
    """The texts that a dataset's templates were found in."""
    return dataset_texts(study, name, card).group


def _samples(study: Study, dataset: Dataset, card: ModelCard) -> tuple[str, ...]:
    def prompts(task: str) -> tuple[str, ...]:
        items = read_items(f"results/items/{task}.json")
        plan = plan_prompts(items, study.model(card.name).prompting, card.has_chat_template)
        return clean_prompts(items, plan.wording)

    settings = study.networks
    return load_corpus(
        dataset.source, stimuli=settings.stimuli, seed=settings.seed, prompts=prompts
    ).samples
