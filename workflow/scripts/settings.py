"""Write a stage's settings to a file that other jobs can depend on."""

from brodmann.files import write_json
from brodmann.pipeline import job

with job.running(snakemake):
    write_json(snakemake.output[0], snakemake.params.settings)
