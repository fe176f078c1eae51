"""A size is told by the values that it takes."""

import pytest

from candidates.inductor.fitting import Fitting, Shape
from candidates.inductor.merging import Unrewritable, Values

X = Shape("x", ((32, 31, 29, 27), (64, 63, 59, 61), (48, 47, 43, 45)))
W = Shape("w", ((16, 15, 13, 11),))


def fitting() -> Fitting:
    found = Fitting(4)
    found.add(X)
    found.add(W)
    return found


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((7, 7, 7, 7), "7"),
        ((64, 63, 59, 61), "x.shape[1]"),
        (X.numel, "x.numel()"),
        (tuple(a * b for a, b in zip((32, 31, 29, 27), (64, 63, 59, 61), strict=True)), "x.numel() // x.shape[2]"),
        (tuple(a * b for a, b in zip((64, 63, 59, 61), (48, 47, 43, 45), strict=True)), "x.shape[1] * x.shape[2]"),
        ((128, 126, 118, 122), "x.shape[1] * 2"),
        (tuple(a * b for a, b in zip((32, 31, 29, 27), (16, 15, 13, 11), strict=True)), "x.shape[0] * w.shape[0]"),
        ((15, 15, 14, 13), "(x.shape[0] - 1) // 2"),
        ((65, 63, 59, 55), "x.shape[0] * 2 + 1"),
        ((1 / 64, 1 / 63, 1 / 59, 1 / 61), "1.0 / (x.shape[1])"),
        ((64, 63, 59), "x.shape[1]"),
    ],
)
def test_expressions(values: Values, text: str) -> None:
    assert fitting().text(values) == text


def test_equal_true_sizes_are_told_apart_by_the_others() -> None:
    found = Fitting(3)
    found.add(Shape("x", ((64, 63, 61), (64, 61, 63))))
    assert found.text((64, 61, 63)) == "x.shape[1]"


def test_what_is_no_simple_expression_is_said() -> None:
    with pytest.raises(Unrewritable, match="no simple expression of the tensors' dimensions: 1, 5, 2, 11"):
        fitting().text((1, 5, 2, 11))


def test_the_shape_of_a_tensor_that_is_there() -> None:
    assert fitting().same_shape([(32, 31, 29, 27), (64, 63, 59, 61), (48, 47, 43, 45)]) == "x"
    assert fitting().same_shape([(16, 15, 13, 12)]) == ""
