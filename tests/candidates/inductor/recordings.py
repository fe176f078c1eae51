"""What Inductor generated for the bundled tasks; `record.py` makes the files."""

import json
from collections.abc import Callable
from pathlib import Path

from evaluator.catalog import load_task
from evaluator.generation import Generation, Graph
from evaluator.tasks import Task

CONF = Path(__file__).parents[3] / "conf"
TASKS = tuple(sorted(path.stem for path in (Path(__file__).parent / "generated").glob("*.json")))


def task(name: str) -> Task:
    return load_task(name, CONF)


def generation(name: str) -> Generation:
    path = Path(__file__).parent / "generated" / f"{name}.json"
    return Generation.model_validate(json.loads(path.read_text()))


def edited(made: Generation, edit: Callable[[str], str]) -> Generation:
    """The same with every text changed."""

    def change(graph: Graph) -> Graph:
        changed = edit(graph.code)
        assert changed != graph.code
        return graph.model_copy(update={"code": changed})

    assert made.true is not None
    return made.model_copy(update={"true": change(made.true), "near": tuple(map(change, made.near))})
