"""Results-only models: their matrices, in the published layout or ours, take their place under results/.

results/{imported}/overlap/{component}/{sel}.{measure}.csv
results/{imported}/ablation/{component}/{sel}.{kind}.accuracy_drop.csv
results/{imported}/accuracy.csv    both-correct accuracies, where the folder or a table has them
Config: models.NAME.source "results:DIR", models.NAME.accuracies, results_from
"""


rule import_overlap:
    input:
        workspace.imported_overlap,
    output:
        containment="results/{imported}/overlap/{component}/{sel}.containment.csv",
        jaccard="results/{imported}/overlap/{component}/{sel}.jaccard.csv",
        doubly_stochastic="results/{imported}/overlap/{component}/{sel}.doubly_stochastic.csv",
    log:
        "logs/{imported}/import/overlap.{component}.{sel}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        method=METHODS["imports"],
    message:
        "{wildcards.imported}: taking over the overlaps of {wildcards.sel}"
    script:
        "../../workflow/scripts/job.py"


rule import_drop:
    input:
        workspace.imported_drop,
    output:
        output="results/{imported}/ablation/{component}/{sel}.{kind}.accuracy_drop.csv",
    log:
        "logs/{imported}/import/ablation.{component}.{sel}.{kind}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        method=METHODS["imports"],
    message:
        "{wildcards.imported}: taking over the ablations of {wildcards.sel}, {wildcards.kind}"
    script:
        "../../workflow/scripts/job.py"


rule import_accuracies:
    input:
        workspace.imported_accuracies,
    output:
        output="results/{imported}/accuracy.csv",
    log:
        "logs/{imported}/import/accuracy.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        table=workspace.imported_table,
        baselines=workspace.imported_baselines,
        method=METHODS["imports"],
    message:
        "{wildcards.imported}: taking over the accuracies"
    script:
        "../../workflow/scripts/job.py"
