"""Figures of surveys: models of a zoo, initial and trained."""
