"""A SLURM site: what it offers, what a profile says of it, and a job that tries it."""

# Minutes that a job asks for at most: few queues take more than a day.
LONGEST = 24 * 60
