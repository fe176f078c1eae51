"""`harness tasks`: what is bundled, and with `--lint` what would satisfy a task without its work."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from candidates.text import neutralise
from evaluator import catalog
from harness import arguments, terminal
from harness.boundary import DONE, UNVERIFIED
from harness.config import load, load_store
from harness.places import CONF

if TYPE_CHECKING:
    from evaluator.redteam import Weakness


def main(words: Sequence[str], debug: bool) -> int:
    """List the bundled tasks; or, with --lint, their weaknesses: 1 if there is a fault."""
    parser = arguments.parser("tasks")
    parser.add_argument("--lint", action="store_true", help="name tasks that zeros, half precision or so would satisfy")
    parser.add_argument("--task", metavar="T", help="only this one: a bundled task or the path of a reference file")
    given, overrides = arguments.parse(parser, words)
    load_store(overrides)  # refuses settings that do not exist, as every command does
    names = [given.task] if given.task else catalog.task_names(CONF)
    if given.lint:
        return lint(names, given.json, overrides)
    tasks = [catalog.load_task(name, CONF) for name in names]
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
    if terminal.shows_tables():
        print_table(headers, rows)
    else:
        for row in (headers, *rows):
            print("\t".join(row))
    return 0


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The tasks for a person."""
    from rich import box
    from rich.table import Table

    console = terminal.stdout()
    table = Table(*headers, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print("Any other file of the convention works too: task=path/to/file.py", style="dim")


def lint(names: Sequence[str], json: bool, overrides: Sequence[str]) -> int:
    """Print what is wrong with tasks; 1 if something is a fault."""
    from evaluator.service import Evaluator  # imported by whoever evaluates: a list of tasks has to come at once

    settings = [load(["evaluator.device=none", *overrides, f"task={name}"]) for name in names]
    cheap = settings[0].evaluator.model_copy(update={"pool": 0})  # no candidate will run
    with Evaluator(cheap, device="", target=settings[0].gpu) as evaluator:
        found = {each.task.name: evaluator.lint(each.task) for each in settings}
    if json:
        terminal.print_json({name: [each.model_dump() for each in weaknesses] for name, weaknesses in found.items()})
    else:
        for name, weaknesses in found.items():
            print_weaknesses(name, weaknesses)
    faults = [each for weaknesses in found.values() for each in weaknesses if each.severity == "fault"]
    return UNVERIFIED if faults else DONE


def print_weaknesses(name: str, weaknesses: "Sequence[Weakness]") -> None:
    """One line for each, with the remedy below; one line for a task that has none."""
    from rich.text import Text

    console = terminal.stdout()
    if not weaknesses:
        console.print(Text(neutralise(f"ok        {name}")), soft_wrap=True)
    for each in weaknesses:
        line = Text(f"{each.severity:<10}", style="bold red" if each.severity == "fault" else "yellow")
        line.append(neutralise(f"{name}: {each.name}: {each.message}"), style="default")
        console.print(line, soft_wrap=True)
        if each.remedy:
            console.print(Text(neutralise(f"{'':<10}{each.remedy}"), style="dim"), soft_wrap=True)
