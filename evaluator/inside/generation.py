"""torch.compile's code for the reference: generated, run once so that its kernels are tuned, and handed out as text.

The reference is trusted; what is generated runs here, in the sandbox, and nowhere else. Inductor's interfaces are its
own affair and change: each is looked for where it is used, and what is not found is said (`Ungenerated`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from evaluator.inside import tree

_STEADY: dict[str, Any] = {
    "fx_graph_cache": False,  # a cached graph is loaded without its text passing by
    "shape_padding": False,  # both pad at some sizes and not at others, so that the texts would differ in more
    "comprehensive_padding": False,
}


class Ungenerated(Exception):
    """There is no generated code of the form that can be worked with; the message says why."""


class Tracing:
    """What one compilation made: `code`, `arguments` as (source, tensor), and the `result` of the forward."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.graphs: list[list[tuple[str, torch.Tensor]]] = []
        self.result: Any = None

    @property
    def code(self) -> str:
        """The generated module.

        Raises:
            Ungenerated: there is none, or more than one.
        """
        if len(self.codes) != 1:
            raise Ungenerated(f"torch.compile splits the reference into {len(self.codes)} graphs")
        return self.codes[0]

    def arguments(self) -> list[dict[str, Any]]:
        """Source, shape and strides of each argument of the generated `call`."""
        return [
            {"source": source, "shape": list(tensor.shape), "strides": list(tensor.stride())}
            for source, tensor in self.graphs[0]
        ]


def generate(references: list[tuple[ModuleType, dict[str, int]]], device: str) -> dict[str, Any]:
    """Compile the reference at each of its sizes; the first are the true ones, and those are run as well.

    Args:
        references: the reference's module at each set of sizes, and what differs from the true sizes.

    Raises:
        Ungenerated: see there.
    """
    (module, sizes), *others = references
    true = run(module, device)
    return {
        "true": described(true, sizes),
        "outputs": tree.flatten(true.result, []),
        "configurations": configurations(),
        "near": [described(text_only(other, device), differing) for other, differing in others],
        "software": {"torch": torch.__version__},
    }


def described(tracing: Tracing, sizes: dict[str, int]) -> dict[str, Any]:
    """A `Graph` as JSON."""
    return {"code": tracing.code, "sizes": sizes, "arguments": tracing.arguments()}


def run(module: ModuleType, device: str) -> Tracing:
    """Compile the reference at its own sizes and run it twice: afterwards its kernels are tuned."""
    torch.manual_seed(0)
    tracing = Tracing()
    with torch.device(device):
        model, inputs = _construct(module)
    with _traced(tracing, stop=False), torch.no_grad():
        compiled = torch.compile(model, backend=_backend(tracing), dynamic=False)
        for _ in range(2):
            tracing.result = compiled(*inputs)
    if device == "cuda":
        torch.cuda.synchronize()
    return tracing


def text_only(module: ModuleType, device: str) -> Tracing:
    """Compile the reference as far as to its text, with tensors that have no memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with torch.device("meta"):
        model, inputs = _construct(module)
    tracing = Tracing()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        for part in model.requires_grad_(False).modules():
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    part._parameters[name] = torch.nn.Parameter(_on(device, parameter), requires_grad=False)
            for name, buffer in part._buffers.items():
                part._buffers[name] = None if buffer is None else _on(device, buffer)
        inputs = [_on(device, value) for value in inputs]
        tracing.result = model(*inputs)
        with _traced(tracing, stop=True):
            try:
                torch.compile(model, backend=_backend(tracing), dynamic=False)(*inputs)
            except Exception:
                if not tracing.codes:  # else the text is there, and going on was not wanted
                    raise
    return tracing


def _construct(module: ModuleType) -> tuple[torch.nn.Module, list[Any]]:
    init = module.get_init_inputs()
    model = module.Model(**init) if isinstance(init, dict) else module.Model(*init)
    return model, list(module.get_inputs())


def _on(device: str, value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device=device)


class _TextIsThere(Exception):
    """Ends a compilation of which no more than the text is wanted."""


@contextmanager
def _traced(tracing: Tracing, stop: bool) -> Iterator[None]:
    """Keep the text of every module that Inductor generates in the block; end the compilation there if `stop`."""
    from torch._dynamo import reset
    from torch._inductor import config
    from torch._inductor.graph import GraphLowering

    def keep(code: str) -> None:
        tracing.codes.append(code)
        if stop:
            raise _TextIsThere

    if not hasattr(GraphLowering, "save_output_code"):
        raise Ungenerated(f"torch {torch.__version__} does not hand out what it generates")
    before = GraphLowering.save_output_code
    reset()
    try:
        GraphLowering.save_output_code = keep
        with config.patch({name: value for name, value in _STEADY.items() if hasattr(config, name)}):
            yield
    finally:
        GraphLowering.save_output_code = before


def _backend(tracing: Tracing) -> Callable[..., Any]:
    """Inductor as torch.compile calls it, its arguments seen by `tracing`."""
    from torch._inductor.compile_fx import compile_fx

    def compile_graph(graph: torch.fx.GraphModule, examples: list[Any]) -> Any:
        if not all(isinstance(example, torch.Tensor) for example in examples):
            raise Ungenerated("the reference's forward takes arguments that are no tensors")
        sources = [_source(node) for node in graph.graph.nodes if node.op == "placeholder"]
        tracing.graphs.append(list(zip(sources, examples, strict=True)))
        return compile_fx(graph, examples)

    return compile_graph


def _source(node: torch.fx.Node) -> str:
    """Where dynamo found an argument: `L['x']`, or `L['self']._modules['norm']._parameters['weight']`."""
    found = getattr(node.meta.get("grapharg"), "source", None)
    name = getattr(found, "name", None)
    if name is None:
        raise Ungenerated(f"torch {torch.__version__} does not say what its code's arguments are")
    return str(name() if callable(name) else name)


def configurations() -> dict[str, dict[str, int]]:
    """By kernel: what was chosen among the configurations that Inductor tried on this GPU.

    Raises:
        Ungenerated: kernels of this torch do not say what was chosen.
    """
    from torch._inductor.codecache import PyCodeCache

    found: dict[str, dict[str, int]] = {}
    for module in PyCodeCache.modules:
        for name, kernel in list(vars(module).items()):
            launchers = getattr(kernel, "launchers", None)
            if isinstance(launchers, list) and len(launchers) == 1:  # one is left of those that were tried
                chosen = launchers[0].config
                values = {**chosen.kwargs, "num_warps": chosen.num_warps, "num_stages": chosen.num_stages}
                found[name] = {key: value for key, value in values.items() if type(value) is int}
    return found
