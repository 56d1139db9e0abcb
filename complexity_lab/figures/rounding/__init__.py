"""Figures of studies of rounding, one file each."""
