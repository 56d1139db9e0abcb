"""Rows on disk, and the only place that knows column names."""
