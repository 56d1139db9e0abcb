"""Figures of studies: each is one file in the folder of its kind of study, found by itself.

``registry.figures_for`` names them, ``drawing.draw`` draws them from results, ``drawing.save`` writes files.
"""
