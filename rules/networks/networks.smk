"""Functional networks: a model's signals over texts, decomposed; templates, and how consistent they are.

results/{model}/.store/networks.json                          manifest of the model's pass
results/{model}/networks/{dataset}/templates.safetensors      tensor `maps` [components, layers, units], z-scored
results/{model}/networks/{dataset}/templates.json             sizes, explained variance, stability, how it went
results/{model}/networks/consistency.csv                      templates found in the networks of single texts
results/{model}/networks/{template_iou,sizes,layers}.csv      templates against each other; sizes; where they lie
results/statistics/fingerprint.csv                            rank correlation of two models' networks
results/statistics/network_connectivity.csv                   Pearson's r of the same
Config: networks
"""

DATASETS = list(study.networks.names)
# Without datasets no networks are sought.
NETWORK_MODELS = list(study.network_models)
# Networks of several models are set side by side.
FINGERPRINTED = NETWORK_MODELS if len(NETWORK_MODELS) > 1 else []
INTERPRETATIONS = [f"course.{name}" for name in DATASETS]
NETWORK_TABLES = ("consistency", "template_iou", "sizes", "layers")


wildcard_constraints:
    dataset=alternatives(DATASETS),


rule network_maps:
    """Every model's networks, and their tables."""
    input:
        collect(
            "results/{model}/networks/{dataset}/templates.{ending}",
            model=NETWORK_MODELS,
            dataset=DATASETS,
            ending=("safetensors", "json"),
        ),
        collect("results/{model}/networks/{table}.csv", model=NETWORK_MODELS, table=NETWORK_TABLES),


rule networks_pass:
    input:
        workspace.network_inputs,
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/networks_pass.settings.json",
        shards=shards_of("networks_pass"),
    output:
        manifest="results/{model}/.store/networks.json",
    log:
        "logs/{model}/networks_pass.log",
    benchmark:
        "benchmarks/{model}/networks_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("networks_pass"),
    message:
        "{wildcards.model}: decomposing the signals that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule network_tables:
    input:
        workspace.network_inputs,
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/networks.settings.json",
        manifest="results/{model}/.store/networks.json",
    output:
        **{table: f"results/{{model}}/networks/{table}.csv" for table in NETWORK_TABLES},
        templates=collect(
            "results/{{model}}/networks/{dataset}/templates.safetensors", dataset=DATASETS
        ),
        described=collect("results/{{model}}/networks/{dataset}/templates.json", dataset=DATASETS),
    log:
        "logs/{model}/network_tables.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tables=NETWORK_TABLES,
    message:
        "{wildcards.model}: its networks, and how consistent they are"
    script:
        "../../workflow/scripts/job.py"


rule fingerprint:
    input:
        collect(
            "results/{model}/networks/{dataset}/courses.safetensors",
            model=FINGERPRINTED,
            dataset=DATASETS,
        ),
    output:
        output="results/statistics/fingerprint.csv",
        across="results/statistics/network_connectivity.csv",
    log:
        "logs/statistics/fingerprint.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        models=FINGERPRINTED,
        datasets=DATASETS,
        method=METHODS["following"],
    message:
        "Setting the networks of models side by side"
    script:
        "../../workflow/scripts/job.py"
