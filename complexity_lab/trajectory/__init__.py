"""Complexity over training: series of checkpoints, and networks watched while they learn."""
