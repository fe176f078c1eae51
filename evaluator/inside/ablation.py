"""Forwards with some of the candidate's kernels left out: what does not change the output does no work."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from triton.compiler.compiler import CompiledKernel
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

EVERY = "*"


@contextmanager
def launching(stubbed: Collection[str]) -> Iterator[dict[str, int]]:
    """Count the launches in the block by kernel; those of kernels in `stubbed` (`*`: all) do not take place.

    A stubbed kernel is not compiled either. Its launch returns None.
    """
    launched: dict[str, int] = {}

    def note(name: str) -> bool:
        """Count a launch; True if it is to be left out."""
        launched[name] = launched.get(name, 0) + 1
        return EVERY in stubbed or name in stubbed

    def replacing(run: Callable[..., Any]) -> Callable[..., Any]:
        def launch(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            if not warmup and note(str(self.fn.__name__)):
                return None
            return run(self, *args, grid=grid, warmup=warmup, **kwargs)

        return launch

    compiled = CompiledKernel.__getitem__

    def launcher(self: Any, grid: Any) -> Any:
        launch = compiled(self, grid)

        def run(*args: Any, **kwargs: Any) -> Any:
            return None if note(str(self.name)) else launch(*args, **kwargs)

        return run

    with (
        patch.object(JITFunction, "run", replacing(JITFunction.run)),
        patch.object(InterpretedFunction, "run", replacing(InterpretedFunction.run)),
        patch.object(CompiledKernel, "__getitem__", launcher),
    ):
        yield launched
