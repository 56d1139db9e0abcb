"""Block counts or bytes to one number with a unit."""
