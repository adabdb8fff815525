"""Figures of functional networks.

results/figures/networks_{consistency,layers,sizes,template_iou}.{model}.*
Config: networks
"""

# Each draws the table of its name.
NETWORK_MAP_FIGURES = list(NETWORK_TABLES)


rule network_map_figures:
    input:
        **{table: f"results/{{model}}/networks/{table}.csv" for table in NETWORK_MAP_FIGURES},
    output:
        collect(
            "results/figures/networks_{name}.{{model}}{ending}",
            name=NETWORK_MAP_FIGURES,
            ending=FORMATS,
        ),
    log:
        "logs/figures/network_maps.{model}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        figures=NETWORK_MAP_FIGURES,
        controls=list(study.controls),
        threshold=study.networks.iou_threshold,
        method=METHODS["figures"],
    message:
        "{wildcards.model}: drawing its networks"
    script:
        "../../workflow/scripts/network_map_figures.py"
