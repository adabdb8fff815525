"""What is done with networks: editing, probing, following (docs/networks-use.md).

results/{model}/.store/network_use.json                     manifest of the model's pass
results/{model}/networks/editing.csv                        networks inhibited and amplified
results/{model}/networks/editing_sets.csv                   which units those sets share
results/{model}/networks/probing.csv                        logistic regression on features
results/{model}/networks/connectivity.csv                   Pearson's r of networks' courses
results/{model}/networks/interpretation/course.{dataset}.*  courses over an example text
results/{model}/networks/interpretation/corrected.*         predictions corrected by a network
results/{model}/networks/{dataset}/courses.safetensors      mean courses over the dataset's samples
results/{model}/networks/{dataset}/driving.csv              where in these samples each network is strongest
Config: networks.editing, networks.probing, networks.following
"""


rule network_use_pass:
    input:
        unpack(workspace.used_networks),
        unpack(workspace.paged_units),
        workspace.stimulus_files,
        workspace.network_use_files,
        record_file="results/{model}/.source.json",
        settings="results/{model}/.store/network_use_pass.settings.json",
        shards=shards_of("network_use_pass"),
    output:
        manifest="results/{model}/.store/network_use.json",
    log:
        "logs/{model}/network_use_pass.log",
    benchmark:
        "benchmarks/{model}/network_use_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("network_use_pass"),
    params:
        datasets=DATASETS,
        components=COMPONENTS,
        tasks=TASKS,
    message:
        "{wildcards.model}: editing and following the networks that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule network_use:
    input:
        unpack(workspace.used_networks),
        settings="results/{model}/.store/network_use.settings.json",
        manifest="results/{model}/.store/network_use.json",
    output:
        collect(
            "results/{{model}}/networks/{name}.csv",
            name=("editing", "editing_sets", "probing", "connectivity"),
        ),
        collect(
            "results/{{model}}/networks/interpretation/{name}.{ending}",
            name=INTERPRETATIONS,
            ending=("html", "png", "svg", "csv"),
        ),
        collect(
            "results/{{model}}/networks/{dataset}/{file}",
            dataset=DATASETS,
            file=("courses.safetensors", "driving.csv"),
        ),
        "results/{model}/networks/interpretation/corrected.csv",
        "results/{model}/networks/interpretation/corrected.html",
    log:
        "logs/{model}/network_use.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        datasets=DATASETS,
    message:
        "{wildcards.model}: what its networks do"
    script:
        "../../workflow/scripts/job.py"
