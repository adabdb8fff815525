"""How far circuits overlap, how reliable they are, and what that says about domains.

results/{model}/overlap/{component}/{sel}.{measure}.csv        measure: containment, jaccard, doubly_stochastic
results/{model}/overlap/{component}/{sel}.reliability.csv      each task's circuit against itself
results/{model}/overlap/{component}/{sel}.noise_corrected.csv  containment divided by its noise ceiling
results/{model}/overlap/{component}/{sel}.summary.csv          within and across domains, with intervals
Config: selection, attribution.{splits,bootstraps,second_seed}
"""

OVERLAP_FILES = (
    "containment",
    "jaccard",
    "doubly_stochastic",
    "noise_corrected",
    "reliability",
    "summary",
)


rule overlaps:
    """Every model's overlap matrices."""
    input:
        collect(
            "results/{model}/overlap/{component}/{sel}.{file}.csv",
            model=MODELS,
            component=COMPONENTS,
            sel=SELECTIONS,
            file=OVERLAP_FILES,
        ),


rule overlap:
    input:
        model_json="results/{model}/model.json",
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
        masks=collect(
            "results/{{model}}/masks/{{component}}/{sel}/{task}.csv", sel=SELECTIONS, task=TASKS
        ),
        replicate_files=collect(
            "results/{{model}}/attribution/{{component}}/{task}.replicates.safetensors", task=TASKS
        ),
    output:
        collect(
            "results/{{model}}/overlap/{{component}}/{sel}.{file}.csv",
            sel=SELECTIONS,
            file=OVERLAP_FILES,
        ),
    log:
        "logs/{model}/overlap/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        selections=SELECTIONS,
        method=METHODS["overlap"],
    message:
        "{wildcards.model}: overlap of circuits, {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
