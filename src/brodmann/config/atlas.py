"""``atlas:``: what the pages of single units hold from the model (docs/atlas.md)."""

from __future__ import annotations

from typing import Any

from brodmann.config.section import Section, Whole
from brodmann.config.stages import UNIT_PAGES


class AtlasSettings(Section):
    """The pages of single units in the atlas (docs/atlas.md) - what each promotes, and what drives it."""

    units: Whole = 500
    """Units of each kind that have a page, of each model - the first of circuits, localizers and networks in
    turn; 0 for no pages."""
    tokens: Whole = 10
    """Tokens that each unit and network promotes, and as many that it suppresses; 0 for none."""
    places: Whole = 8
    """Tokens at which each unit and network is highest, and as many at which it is lowest, among the texts of
    networks.following; 0 for none."""

    @property
    def on(self) -> bool:
        """Whether units have pages."""
        return self.units > 0 and self.tokens + self.places > 0

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Of the pages, and of the passes that make what they hold on their way."""
        hosts = ["network_use_pass"]
        if set(study.measured_models) - set(study.network_models):
            hosts.append("ablation_pass")
        if stage in UNIT_PAGES or (stage in hosts and self.on):
            circuits = [*study.attribution.components, study.selection.main_name]
            return {"atlas": {**self.model_dump(mode="json"), "circuits": circuits}}
        return {}
