"""`harness export ID -o FILE`: a module that stands alone, with what is known about it as a comment on top."""

from collections.abc import Sequence
from pathlib import Path

from candidates.store import StoredVerdict
from candidates.text import neutralise
from evaluator.errors import UsageError
from harness import archive, arguments, terminal
from harness.cli import version
from harness.config import load_store
from harness.reports import verdict as reports

WIDTH = 110


def main(words: Sequence[str], debug: bool) -> int:
    """Write the candidate's source under a header."""
    parser = arguments.parser("export", json=False)
    parser.add_argument("id", metavar="ID", help="the beginning of a candidate's ID")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="where to write it")
    given, overrides = arguments.parse(parser, words)
    with archive.open_existing(load_store(overrides)) as store:
        digest = store.resolve(given.id)
        source = store.source(digest)
        found = archive.best_verdict(store.verdicts(digest))
    write(given.output, header(digest, found) + source.rstrip("\n") + "\n")
    if found is None or found.verdict.status != "verified":
        state = str(found.verdict.status) if found else "never evaluated"
        terminal.stderr().print(f"warning: this candidate is not verified ({state}); the header says so.")
    print(given.output)
    return 0


def header(digest: str, found: StoredVerdict | None) -> str:
    """The provenance as comment lines.

    The first two lines are fixed text: what a verdict says must not be taken for a declaration of the file's encoding.
    """
    said = [
        "A Triton kernel written by a machine and kept by triton-harness.",
        "What is known about it:",
        "",
        f"candidate {digest}",
    ]
    if found is None:
        said.append("verdict   none: it was never evaluated")
    else:
        first, *rest = reports.lines(found.verdict)
        said += [f"verdict   {first}", *rest]
        said += [f"kernel    {kernel.name}: {facts}" for kernel in found.verdict.kernels if (facts := _facts(kernel))]
        said.append(f"found     {found.created}, task {found.task_digest}, environment {found.fingerprint}")
        software = ", ".join(f"{name} {value}" for name, value in found.verdict.evidence.software.items())
        said.append(f"software  {software or 'unknown'}; harness {version()}")
    task = f" --task {found.task_name}" if found else " --task TASK"
    said += ["", f"Check it again: harness replay {digest[:12]}", f"            or: harness evaluate THIS_FILE{task}"]
    lines = [f"# {' '.join(neutralise(line).split(chr(10)))[:WIDTH]}".rstrip() for line in said]
    return "\n".join(lines) + "\n\n"


def _facts(kernel: object) -> str:
    known = {name: getattr(kernel, name) for name in ("registers", "spill_bytes", "shared_bytes", "occupancy")}
    return ", ".join(f"{name} {value:.4g}" for name, value in known.items() if value is not None)


def write(path: Path, text: str) -> None:
    """Write the file.

    Raises:
        UsageError: it can't be written there.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}.", "Name another file with -o FILE.") from error
