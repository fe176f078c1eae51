"""`harness leaderboard`: what was found, ranked. Answers at once, so it imports what it needs and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

from candidates import board
from candidates.board import Row
from candidates.text import neutralise
from harness import archive, arguments, terminal
from harness.config import load_store
from harness.reports.columns import COLUMNS, failure_line, footnotes, heading


def main(words: Sequence[str], debug: bool) -> int:
    """Print the board of one task or of all."""
    parser = arguments.parser("leaderboard")
    parser.add_argument("--task", default="", metavar="NAME", help="only this task")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="at most N rows for each task and device")
    given, overrides = arguments.parse(parser, words)
    store = load_store(overrides)
    rows: tuple[Row, ...] = ()
    failures: dict[str, int] = {}
    if archive.exists(store):
        with archive.overview(store) as opened:
            rows = board.rows(opened, task=given.task, limit=given.limit)
            failures = board.failures(opened, task=given.task)
    if given.json:
        terminal.print_json([asdict(row) for row in rows])
        return 0
    if terminal.shows_tables():
        from harness.reports.board import print_board

        print_board(rows, failures, terminal.stdout())
    else:
        print_lines(rows, failures)
    return 0


def print_lines(rows: Sequence[Row], failures: Mapping[str, int]) -> None:
    """The board for a pipe: tab-separated lines under a header, nothing cut off."""
    if not rows:
        print("No verified candidates yet.")
    for _, group in groupby(rows, key=lambda row: (row.task, row.device)):
        ranked = list(group)
        print("\n".join(filter(None, heading(ranked))))
        print("\t".join([*(column.header for column in COLUMNS), "change"]))
        for row in ranked:
            cells = [*(column.cell(row) for column in COLUMNS), neutralise(row.change)]
            print("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells))
        for note in footnotes(ranked):
            print(note)
    if line := failure_line(failures):
        print(line)
