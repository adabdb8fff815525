"""Tests on the matrices of every model and their averages, as long tables (docs/statistics.md).

results/statistics/{modularity,domain_modularity,clustering,clusters,consistency,threshold_robustness}.csv
results/statistics/structure_function.csv              (confounds.csv: confounds.smk)
results/statistics/tables/{table}.{md,tex}    the tables that a paper prints
Config: statistics, average.exclude
"""

STRUCTURE = (
    "modularity",
    "domain_modularity",
    "clustering",
    "clusters",
    "consistency",
    "threshold_robustness",
)
PRINTED = (
    "modularity",
    "domain_modularity",
    "threshold_robustness",
    "structure_function",
    "confounds",
)


rule statistics:
    """Every table of statistics."""
    input:
        collect("results/statistics/{table}.csv", table=STRUCTURE),
        "results/statistics/structure_function.csv",
        "results/statistics/confounds.csv",
        collect("results/statistics/tables/{table}.{ending}", table=PRINTED, ending=("md", "tex")),


rule structure:
    input:
        INVENTORY.files,
    output:
        **{table: f"results/statistics/{table}.csv" for table in STRUCTURE},
    log:
        "logs/statistics/structure.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        matrices=INVENTORY.to_params(),
        settings=STATISTICS,
        method=METHODS["structure"],
    message:
        "Testing within against across domains, clusters, agreement of models"
    script:
        "../../workflow/scripts/structure.py"


rule printed_tables:
    input:
        collect("results/statistics/{table}.csv", table=PRINTED),
    output:
        collect("results/statistics/tables/{table}.{ending}", table=PRINTED, ending=("md", "tex")),
    log:
        "logs/statistics/tables.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        selection=MAIN_SELECTION,
        ablated=ABLATED[0],
        method=METHODS["structure"],
    message:
        "Writing the tables for a paper"
    script:
        "../../workflow/scripts/printed_tables.py"


rule structure_function:
    input:
        INVENTORY.files,
    output:
        "results/statistics/structure_function.csv",
    log:
        "logs/statistics/structure_function.log",
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        matrices=INVENTORY.to_params(),
        settings=STATISTICS,
        method=METHODS["structure_function"],
    message:
        "Does overlap predict ablation?"
    script:
        "../../workflow/scripts/structure_function.py"
