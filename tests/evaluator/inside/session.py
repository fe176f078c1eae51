"""Runs in a process of its own: compiles, interprets or tunes the sources of these tests, prints JSON.

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
    from evaluator.inside.ablation import launching
    from evaluator.inside.cuda_names import CudaNames
    from evaluator.inside.operators import Operators

    interpreter.install(device)
    answers: dict[str, Any] = {}
    for name, job in jobs.items():
        torch.manual_seed(1)
        interpreter.choose(job.get("config", 0))
        inputs = [torch.randn(shape, dtype=getattr(torch, dtype)) for shape, dtype in job["inputs"]]
        try:
            with CudaNames(device), torch.no_grad():
                module = load(job["source"], folder, name)
                with launching(()), Operators(None).observing() as seen:
                    output = module.ModelNew(*job.get("init", []))(*inputs)
            expected = eval(job["expected"], {"torch": torch, "inputs": [x.double() for x in inputs]})
            error = float((output.double() - expected).abs().max())
            answers[name] = {"error": error, "operators": sorted(seen.elements)}
        except Exception as error:  # noqa: BLE001 - the boundary of this process: any failure is an answer
            answers[name] = {"raised": type(error).__name__, "message": str(error)}
    return answers


def pin_all(jobs: dict[str, Any], device: Any, folder: Path) -> dict[str, Any]:
    """Tune with Triton's own autotuner while launches only compile, then pin what it chose."""
    import copy
    from unittest.mock import patch

    import torch
    from triton.runtime.autotuner import Autotuner
    from triton.runtime.jit import JITFunction

    from evaluator.inside import pins, stub_driver
    from evaluator.inside.capture import compiling, describe_config
    from tests.evaluator.inside import kernels

    stub_driver.activate(device)
    tune, trials = Autotuner.run, 0
    answers: dict[str, Any] = {}

    def forward(module: ModuleType, rows: int) -> Any:
        with torch.no_grad():
            return module.ModelNew(64)(torch.empty(rows, 64))

    with compiling(), patch.object(Autotuner, "run", tune):
        compile_only = JITFunction.run

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal trials
            trials += 1
            return compile_only(*args, **kwargs)

        with patch.object(JITFunction, "run", counted):
            module = load(kernels.LAYERNORM_AUTOTUNED, folder, "tuned")
            forward(module, 4096)
            forward(module, 512)
            answers["chosen"] = chosen = pins.chosen(module)
            second = describe_config(module.layernorm.configs[1])

            module = load(kernels.LAYERNORM_AUTOTUNED, folder, "pinned")
            pins.pin(module, {"layernorm": [{"key": "", **second}]})
            answers["pinned_configs"] = [describe_config(config) for config in module.layernorm.configs]
            trials = 0
            answers["pinned_facts"] = pins.facts(lambda: forward(module, 4096))
            answers["pinned_trials"] = trials

            module = load(kernels.LAYERNORM_AUTOTUNED, folder, "by_key")
            differing = copy.deepcopy(chosen)
            differing["layernorm"][1] |= second
            pins.pin(module, differing)
            trials, answers["by_key"] = 0, []
            for rows in (4096, 512, 64):
                forward(module, rows)
                answers["by_key"].append(describe_config(module.layernorm.best_config))
            answers["by_key_trials"] = trials
            answers["by_key_again"] = pins.chosen(module) == differing
            try:
                pins.pin(module, {"layernorm": [{"key": "", **second, "num_warps": 16}]})
            except pins.PinError as error:
                answers["foreign"] = str(error)
    return answers


def main() -> None:
    mode, request = sys.argv[1], json.load(sys.stdin)
    if mode == "interpret":
        os.environ["TRITON_INTERPRET"] = "1"
    from evaluator.inside.device import Device

    device = Device.of(request["gpu"])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        run = {"compile": compile_all, "interpret": interpret_all, "pins": pin_all}[mode]
        print(json.dumps(run(request["jobs"], device, Path(folder))))


if __name__ == "__main__":
    main()
