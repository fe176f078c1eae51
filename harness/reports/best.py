"""The best kernel as a file at a path that never changes, so that others can import it."""

import os
import re
from contextlib import suppress
from pathlib import Path

from candidates import identity
from candidates.board import Row
from candidates.text import neutralise
from evaluator.errors import StoreError


def place(root: Path, task: str, gpu: str, measured: bool) -> Path:
    """Where the best kernel of a task on a GPU lies: measured ones in `best`, nominated ones in `nominated`."""
    name = re.sub(r"[^\w.-]+", "_", f"{task}-{gpu}").strip("._")
    return root / ("best" if measured else "nominated") / f"{name}.py"


def faster_before(path: Path, row: Row, rows: tuple[Row, ...], min_gain: float) -> Row | None:
    """The row of the kernel that lies at `path` already, if it is faster than `row` by more than `min_gain`."""
    try:
        digest = identity.digest(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    before = next((other for other in rows if digest.startswith(other.id)), None)
    if before is None or before.time_ms is None or row.time_ms is None:
        return None
    return before if before.time_ms < row.time_ms * (1 - min_gain) else None


def write(path: Path, source: str, row: Row) -> None:
    """Put the kernel there in one step, with a header that says what is known about it.

    Raises:
        StoreError: the file can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(header(row) + source, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"{path} can't be written: {error.strerror}.", "Make room, or name another store.root."
        ) from error


def standing(row: Row) -> str:
    """What may be said about the kernel: it is the best only if that was measured."""
    if row.measured:
        return "best"
    return "nominated, unmeasured" if row.nominated else "unmeasured, and nothing was nominated instead"


def header(row: Row) -> str:
    """Comment lines on origin and standing. Comments are no part of a candidate's identity."""
    lines = [f"Candidate {row.id}, {row.status}: {row.task} on {row.device}."]
    if row.time_ms is not None:
        over = [(row.speedup_eager, "eager"), (row.speedup_compile, "torch.compile")]
        said = [f"{factor:.2f}x {name}" for factor, name in over if factor is not None]
        lines.append(f"Measured: {row.time_ms:.4g} ms" + (f" ({', '.join(said)})." if said else "."))
    else:
        lines.append(f"{standing(row).capitalize()}: compiled for this GPU and checked without it. It may be slower.")
    return "".join(f"# {neutralise(' '.join(line.split()))}\n" for line in lines)
