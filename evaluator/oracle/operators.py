"""Which torch operators may do part of a candidate's arithmetic: the task's policy `torch_ops`.

The policy lists names of ATen operators (`mm`, `gelu`), of the groups below (`convolution`, `matmul`, `attention`), or
`any`. Whatever it says, operators that allocate, view, copy, cast or rearrange are free, and so is what touches
next to nothing compared with the task's own tensors, such as a scale computed from a few weights.
"""

import torch

from evaluator.errors import UsageError
from evaluator.work import family, plain_name

ANY = "any"

_GROUPS = ("convolution", "matmul", "attention")
_FREE = frozenset(
    {
        "alias",
        "as_strided",
        "block_diag",
        "cat",
        "chunk",
        "clone",
        "constant_pad_nd",
        "contiguous",
        "copy",
        "detach",
        "diag_embed",
        "empty",
        "empty_like",
        "empty_permuted",
        "empty_strided",
        "expand",
        "fill",
        "flip",
        "full",
        "full_like",
        "item",
        "lift",
        "lift_fresh",
        "lift_fresh_copy",
        "local_scalar_dense",
        "narrow_copy",
        "new_empty",
        "new_empty_strided",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones",
        "ones_like",
        "permute",
        "permute_copy",
        "pin_memory",
        "record_stream",
        "repeat",
        "repeat_interleave",
        "reshape_alias",
        "resize",
        "roll",
        "scalar_tensor",
        "set",
        "slice_scatter",
        "split",
        "squeeze_copy",
        "stack",
        "t_copy",
        "to",
        "to_copy",
        "transpose_copy",
        "tril",
        "triu",
        "unsafe_view",
        "unsqueeze_copy",
        "view_copy",
        "zero",
        "zeros",
        "zeros_like",
    }
)
NEGLIGIBLE = 1 / 64
"""At the task's true sizes: how much of its largest tensor an operator may touch without counting."""

NEGLIGIBLE_SMALL = 1 / 4
"""The same at the small sizes of a check without a GPU, where weights are large beside the activations."""


def check_policy(policy: tuple[str, ...], where: str) -> None:
    """Raises UsageError if a name in the policy is neither a group nor an operator of the torch installed."""
    unknown = [name for name in policy if name not in (ANY, *_GROUPS) and not hasattr(torch.ops.aten, name)]
    if unknown:
        raise UsageError(
            f"torch_ops of the task {where} names {', '.join(unknown)}, which torch does not have",
            f"Name ATen operators such as gelu or mm, one of {', '.join(_GROUPS)}, or {ANY}.",
        )


def working(elements: dict[str, int], largest: int, negligible: float) -> dict[str, int]:
    """The operators that do arithmetic worth mentioning, with the elements they touch.

    Args:
        elements: operator -> elements of the largest tensor of each call, summed.
        largest: elements of the task's largest input or output.
        negligible: the part of `largest` from which on it counts.
    """
    return {
        name: count
        for name, count in elements.items()
        if plain_name(name) not in _FREE and count >= negligible * largest
    }


def forbidden(names: dict[str, int], policy: tuple[str, ...]) -> dict[str, int]:
    """Those of `names` that the policy does not allow."""
    if ANY in policy:
        return {}
    return {name: count for name, count in names.items() if not _allowed(name, policy)}


def _allowed(name: str, policy: tuple[str, ...]) -> bool:
    plain = plain_name(name)
    return any(entry in (name, plain, family(name)) or plain_name(entry) == plain for entry in policy)
