"""Jobs of the localizers."""
