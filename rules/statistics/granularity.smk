"""Are circuits as specific when their units are larger? All models, levels and sizes in one table.

results/statistics/granularity.csv
Config: granularity, statistics
"""


rule granularity_statistics:
    input:
        lesions=collect("results/{model}/granularity/lesions.csv", model=GRANULAR),
    output:
        output="results/statistics/granularity.csv",
    log:
        "logs/statistics/granularity.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        models=GRANULAR,
        settings=STATISTICS,
        method=METHODS["granularity_statistics"],
    message:
        "Comparing circuits of small and large units"
    script:
        "../../workflow/scripts/job.py"
