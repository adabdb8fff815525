"""Jobs that compare maps."""
