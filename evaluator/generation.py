"""What torch.compile makes of a task's reference, as text: types that cross from the worker to the harness as JSON.

The generated code has its sizes written into it. So it is generated several times, at the task's true sizes and at
sizes near them (`Graph.sizes`), where Inductor makes the same choices: what differs between the texts are the sizes.
"""

from pydantic import BaseModel, ConfigDict

MOST_CHARACTERS = 400_000
"""Of one generated module; more is refused, not cut."""

NO_GPU = "there is no GPU here for torch.compile to generate code for and to choose configurations on"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Argument(Frozen):
    """A tensor that the generated code is called with: where dynamo found it (`L['x']`), and what it is."""

    source: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Graph(Frozen):
    """Inductor's module for one set of sizes, and the arguments of its `call`, in order."""

    sizes: dict[str, int]  # sizes of the reference that differ from the true ones
    code: str
    arguments: tuple[Argument, ...]


class Generation(Frozen):
    """What was generated for one task on one GPU. Where `reason` is not empty nothing was, and it says why.

    `configurations` holds for each kernel, by its name at the true sizes, what Inductor chose on this GPU: block sizes,
    num_warps and num_stages. `outputs` is the structure of the result, as `evaluator.inside.tree` writes it.
    """

    true: Graph | None = None
    near: tuple[Graph, ...] = ()
    configurations: dict[str, dict[str, int]] = {}
    outputs: dict[str, object] = {}
    software: dict[str, str] = {}
    device: str = ""
    reason: str = ""
