"""Runs in a process of its own: compiles or interprets the sources that come on standard input, prints JSON.

A process per mode, because Triton decides at import between compiling and interpreting. No sandbox is needed: the
sources are constants of `kernels.py`, written for these tests.
"""

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any


def load(source: str, folder: Path, name: str) -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def compile_all(jobs: dict[str, Any], device: Any, folder: Path) -> dict[str, Any]:
    from evaluator.inside import aot
    from evaluator.inside.cuda_names import CudaNames
    from evaluator.inside.tensors import TensorSpec

    def specs(shapes: Any) -> list[Any] | None:
        if shapes is None:
            return None
        return [TensorSpec(tuple(shape), strides(shape), dtype) for shape, dtype in shapes]

    def strides(shape: list[int]) -> tuple[int, ...]:
        found = [1]
        for size in reversed(shape[1:]):
            found.append(found[-1] * size)
        return tuple(reversed(found))

    answers: dict[str, Any] = {}
    for name, job in jobs.items():
        try:
            with CudaNames(device):
                module = load(job["source"], folder, name)
            answers[name] = aot.compile_candidate(
                module.ModelNew,
                job.get("init", []),
                specs(job["inputs"]) or [],
                device,
                small_inputs=specs(job.get("small")),
            )
        except aot.CompileFailure as failure:
            answers[name] = {"compile_failure": failure.describe()}
        except aot.ForwardFailure as failure:
            answers[name] = {"forward_failure": str(failure)}
    return answers


def interpret_all(jobs: dict[str, Any], device: Any, folder: Path) -> dict[str, Any]:
    import torch

    from evaluator.inside import interpreter
    from evaluator.inside.cuda_names import CudaNames

    interpreter.install(device)
    answers: dict[str, Any] = {}
    for name, job in jobs.items():
        torch.manual_seed(1)
        interpreter.choose(job.get("config", 0))
        inputs = [torch.randn(shape, dtype=getattr(torch, dtype)) for shape, dtype in job["inputs"]]
        try:
            with CudaNames(device), torch.no_grad():
                module = load(job["source"], folder, name)
                output = module.ModelNew(*job.get("init", []))(*inputs)
            expected = eval(job["expected"], {"torch": torch, "inputs": [x.double() for x in inputs]})
            answers[name] = {"error": float((output.double() - expected).abs().max())}
        except Exception as error:  # noqa: BLE001 - the boundary of this process: any failure is an answer
            answers[name] = {"raised": type(error).__name__, "message": str(error)}
    return answers


def main() -> None:
    mode, request = sys.argv[1], json.load(sys.stdin)
    if mode == "interpret":
        os.environ["TRITON_INTERPRET"] = "1"
    from evaluator.inside.device import Device

    device = Device.of(request["gpu"])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        run = interpret_all if mode == "interpret" else compile_all
        print(json.dumps(run(request["jobs"], device, Path(folder))))


if __name__ == "__main__":
    main()
