"""Texts as files that are named by their content: a text is written once, whole, or not at all."""

import hashlib
import os
import tempfile
from pathlib import Path

from candidates.store.faults import files
from evaluator.errors import StoreError


class Blobs:
    """Content-addressed files below a folder: abcd... is at ab/abcd..."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, text: str) -> str:
        """Save a text and return its SHA-256, 64 hex digits. Saving it again costs nothing.

        Raises:
            StoreError: the folder can't be written to, or the disk is full.
        """
        content = text.encode("utf-8", "surrogatepass")
        name = hashlib.sha256(content).hexdigest()
        path = self._path(name)
        with files(path):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_whole(path, content)
        return name

    def get(self, name: str) -> str:
        """The text with that hash.

        Raises:
            StoreError: there is no such text, it can't be read, or it is not what was saved.
        """
        path = self._path(name)
        with files(path):
            try:
                content = path.read_bytes()
            except FileNotFoundError as error:
                raise StoreError(
                    f"{path} is missing from the store.",
                    "Copy the folder blobs/ together with the database, or restore it from a backup.",
                ) from error
        if hashlib.sha256(content).hexdigest() != name:
            raise StoreError(f"{path} is damaged: it is not what was saved.", "Restore it from a backup.")
        return content.decode("utf-8", "surrogatepass")

    def size_bytes(self) -> int:
        """How much room all texts take."""
        with files(self._folder):
            return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name


def _write_whole(path: Path, content: bytes) -> None:
    """Write to a neighbour and rename, so that nobody ever reads half a file, even after a crash."""
    handle, neighbour = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(neighbour).replace(path)
    except BaseException:
        Path(neighbour).unlink(missing_ok=True)
        raise
