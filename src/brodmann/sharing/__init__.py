"""A finished study for others: as an archive, on the Hugging Face hub, and in formats of other tools."""
