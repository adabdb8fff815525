"""Figures of functional networks: of one model, and of every two."""

from __future__ import annotations

from brodmann.figures.registry import Family, Figure, Place, Scene


def _models(scene: Scene) -> list[Scene]:
    return [scene.at(model) for model in scene.study.network_models]


def _across(scene: Scene) -> list[Scene]:
    return [scene] if len(scene.study.network_models) > 1 else []


def _table(scene: Scene, name: str) -> str:
    return f"{scene.folder}/networks/{name}.csv"


FAMILIES = (
    Family(
        "network_map_figures",
        "{wildcards.model}: drawing its networks",
        (
            Figure(
                "networks_consistency.{model}",
                "networks:of_consistency",
                "Templates that come back: {model}",
                (
                    Place(
                        "networks",
                        lambda scene: (
                            "Networks of single texts with an IoU above "
                            f"{scene.study.networks.iou_threshold:g} with each template; "
                            f"{scene.study.networks.individual_samples} samples of at most "
                            f"{scene.study.networks.individual_components} networks each."
                        ),
                    ),
                ),
            ),
            Figure(
                "networks_layers.{model}",
                "networks:of_layers",
                "Where networks lie: {model}",
                (Place("networks", "Units of each template by layer."),),
            ),
            Figure("networks_sizes.{model}", "networks:of_sizes"),
            Figure("networks_template_iou.{model}", "networks:of_template_iou"),
        ),
        _models,
        lambda scene: {
            name: _table(scene, name) for name in ("consistency", "template_iou", "sizes", "layers")
        },
        lambda scene: {"label": scene.label, "threshold": scene.study.networks.iou_threshold},
    ),
    Family(
        "network_figures",
        "{wildcards.model}: drawing what its networks do",
        (
            Figure(
                "networks_editing.{model}",
                "network_use:of_editing",
                "What editing networks does: {model}",
                (
                    Place(
                        "networks",
                        "Perplexity per word with a network's units edited, beside as many random units ({draws}).",
                    ),
                ),
            ),
            Figure("networks_connectivity.{model}", "network_use:of_connectivity"),
            Figure(
                "networks_agreement.{model}",
                "network_agreement:of_maps",
                "Three maps of one model: {model}",
                (
                    Place(
                        "networks",
                        "Circuits, localized units and networks, compared in the spaces where that is defined, with what "
                        "permutations give.",
                    ),
                ),
            ),
        ),
        _models,
        lambda scene: {
            **{name: _table(scene, name) for name in ("editing", "connectivity", "agreement")},
            "layers": _table(scene, "agreement_layers"),
        },
        lambda scene: {"model": scene.model},
    ),
    Family(
        "networks_across",
        "Drawing how networks of different models go together",
        (
            Figure(
                "networks_across",
                "network_use:of_every_two",
                "Networks of different models",
                (
                    Place(
                        "networks_across",
                        "Pearson's r of the mean courses of every two networks over the same texts; tokens that both models "
                        "end at the same character are lined up.",
                    ),
                ),
            ),
        ),
        _across,
        lambda _: {"table": "results/statistics/network_connectivity.csv"},
        lambda _: {},
    ),
)
