"""The table of unit sites, held against what the models and the config make of it."""

import dataclasses

from brodmann import sites
from brodmann.config.localizer import RESIDUAL_SITES
from brodmann.config.networks import NETWORK_SITES
from brodmann.models.families import TABLE, Architecture
from brodmann.sites import SITES


def test_every_named_site_has_a_path_in_every_family():
    paths = {field.name for field in dataclasses.fields(Architecture)}
    assert set(sites.NAMED) <= paths and not {"block_output"} & paths
    assert all(getattr(family, site) for family in TABLE for site in sites.NAMED)


def test_a_trace_of_all_sites_in_the_table_order_runs(models):
    """nnsight refuses to read what the model has run past."""
    model = models("llama")
    with model.nn.trace({"input_ids": [[5, 6, 7]]}):
        shapes = [model.module(site, 1).get().shape[-1] for site in SITES].save()
    assert shapes == [model.width(site) for site in SITES]
    assert shapes == [32, 32, 48, 32, 32]


def test_what_config_offers():
    """Values and their order as in earlier versions: the first that works is what a refusal advises."""
    assert sites.LOCALIZED == ("block_output", "mlp_output", "mlp_hidden")
    assert NETWORK_SITES == ("mlp_output", "mlp_hidden", "attention_output", "block_output")
    assert RESIDUAL_SITES == ("block_output", "mlp_output")
    # Those of mixtures of experts are after those of all models.
    assert list(sites.COMPONENTS) == ["neurons", "heads", "router", "experts"]
    assert list(sites.LEVELS)[:2] == ["neurons", "heads"]
    assert set(sites.ALL_LEVELS) == {*sites.LEVELS, "router", "experts"}


def test_units_write_to_what_comes_later():
    order = list(SITES)
    assert [site for site in sites.PLACES if site in SITES] == order
    assert set(sites.PLACES) == {*SITES, *sites.OF_MIXTURES}
    for site, target in sites.WRITES_TO.items():
        assert order.index(site) < order.index(target) and SITES[target].residual
