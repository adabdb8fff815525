"""A SLURM site: what it offers, what a profile says of it, and a job that tries it."""
