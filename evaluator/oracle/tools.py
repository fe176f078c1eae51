"""Where the programs are that come with CUDA."""

import shutil
from collections.abc import Iterable
from pathlib import Path


def find(name: str, configured: str, places: Iterable[Path]) -> Path | None:
    """A program's path: as configured, or for `auto` found on PATH, else at the first of these places.

    None if there is none, or it is not wanted (`none`).
    """
    if configured == "none":
        return None
    if configured != "auto":
        path = Path(configured)
        return path if path.is_file() else None
    found = shutil.which(name)
    return next((place for place in [*([Path(found)] if found else []), *places] if place.is_file()), None)
