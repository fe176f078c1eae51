"""Record what Inductor generates for the bundled tasks: `python -m tests.candidates.inductor.record [TASK...]`.

It needs no GPU. Inductor is told that it compiles for an H100, with tensors that have no memory, and stopped when the
text is there. What has to be pretended for this is in `an_h100`; the rest is the code that a worker runs. In place of
the configurations that a GPU would choose stand the first ones that Inductor would try.
"""

import ast
import json
import sys
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from triton.backends.compiler import GPUTarget

from evaluator.catalog import load_task
from evaluator.inside import generation, tree
from evaluator.oracle.generation import near
from evaluator.shrink import override_integers

FOLDER = Path(__file__).parent / "generated"
CONF = Path(__file__).parents[3] / "conf"
TASKS = (
    "convtranspose_layernorm_gelu",
    "layernorm_gelu_scale",
    "matmul_bias_relu",
    "rmsnorm",
    "softmax",
    "swiglu",
)


class _Properties:
    """Of an H100, as far as Inductor asks."""

    name = "NVIDIA H100 80GB HBM3"
    major, minor = 9, 0
    multi_processor_count = 132
    regs_per_multiprocessor = 65536
    max_threads_per_multi_processor = 2048
    max_threads_per_block = 1024
    warp_size = 32
    total_memory = 80 << 30
    L2_cache_size = 50 << 20
    gcnArchName = ""


class _Driver:
    """Triton's driver, as far as Inductor asks before anything is compiled."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0


@contextmanager
def an_h100() -> Iterator[None]:
    """Let Inductor believe that there is an H100, as long as it only writes."""
    from torch._inductor.fx_passes import joint_graph
    from torch._inductor.runtime import triton_helpers
    from torch._subclasses import fake_tensor
    from triton.runtime import driver

    driver.set_active(_Driver())
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda device=None: (9, 0),
        "_get_device_properties": lambda device: _Properties,
        "get_device_properties": lambda device=None: _Properties,
        "_lazy_init": lambda: None,
        "init": lambda: None,
        "synchronize": lambda device=None: None,
        "_exchange_device": lambda device: 0,
        "_maybe_exchange_device": lambda device: 0,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: None,
    }
    with ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer, create=True))
        # Patterns (of attention, above all) that are traced with tensors on the device.
        stack.enter_context(mock.patch.object(joint_graph, "lazy_init", return_value=None))
        stack.enter_context(mock.patch.object(triton_helpers, "set_driver_to_gpu", return_value=None))
        stack.enter_context(mock.patch.object(fake_tensor, "init_gpu_context", return_value=None))  # of a CUDA build
        yield


def record(name: str) -> dict[str, Any]:
    """A task's `Generation` as JSON, without a GPU."""
    task = load_task(name, CONF)
    sets = [{}, *near(task)]
    graphs = []
    with an_h100():
        for sizes in sets:
            tracing = generation.text_only(_module(override_integers(task.reference, sizes)), "cuda")
            graphs.append(_bare(generation.described(tracing, sizes)))
        return {
            "true": graphs[0],
            "near": graphs[1:],
            "configurations": first_configurations(graphs[0]["code"]),
            "outputs": tree.flatten(tracing.result, []),
            "software": {"torch": torch.__version__},
            "device": "pretended NVIDIA H100",
        }


def first_configurations(code: str) -> dict[str, dict[str, int]]:
    """The first configuration that Inductor would try for each kernel."""
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "async_compile.triton":
            name, text = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            path = Path("/tmp") / f"{name}.py"
            path.write_text(text)
            scope: dict[str, Any] = {"__file__": str(path), "__name__": name}
            exec(compile(text, str(path), "exec"), scope)
            config = scope[name].configs[0]
            found[name] = {**config.kwargs, "num_warps": config.num_warps, "num_stages": config.num_stages}
    return found


def _bare(graph: dict[str, Any]) -> dict[str, Any]:
    """Without comments and the benchmark at the end, so that the recording is small."""
    text = graph["code"].split("\nrunner = ")[0]
    return graph | {"code": "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))}


def _module(source: str) -> ModuleType:
    module = types.ModuleType("reference")
    exec(compile(source, "reference", "exec"), module.__dict__)
    return module


def main() -> None:
    for name in sys.argv[1:] or TASKS:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.json").write_text(json.dumps(record(name), indent=1))
        print(name)


if __name__ == "__main__":
    main()
