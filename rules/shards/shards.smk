"""Shards: jobs that share a pass over a model, on as many GPUs.

results/{model}/.store/shards/{stage}.{shard}-of-{shards}.json   what a shard did; gone when the pass is through

A pass waits for its shards, finds their records in the store, and writes its manifest. With one shard there is the pass
alone. Shard 0 makes what all others need.
Config: execution.shards, execution.job_minutes
"""

# In a folder of its own, as all rules that these are made of: their scripts are found from where rules stand.


use rule baseline_pass as baseline_shard with:
    output:
        marker=temp("results/{model}/.store/shards/baseline.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/baseline_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/baseline_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: scoring answers, shard {wildcards.shard} of {wildcards.shards}"


use rule attribution_pass as attribution_shard with:
    output:
        marker=temp("results/{model}/.store/shards/attribution.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/attribution_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/attribution_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: finding circuits, shard {wildcards.shard} of {wildcards.shards}"


use rule ablation_pass as ablation_shard with:
    output:
        marker=temp("results/{model}/.store/shards/ablation.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/ablation_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/ablation_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: measuring lesions, shard {wildcards.shard} of {wildcards.shards}"


use rule faithfulness_pass as faithfulness_shard with:
    output:
        marker=temp("results/{model}/.store/shards/faithfulness.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/faithfulness_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/faithfulness_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: measuring circuits alone, shard {wildcards.shard} of {wildcards.shards}"


use rule localizer_pass as localizer_shard with:
    output:
        marker=temp("results/{model}/.store/shards/localizer.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/localizer_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/localizer_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: measuring networks, shard {wildcards.shard} of {wildcards.shards}"


use rule lesion_pass as lesion_shard with:
    output:
        marker=temp("results/{model}/.store/shards/lesion.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/lesion_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/lesion_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: measuring the lesions of networks, shard {wildcards.shard} of {wildcards.shards}"


use rule networks_pass as networks_shard with:
    output:
        marker=temp("results/{model}/.store/shards/networks.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/networks_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/networks_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: decomposing signals, shard {wildcards.shard} of {wildcards.shards}"


use rule network_use_pass as network_use_shard with:
    output:
        marker=temp("results/{model}/.store/shards/network_use.{shard}-of-{shards}.json"),
    log:
        "logs/{model}/network_use_pass.{shard}-of-{shards}.log",
    benchmark:
        "benchmarks/{model}/network_use_pass.{shard}-of-{shards}.tsv"
    message:
        "{wildcards.model}: editing and following networks, shard {wildcards.shard} of {wildcards.shards}"
