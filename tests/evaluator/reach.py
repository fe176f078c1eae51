"""Opening the way to a test's own folder, which pytest keeps for its owner alone."""

import tempfile
from pathlib import Path


def let_everybody_reach(folder: Path) -> None:
    """Let every user read `folder` and all above it, so that what refuses is the sandbox and not their permissions."""
    above = Path(tempfile.gettempdir()).resolve()
    for path in (folder, *folder.parents):
        if path == above or not path.is_relative_to(above):
            return
        path.chmod(path.stat().st_mode | 0o755)
