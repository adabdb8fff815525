"""Jobs of the networks."""
