"""What a forward launches: every Triton launch of a block of code, compiled but not run, or run and noted."""

import contextlib
import hashlib
import inspect
import io
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from triton import knobs
from triton.runtime.autotuner import Autotuner, Config
from triton.runtime.jit import JITFunction

from evaluator.inside import accesses
from evaluator.inside.accesses import Accesses, moved_bytes
from evaluator.inside.failures import CompileFailure, is_config_failure
from evaluator.inside.resources import Usage, assemble, count_loads, read_log, reduced_formats
from evaluator.inside.tensors import stand_in


@dataclass
class Launched:
    """One kernel in one specialisation and configuration."""

    function: JITFunction[Any]
    compiled: Any
    arguments: dict[str, Any]
    config: dict[str, Any]
    assumed: bool  # not one of the configurations that tuning may or may not choose
    launches: int = 0
    grids: list[tuple[int, ...]] = field(default_factory=list)
    accesses: Accesses | None = None
    read_bytes: int = 0
    written_bytes: int = 0

    def add(self, grid: tuple[int, ...], arguments: dict[str, Any]) -> None:
        self.launches += 1
        if grid not in self.grids:
            self.grids.append(grid)
        if self.accesses is not None:
            read, written = moved_bytes(arguments, self.accesses)
            self.read_bytes += read
            self.written_bytes += written


@dataclass
class Choice:
    """The configuration that an autotuner is trying at the moment."""

    config: dict[str, Any]
    assumed: bool


class Launches:
    """The launches seen so far, in order of first appearance, and the failures to compile."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str, str], Launched] = {}
        self.failures: list[CompileFailure] = []
        self.notes: list[str] = []
        self.choice: Choice | None = None
        self._usage: dict[str, Usage] = {}

    def add(self, function: JITFunction[Any], compiled: Any, arguments: dict[str, Any], grid: Any) -> None:
        """Note a launch; `grid` is None for a compilation that the candidate asked for without launching."""
        choice = self.choice or Choice({}, assumed=True)
        key = (function.__name__, compiled.hash, repr(choice.config))
        launched = self.seen.get(key)
        if launched is None:
            launched = self.seen[key] = Launched(function, compiled, arguments, choice.config, choice.assumed)
            launched.accesses = accesses.read(compiled.asm.get("ttir", ""))
        if grid is not None:
            launched.add(resolve_grid(grid, arguments), arguments)

    def forget(self) -> None:
        """Drop the launches so far: those of a constructor are no part of a forward. What was compiled stays known."""
        self.seen.clear()

    def all_notes(self) -> list[str]:
        """What a reader of the facts should know."""
        notes = list(dict.fromkeys(self.notes))
        notes += [f"{failure} (the candidate caught this)" for failure in self.failures if not failure.config]
        for launched in self.seen.values():
            if len(launched.grids) > 1:
                notes.append(f"{launched.function.__name__} is launched with {len(launched.grids)} different grids")
        return notes

    def keep_log(self, compiled: Any, log: str) -> None:
        if "spill stores" in log:
            self._usage[compiled.hash] = read_log(log)

    def facts(self) -> list[dict[str, Any]]:
        """One dictionary a kernel, with the field names of evaluator.verdict.KernelFacts, `assumed` and `config`."""
        return [self._facts(launched) for launched in self.seen.values() if launched.launches]

    def _facts(self, launched: Launched) -> dict[str, Any]:
        compiled = launched.compiled
        usage = self._usage.get(compiled.hash)
        if usage is None:
            usage = self._usage[compiled.hash] = usage_of(compiled)
        largest = max(launched.grids, key=math.prod)
        names = {param.name for param in launched.function.params if param.is_constexpr}
        return {
            "name": launched.function.__name__,
            "registers": usage.registers,
            "spill_bytes": usage.spill_bytes,
            "shared_bytes": compiled.metadata.shared,
            "num_warps": compiled.metadata.num_warps,
            "num_stages": compiled.metadata.num_stages,
            "grid": list(largest),
            "launches": launched.launches,
            "constants": {name: plain(value) for name, value in launched.arguments.items() if name in names},
            "loads": count_loads(launched.function),
            "precision": reduced_formats(compiled),
            **_moved(launched),
            "code": hashlib.sha256(compiled.asm["cubin"]).hexdigest()[:16] if "cubin" in compiled.asm else "",
            "assumed": launched.assumed,
            "config": launched.config,
        }


def _moved(launched: Launched) -> dict[str, Any]:
    known = launched.accesses
    if known is None:
        return {"read_bytes": None, "written_bytes": None, "dots": None}
    return {"read_bytes": launched.read_bytes, "written_bytes": launched.written_bytes, "dots": known.dots}


def usage_of(compiled: Any) -> Usage:
    """Usage of a kernel without a log: a loaded one knows its registers and whether it uses local memory at all."""
    registers, local = getattr(compiled, "n_regs", None), getattr(compiled, "n_spills", None)
    if registers is not None and local == 0:
        return Usage(registers, 0)
    usage = assemble(compiled)
    return Usage(registers if registers is not None else usage.registers, usage.spill_bytes)


@contextmanager
def compiling() -> Iterator[Launches]:
    """Every launch in the block is bound, specialised and compiled as it would be, and not run.

    An autotuner compiles each of its configurations after pruning; the first that compiles is the one assumed.
    Needs the stub driver; outputs of kernels are garbage.
    """
    launches = Launches()
    launch = JITFunction.run

    def compile_only(self: JITFunction[Any], *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        arguments = bind(self, args, kwargs)
        for hook in self.pre_run_hooks:  # they get the tensors, of which the compiler is shown stand-ins
            hook(*args, **kwargs)
        output = io.StringIO()
        stand_ins = {name: stand_in(value) for name, value in kwargs.items()}
        try:
            with contextlib.redirect_stdout(output), patch.object(self, "pre_run_hooks", []):
                compiled = launch(self, *stand_in(args), grid=grid, warmup=True, **stand_ins)
        except Exception as error:
            config = launches.choice.config if launches.choice else {}
            launches.failures.append(CompileFailure.of(self, error, config))
            raise
        launches.keep_log(compiled, output.getvalue())
        launches.add(self, compiled, arguments, None if warmup else grid)
        return compiled

    def tune(self: Autotuner, *args: Any, **kwargs: Any) -> Any:
        return _compile_configs(self, launches, args, kwargs)

    with _replacing(compile_only, tune), patch.object(knobs.nvidia, "dump_ptxas_log", True):
        yield launches


def _compile_configs(tuner: Autotuner, launches: Launches, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
    configs = tuner.prune_configs(kwargs) if len(tuner.configs) > 1 else tuner.configs
    answer, chosen, problem = None, None, None
    for config in configs:
        launches.choice = Choice(describe_config(config), assumed=chosen is None)
        try:
            if config.pre_hook is not None:
                config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
            result = tuner.fn.run(*args, **kwargs, **config.all_kwargs())
        except Exception as error:
            if len(configs) == 1 or not is_config_failure(error):
                raise
            problem = error
            launches.notes.append(f"{tuner.base_fn.__name__}: configuration {config} is skipped: it does not compile")
            continue
        finally:
            launches.choice = None
        if chosen is None:
            answer, chosen = result, config
    if chosen is None and problem is not None:
        raise problem
    tuner.best_config = chosen
    return answer


@contextmanager
def recording() -> Iterator[Launches]:
    """Note every launch in the block while it really runs. Tuning must be over before: its trials are launches too."""
    launches = Launches()
    launch, choose = JITFunction.run, Autotuner.run

    def noted(self: JITFunction[Any], *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        compiled = launch(self, *args, grid=grid, warmup=warmup, **kwargs)
        if compiled is not None:
            launches.add(self, compiled, bind(self, args, kwargs), None if warmup else grid)
        return compiled

    def chosen(self: Autotuner, *args: Any, **kwargs: Any) -> Any:
        before = {key: launched.launches for key, launched in launches.seen.items()}
        compiled = choose(self, *args, **kwargs)
        for key, launched in launches.seen.items():
            if launched.launches > before.get(key, 0) and not launched.config:
                launched.config = describe_config(self.best_config)
        return compiled

    with _replacing(noted, chosen):
        yield launches


@contextmanager
def _replacing(run: Callable[..., Any], tune: Callable[..., Any]) -> Iterator[None]:
    replacements: tuple[AbstractContextManager[Any], ...] = (
        patch.object(JITFunction, "run", run),
        patch.object(Autotuner, "run", tune),
    )
    with replacements[0], replacements[1]:
        yield


def bind(function: JITFunction[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Kernel arguments by name, defaults included, as a grid function gets them; options such as num_warps left out."""
    defaults = {param.name: param.default for param in function.params if param.default is not inspect.Parameter.empty}
    named = {name: value for name, value in kwargs.items() if name in function.arg_names}
    return {**defaults, **dict(zip(function.arg_names, args, strict=False)), **named}


def resolve_grid(grid: Any, arguments: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in (grid(arguments) if callable(grid) else grid))


def describe_config(config: Config) -> dict[str, Any]:
    """A tuning configuration as JSON. What it leaves at None is left out; hooks have no name and are left out too."""
    options = {name: getattr(config, name, None) for name in ("num_warps", "num_stages", "num_ctas", "maxnreg")}
    return {
        "kwargs": {name: plain(value) for name, value in config.kwargs.items()},
        **{name: value for name, value in options.items() if value is not None},
    }


def plain(value: Any) -> Any:
    """A constant of a kernel as JSON: numbers, booleans and strings as they are, functions and types by name."""
    value = getattr(value, "value", value)  # tl.constexpr
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return getattr(value, "__name__", None) or str(value)
