"""Tasks to items.

results/items/{domain}/{task}.json           all items of a task, in each of its wordings, prompts composed
results/items/.second/{domain}/{task}.json   items of the next seed, for reliability
Config: tasks.published, tasks.items, tasks.seed, tasks.rename, tasks.difficulty, attribution.second_seed
"""


rule items:
    """All tasks expanded to items."""
    input:
        collect("results/items/{task}.json", task=TASKS),


rule expand_items:
    input:
        lambda wildcards: workspace.definition_files(wildcards.task),
    output:
        output="results/items/{task}.json",
    log:
        "logs/items/{task}.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        expansion=lambda wildcards: study.tasks.expansion_settings(wildcards.task),
        method=METHODS["items"],
    message:
        "{wildcards.task}: writing the items"
    script:
        "../workflow/scripts/job.py"


rule expand_second_items:
    input:
        lambda wildcards: workspace.definition_files(wildcards.task),
    output:
        output="results/items/.second/{task}.json",
    log:
        "logs/items/second/{task}.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        expansion=lambda wildcards: study.tasks.expansion_settings(wildcards.task, second=True),
        method=METHODS["items"],
    message:
        "{wildcards.task}: writing the items of the second seed"
    script:
        "../workflow/scripts/job.py"
