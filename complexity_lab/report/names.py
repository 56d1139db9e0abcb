"""How metrics and null models are called in a sentence."""

from complexity_lab.statistics.rows import plane_of

METRIC_NAMES = {
    "bdm": "BDM",
    "bdm_2d": "BDM (4×4)",
    "bdm_normalized": "normalized BDM",
    "bdm_2d_normalized": "normalized BDM (4×4)",
    "block_entropy": "block entropy",
    "block_entropy_2d": "block entropy (4×4)",
    "block_entropy_normalized": "normalized block entropy",
    "block_entropy_2d_normalized": "normalized block entropy (4×4)",
    "qubd": "QuBD",
    "lz76": "LZ76",
    "lz76_density": "LZ76 density",
    "exponent_entropy": "entropy of exponents",
    "mantissa_entropy": "entropy of mantissas",
}


def metric_name(metric: str) -> str:
    """Return how a metric is called in a sentence.

    >>> metric_name("bdm_2d"), metric_name("qubd_plane7"), metric_name("gzip")
    ('BDM (4×4)', 'QuBD plane 7', 'gzip')
    """
    plane = plane_of(metric)
    return METRIC_NAMES.get(metric, metric) if plane is None else f"QuBD plane {plane}"


def plane_list(planes: list[int]) -> str:
    """Return numbers of planes as a phrase, runs joined.

    >>> plane_list([7]), plane_list([7, 5]), plane_list([0, 1, 2, 5, 6, 7]), plane_list([3, 4])
    ('plane 7', 'planes 5 and 7', 'planes 0 to 2 and 5 to 7', 'planes 3 and 4')
    """
    runs: list[list[int]] = []
    for plane in sorted(planes):
        if runs and runs[-1][-1] == plane - 1:
            runs[-1].append(plane)
        else:
            runs.append([plane])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(plane) for plane in run]
    words = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"plane{'' if len(planes) == 1 else 's'} {words}"
