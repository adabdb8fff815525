"""What an estimator of units' effects is: its mathematics, its cost, its words, its part of store keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

# At which tokens of a prompt units are scored (``circuits.positions``).
LAST, DIFFERING, ALL = "last", "differing", "all"
POSITIONS = (LAST, DIFFERING, ALL)
# (site, layer) -> a torch tensor, mostly [spots, width].
SiteValues = dict[tuple[str, int], Any]


@dataclass(frozen=True)
class Estimator(ABC):
    """One way to score units: a subclass in a file of this folder is a value of ``attribution.estimator``.

    Its fields are the settings that it alone has. Importing it loads no torch: config, plans and the report
    read its facts, so that what computes is imported where it computes.
    """

    name: ClassVar[str]  # as in config.yaml and in tables
    label: ClassVar[str]  # of a figure's axis
    summary: ClassVar[str]  # in the documentation of the config
    # BibTeX entries that its sentence cites and workflow/report/methods.bib lacks.
    bibliography: ClassVar[str] = ""
    # Whether halves and bootstraps of the items say anything: not where all items choose the units.
    has_replicates: ClassVar[bool] = True
    # Whether it measures effects instead of estimating them: then it is compared with nothing.
    measures: ClassVar[bool] = False
    # Whether its contributions are of units, [items, units], where a sum over the spots and over the
    # dimensions of a head would not be the same.
    sums_units: ClassVar[bool] = False
    # Sites that a model must have for it, beside those of the units.
    sites: ClassVar[tuple[str, ...]] = ()
    # Whether corrupted prompts are run anew from the first token that differs, and not from the first spot.
    from_first_difference: ClassVar[bool] = False

    @classmethod
    def of(cls, settings: Any) -> Estimator:
        """With its own settings out of ``attribution:`` (an ``AttributionSettings``)."""
        return cls()

    def key(self) -> dict[str, Any]:
        """What attributions depend on beside the name and the gradient: part of their store key."""
        return {}

    @abstractmethod
    def sentence(self) -> str:
        """How scores are made, with citations; goes on "A unit's score is its mean over items by"."""

    @abstractmethod
    def rows(self, layers: int, components: int) -> int:
        """Rows over one answer that an item needs, forward and backward, for both of its answers."""

    @property
    def at_once(self) -> int:
        """Rows that one answer of one item takes in a pass with gradients."""
        return 1

    @property
    def scores_answers(self) -> bool:
        """Whether it runs the untouched corrupted prompts with all answers, so that a baseline can be read on
        the way, and nothing is left to be refined."""
        return False

    @abstractmethod
    def contributions(self, run: Any, chunk: Any) -> SiteValues:
        """What every unit contributes to the metric, float32 [spots, width] of each site: of every dimension
        at every token at which units are scored, which are then summed ([items, units] if ``sums_units``).

        ``run``: the ``circuits.attribution.Attributor`` with the model and its sites; ``chunk``: items with
        their clean activations and corrupted contexts.
        """

    def refined(self, run: Any, component: str, found: Any, items: Any) -> Any:
        """What is stored in the end: an ``Accumulator``, from the one that holds all contributions."""
        return found
