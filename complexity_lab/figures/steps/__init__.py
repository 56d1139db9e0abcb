"""Figures of networks that are measured while they learn: one file each, and the grid of panels that they share."""
