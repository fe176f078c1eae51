"""What is known about machines, as JSON files beside the database: one entry for each device and software."""

import json
import os
import tempfile
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from evaluator.errors import StoreError

_Entries = TypeVar("_Entries")


def read(path: Path, form: TypeAdapter[_Entries], empty: _Entries) -> _Entries:
    """What the file holds; `empty` if there is none.

    Raises:
        StoreError: it is damaged.
    """
    try:
        return form.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return empty
    except (ValueError, ValidationError) as error:
        raise StoreError(f"{path} is damaged.", "Remove it, and run harness calibrate again.") from error


def write(path: Path, form: TypeAdapter[_Entries], entries: _Entries) -> None:
    """Write all entries to a neighbour and rename it, so that nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, neighbour = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    with os.fdopen(handle, "wb") as stream:
        stream.write(form.dump_json(entries, indent=1))
    Path(neighbour).replace(path)
