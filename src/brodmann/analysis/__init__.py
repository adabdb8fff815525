"""Tables and matrices from results."""
