"""``compare:``: pairs of models whose maps are held against each other."""

from __future__ import annotations

from collections.abc import Mapping

from brodmann.config.models import ModelEntry
from brodmann.config.resolve import Resolver
from brodmann.config.section import Distinct, DistinctSome, Section, SomeText
from brodmann.errors import did_you_mean


class CompareSettings(Section):
    """How far the maps of a model are from those of another one of the same shape, e.g. of a quantised from
    the full one (docs/compared.md). Nothing more is run for it."""

    pairs: Distinct[DistinctSome[SomeText]] = ()
    """Two models each, e.g. [[full, quantised]]; differences are of the second less the first."""

    def resolved(self, models: Mapping[str, ModelEntry], here: Resolver) -> CompareSettings:
        """The section; its names must be of models that are run."""
        path = ("compare", "pairs")
        for pair in self.pairs:
            if len(pair) != 2:
                what = f"'{', '.join(pair)}' is no pair of models"
                here.problem(path, what, "e.g. [full, quantised]")
            for name in pair:
                if name not in models:
                    here.problem(path, f"no model '{name}'", did_you_mean(name, models))
                elif models[name].results_only:
                    here.problem(path, f"of '{name}' only matrices are at hand", "leave it out")
        return self
