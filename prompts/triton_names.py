"""What the installed Triton lacks of the names that people assume, and what to write instead.

The names and their remedies are those of the static rules, so that prompt and checker say the same.
"""

from dataclasses import dataclass

from candidates.rules.language import INSTEAD
from evaluator.triton_api import TritonApi

_ASSUMED = ("elu", "leaky_relu", "logsumexp", "std", "layer_norm", "erf", "rsqrt", "clamp", "fma", "dot", *INSTEAD)
_WANTED = (
    *("tanh", "erf", "erfc", "erfinv", "log1p", "expm1", "pow", "rsqrt", "rint", "tan", "atan", "sinh", "cosh"),
    *("isnan", "isinf", "fast_expf", "fast_tanhf", "fast_dividef"),
)
"""Members of libdevice that kernels for neural networks use."""


@dataclass(frozen=True)
class Names:
    """The commonly assumed names, sorted out for one Triton. `absent` and `present` are of triton.language."""

    version: str
    absent: tuple[str, ...]
    present: tuple[str, ...]
    libdevice: tuple[str, ...]
    instead: dict[str, str]  # absent name -> what to write, one sentence


def sort_out(api: TritonApi) -> Names:
    """Which of the commonly assumed names this Triton has, and what stands in for the others."""
    assumed = sorted(set(_ASSUMED))
    absent = tuple(name for name in assumed if name not in api.language)
    return Names(
        version=api.version,
        absent=absent,
        present=tuple(name for name in assumed if name in api.language),
        libdevice=tuple(name for name in _WANTED if name in api.libdevice),
        instead={name: INSTEAD[name] for name in absent if name in INSTEAD},
    )
