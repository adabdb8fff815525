"""Which sites of a model a study uses, by which key of its config. Light: read when rules are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brodmann.config.massive import KEEP
from brodmann.config.networks import NETWORK_SITES
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import read_json
from brodmann.models.wanted import Need
from brodmann.sites import COMPONENTS, LEVELS, LOCALIZED, NAMED, SITES


def needs(study: Study, model: str) -> tuple[Need, ...]:
    """The sites that the study uses of one model."""
    components = study.attribution.components
    found = [
        Need(
            COMPONENTS[component],
            "attribution.components",
            {f"[{other}]": site for other, site in COMPONENTS.items() if other != component},
        )
        for component in components
    ]
    found += [Need(site, key, {}) for site, key in study.attribution.more_sites.items()]
    if model in study.measured_models:
        levels = (LEVELS[level] for level in study.granularity.levels)
        more = dict.fromkeys(site for level in levels for site in level.sites)
        known = {need.site for need in found}
        found += [Need(site, "granularity.levels", {}) for site in more if site not in known]
    if study.localizer.networks:
        found.append(_needed(study.localizer.site, "localizer.site", LOCALIZED))
    if model in study.network_models:
        found.append(_needed(study.networks.site, "networks.site", NETWORK_SITES))
    named = {need.site for need in found}
    # What the entry of the model names itself is meant to be there.
    own = [site for site in study.model(model).units if site in NAMED and site not in named]
    return (*found, *(Need(site, "", {}) for site in own))


def layers_of_neurons(study: Study, model: str) -> str:
    """A level at which MLP layers are units of the model's circuits; "" if none is.

    Their scores are sums over neurons. In a mixture of experts these do not add up to a layer's: routers and
    shared experts have a part in what it writes.
    """
    levels = study.granularity.levels if model in study.measured_models else ()
    return next((name for name in levels if LEVELS[name].sums_neurons), "")


def refuse_layers_of_experts(study: Study, model: str, experts: Any) -> None:
    """An error where there is such a level. ``experts``: of the model's card; None without any."""
    if experts is not None and (level := layers_of_neurons(study, model)):
        what = f"{level}: in {model}, a mixture of experts, neurons' effects do not add up to a layer's"
        raise UserError.at("granularity.levels", what, "leave it out")


def _needed(site: str, key: str, sites: tuple[str, ...]) -> Need:
    return Need(site, key, {other: other for other in sites if other != site})


def sites(study: Study, model: str) -> tuple[str, ...]:
    """Their names."""
    return tuple(dict.fromkeys(need.site for need in needs(study, model)))


def without_massive(study: Study, model: str) -> tuple[str, ...]:
    """Sites whose units of massive activations the study leaves out, or sets apart."""
    found, networks = study.localizer, study.networks
    asked = {found.site} if found.networks and found.massive != KEEP else set()
    if model in study.network_models and networks.massive != KEEP:
        asked.add(networks.site)
    return tuple(site for site in SITES if site in asked)


def looked_at(study: Study, model: str) -> tuple[str, ...]:
    """Sites whose massive activations a check looks for: where they are known to be, and where they count."""
    asked = without_massive(study, model)
    return tuple(name for name, site in SITES.items() if site.residual or name in asked)


def not_looked_at(study: Study, model: str, card_file: str | Path) -> list[str]:
    """Sites whose massive activations the study leaves out, and a model's card does not name.

    None without a card.
    """
    try:
        known = read_json(card_file).get("massive") or {}
    except UserError:
        return []
    return [site for site in without_massive(study, model) if site not in known]


def unproved(study: Study, model: str, card_file: str | Path) -> list[str]:
    """Sites that the study uses and the check on a model's card did not prove; none without a card."""
    try:
        proved = read_json(card_file)["self_check"]["widths"]
    except (UserError, KeyError, TypeError):
        return []
    return [site for site in sites(study, model) if site not in proved]
