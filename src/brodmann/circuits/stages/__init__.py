"""Jobs of the circuits: passes over a model, and what is made of what they leave."""
