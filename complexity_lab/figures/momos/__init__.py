"""Figures of MoMos experiments: one file each, and how mosaics look in all of them."""
