"""What models and stages need: memory, time, GPUs."""
