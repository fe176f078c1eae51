"""The folder of one sandbox that has no file system of its own: where its program may write, measured and removed.

own/   the program's: it may do there what it likes
view/  read-only: links to what it may see, under folders that it may list, because their originals it may not
"""

import os
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evaluator.sandbox import held

_PREFIX = "kernel-scratch"
_ENTRY_BYTES = 4096  # what a name costs beside its contents: many empty files fill a disk, too
_REMOVE_S = 60.0


class Unmeasurable(Exception):
    """A folder was made so that nobody can look into it."""


@dataclass(frozen=True)
class Scratch:
    """One private folder; `hold` keeps others from removing it."""

    path: Path
    hold: held.Hold

    @property
    def own(self) -> Path:
        return self.path / "own"

    @property
    def view(self) -> Path:
        return self.path / "view"

    @classmethod
    def create(cls, uid: int | None) -> "Scratch":
        """A new folder for the user `uid`, or for the caller; removes those whose owners were killed."""
        parent = Path(tempfile.gettempdir())
        _sweep(parent)
        scratch = cls(*held.make(parent, _PREFIX, 0o755))
        scratch.view.mkdir(mode=0o755)
        for folder in (scratch.own, scratch.own / "home"):
            folder.mkdir(mode=0o700)
            if uid is not None:
                os.chown(folder, uid, uid)
        return scratch

    def show(self, path: Path) -> None:
        """Make a link to `path` in the view; its parents there can be listed."""
        link = self.view / path.relative_to("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)

    def bytes(self) -> int:
        """What lies in the program's own folder, names included.

        Raises:
            Unmeasurable: part of it can't be looked at.
        """
        total = 0
        pending = [str(self.own)]
        while pending:
            try:
                entries = list(os.scandir(pending.pop()))
            except FileNotFoundError:
                continue
            except OSError as error:  # closed to its owner, or nested deeper than a path can say
                raise Unmeasurable(str(error)) from error
            for entry in entries:
                with suppress(FileNotFoundError):
                    total += _ENTRY_BYTES + entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        return total

    @property
    def device(self) -> int:
        """The file system that it lies on, as `st_dev`."""
        return self.path.stat().st_dev

    def remove(self) -> None:
        """Remove it with everything in it, however it was nested and closed."""
        _remove(self.path)
        self.hold.release()


def _remove(path: Path) -> None:
    remove = ["rm", "-rf", "--", str(path)]
    for command in (remove, ["chmod", "-R", "u+rwx", "--", str(path)], remove):
        if path.exists():
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=_REMOVE_S, check=False)


def _sweep(parent: Path) -> None:
    """Remove what callers who were killed left behind, as far as it is this user's."""
    for leftover in held.left_behind(parent, _PREFIX):
        if os.geteuid() in (0, leftover.stat().st_uid):
            _remove(leftover)
