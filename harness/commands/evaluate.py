"""`harness evaluate FILE --task T`: one verdict for one file."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from candidates.store import Store
from evaluator import triton_api
from evaluator.errors import UsageError
from evaluator.verdict import Status, Verdict
from harness import arguments, terminal
from harness.boundary import DONE, FAILED, UNVERIFIED
from harness.calibration import open_evaluator
from harness.config import load
from harness.evaluation import Judge
from harness.reports import verdict as reports


def main(words: Sequence[str], debug: bool) -> int:
    """Evaluate, store and print; 0 if verified, 3 if the machine failed, else 1."""
    parser = arguments.parser("evaluate")
    parser.add_argument("file", type=Path, metavar="FILE", help="a Python module that defines ModelNew")
    parser.add_argument("--task", required=True, metavar="T", help="a bundled task or the path of a reference file")
    parser.add_argument("--fresh", action="store_true", help="evaluate even if the answer is known")
    given, overrides = arguments.parse(parser, words)
    source = read(given.file)
    settings = load([*overrides, f"task={given.task}"])
    messages = terminal.stderr()
    if settings.note:
        messages.print(Text(settings.note))
    with (
        Store.open(settings.store.url, settings.store.root) as store,
        open_evaluator(settings) as evaluator,
        messages.status("starting") as status,
    ):
        judge = Judge(settings, store, evaluator, triton_api.names())
        judged = judge.judge(source, fresh=given.fresh, progress=lambda doing: status.update(Text(doing)))
    if given.json:
        terminal.print_json(reports.as_json(judged.verdict, judged.digest))
    else:
        console = terminal.stdout()
        reports.print_verdict(judged.verdict, console)
        known = " (known from before; --fresh evaluates again)" if judged.cached else ""
        console.print(f"candidate {judged.digest[:12]}{known}")
    return exit_code(judged.verdict)


def read(file: Path) -> str:
    """The text of a candidate's file.

    Raises:
        UsageError: it can't be read as UTF-8 text.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}.", "FILE is the path of a Python module.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text.", "FILE is the path of a Python module.") from error


def exit_code(verdict: Verdict) -> int:
    """0 verified, 3 the machine failed, 1 anything else."""
    if verdict.status is Status.VERIFIED:
        return DONE
    return FAILED if verdict.status is Status.INFRA_ERROR else UNVERIFIED
