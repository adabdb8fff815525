"""Jobs that draw figures."""
