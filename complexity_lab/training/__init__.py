"""The one trainer: recipes are TOML; MoMos, QAT, trajectories and the digits zoo use it.

``recipe``, ``profiles``, ``schedules`` and ``records`` are values that are readable without torch. ``examples``,
``digits``, ``datasets``, ``tasks`` and ``networks`` say what is trained on what. ``trainer`` is the loop; ``run`` puts
epochs into a directory: checkpoint, best and final weights, exact resume.
"""
