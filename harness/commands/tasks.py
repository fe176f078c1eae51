"""`harness tasks`: what is bundled."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from evaluator import catalog
from harness import arguments, terminal
from harness.config import load_store
from harness.resolution import CONF


def main(words: Sequence[str], debug: bool) -> int:
    """List the bundled tasks."""
    given, overrides = arguments.parse(arguments.parser("tasks"), words)
    load_store(overrides)  # refuses settings that do not exist, as every command does
    tasks = [catalog.load_task(name, CONF) for name in catalog.task_names(CONF)]
    if given.json:
        fields = {"name", "title", "category", "small", "weights", "path"}
        terminal.print_json(
            [
                task.model_dump(mode="json", include=fields)
                | {"tolerance": task.tolerance.name, "start": bool(task.start), "digest": task.digest}
                for task in tasks
            ]
        )
        return 0
    rows = [
        (task.name, task.category, task.tolerance.name, "yes" if task.start else "no", task.title) for task in tasks
    ]
    headers = ("task", "category", "tolerance", "start", "what it computes")
    console = terminal.stdout()
    if not console.is_terminal:
        for row in (headers, *rows):
            print("\t".join(row))
        return 0
    table = Table(*headers, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print("Any other file of the convention works too: task=path/to/file.py", style="dim")
    return 0
