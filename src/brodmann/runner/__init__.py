"""What runs tokens through a model, for every map."""
