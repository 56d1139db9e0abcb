"""Null models: what the same bits would score without structure."""
