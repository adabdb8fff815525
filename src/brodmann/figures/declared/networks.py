"""Figures of functional networks: of one model, and of every two."""

from __future__ import annotations

from brodmann.figures.registry import Files, Scene, family, figure


def _models(scene: Scene) -> list[Scene]:
    return [scene.at(model) for model in scene.study.network_models]


def _across(scene: Scene) -> list[Scene]:
    return [scene] if len(scene.study.network_models) > 1 else []


def _tables(scene: Scene, *names: str) -> Files:
    return {name: f"{scene.folder}/networks/{name}.csv" for name in names}


FAMILIES = (
    family(
        "network_map_figures",
        "{wildcards.model}: drawing its networks",
        _models,
        lambda scene: _tables(scene, "consistency", "template_iou", "sizes", "layers"),
        lambda scene: {"label": scene.label, "threshold": scene.study.networks.iou_threshold},
        figure("networks_consistency.{model}", "networks:of_consistency"),
        figure(
            "networks_layers.{model}",
            "networks:of_layers",
            "Where networks lie: {model}",
            networks="Units of each template by layer.",
        ),
        figure("networks_sizes.{model}", "networks:of_sizes"),
        figure("networks_template_iou.{model}", "networks:of_template_iou"),
    ),
    family(
        "network_figures",
        "{wildcards.model}: drawing what its networks do",
        _models,
        lambda scene: {
            **_tables(scene, "editing", "connectivity", "agreement"),
            "layers": f"{scene.folder}/networks/agreement_layers.csv",
        },
        lambda scene: {"model": scene.model},
        figure(
            "networks_editing.{model}",
            "network_use:of_editing",
            "What editing networks does: {model}",
            networks="Perplexity per token with a network's units edited, beside as many random units ({draws}); in "
            "brackets: units. Below, on an axis of their own, sets: all units of a dataset's networks; the "
            "{scene.study.networks.use.editing.top_percent:g} % with the highest absolute z in any (top); of two datasets "
            "all units (union), those of both (intersection) and those of one only (difference).",
        ),
        figure("networks_connectivity.{model}", "network_use:of_connectivity"),
        figure(
            "networks_agreement.{model}",
            "network_agreement:of_maps",
            "Three maps of one model: {model}",
            networks="Above: what two maps have in common, divided by what they have when units (for depth: layers) are permuted. "
            "ICA: all networks of a dataset together. Units in common: intersection over union. Written by circuits: the share "
            "of their squared write vectors on the other map's units. Common depth: the common part of the distributions over "
            "layers. Filled: q < 0.05, over these comparisons and those of each network alone. Below: the share of each map's "
            "units in each layer.",
        ),
    ),
    family(
        "networks_across",
        "Drawing how networks of different models go together",
        _across,
        lambda _: {"table": "results/statistics/network_connectivity.csv"},
        lambda _: {},
        figure(
            "networks_across",
            "network_use:of_every_two",
            "Networks of different models",
            networks_across="Pearson's r of the mean courses of every two networks over the same texts; tokens that "
            "both models end at the same character are lined up.",
        ),
    ),
)
