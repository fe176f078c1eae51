"""Has Triton refuse what `launch_options` lists: an option whose name is put together passes the static rules."""

from triton.backends.nvidia.compiler import CUDABackend

from evaluator.inside.launch_options import REFUSED

_parse = CUDABackend.parse_options


def refuse() -> None:
    """From now on, compiling a kernel with such an option raises ValueError, which says what to do instead."""
    CUDABackend.parse_options = _parse_allowed


def _parse_allowed(backend: CUDABackend, options: dict[str, object]) -> object:
    for name, remedy in REFUSED.items():
        if options.get(name):
            raise ValueError(f"the launch option {name} is not allowed. {remedy}")
    return _parse(backend, options)
