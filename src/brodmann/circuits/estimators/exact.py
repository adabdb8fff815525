"""True activation patching of a sample: the units that are strongest at first order, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brodmann.circuits.estimators.patching import Patching

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Attributor
    from brodmann.circuits.replicates import Accumulator
    from brodmann.runner.encode import EncodedItem

# Items that are measured at a time, each with a value for every unit.
_ITEMS = 8


@dataclass(frozen=True)
class Exact(Patching):
    """A forward pass per unit and item, for the ``units`` strongest at first order; all others get 0.

    So does a unit whose score at first order is 0: its activation is the same in both prompts of every item,
    and all that a pass would measure is rounding.
    """

    units: int

    name = "exact"
    label = "activation patching"
    summary = "true activation patching of a sample"
    has_replicates = False
    measures = True

    @classmethod
    def of(cls, settings: Any) -> Exact:
        """See ``Estimator``."""
        return cls(settings.exact_units)

    def key(self) -> dict[str, Any]:
        """See ``Estimator``."""
        return {"units": self.units}

    def sentence(self) -> str:
        """See ``Estimator``."""
        return (
            f"activation patching [@vig2020investigating] of the {self.units} units that are strongest "
            "at first order"
        )

    def rows(self, layers: int, components: int) -> int:
        """Those of the first order, then both answers of every unit."""
        return super().rows(layers, components) + 2 * self.units * components

    @property
    def scores_answers(self) -> bool:
        """Its contributions are not known before all of them are."""
        return False

    def refined(
        self, run: Attributor, component: str, found: Accumulator, items: Sequence[EncodedItem]
    ) -> Accumulator:
        """The true effects in place of those at first order."""
        import numpy as np

        from brodmann.circuits.replicates import Accumulator

        sums = Accumulator(found.weights, found.shape)
        flat = np.abs(found.mean).reshape(-1)
        chosen = np.argsort(-flat, kind="stable")[: self.units]
        chosen = np.sort(chosen[flat[chosen] > 0])
        width = found.shape[1]
        units = [(int(unit) // width, int(unit) % width) for unit in chosen]
        for start in range(0, len(items), _ITEMS):
            numbers = list(range(start, min(start + _ITEMS, len(items))))
            effects = run.exact_effects([items[n] for n in numbers], component, units)
            values = np.zeros((len(numbers), flat.size), dtype=np.float32)
            values[:, chosen] = effects.numpy()
            sums.add(numbers, values.reshape(len(numbers), *found.shape))
        return sums
