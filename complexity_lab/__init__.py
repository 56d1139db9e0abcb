"""complexity_lab."""
