"""Where this program keeps what it can make again: trained digits networks, compiled kernels."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "COMPLEXITY_LAB_CACHE"


def cache_directory() -> Path:
    """Return ``$COMPLEXITY_LAB_CACHE``, else the user's cache directory; it may not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("complexity-lab"))
