"""Which program covers an element, as seen and as a launch says."""

import pytest

from evaluator.oracle.programs import by_launch, in_words
from evaluator.verdict import KernelFacts

UNKNOWN = "Which program writes that element is not plain from the launches."


def launched(*grid: int, **constants: int) -> KernelFacts:
    return KernelFacts(name="k", grid=grid, launches=1, constants=constants)


@pytest.mark.parametrize(
    ("kernel", "shape", "element", "said"),
    [
        (
            launched(4, BLOCK=64),
            (5, 50),
            130,
            "launch of k (4 programs), that element is written by program 2 (one for BLOCK = 64 elements).",
        ),
        (launched(5, 1, 1, BLOCK=60), (5, 50), 130, "written by program 2 (one a row)."),
        (launched(5, BLOCK=50), (5, 50), 130, "written by program 2 (one a row)."),
        (launched(8, BLOCK_M=16), (8, 16), 127, "by program 7 (one a row)."),
        (
            launched(4, BLOCK=1024),
            (4, 1000),
            2000,
            "written by program 2 if it is one a row, or by program 1 if it is one for BLOCK = 1024 elements.",
        ),
    ],
)
def test_a_plain_launch_says_it(kernel: KernelFacts, shape: tuple[int, ...], element: int, said: str) -> None:
    assert said in by_launch([kernel], shape, element)


@pytest.mark.parametrize(
    ("kernels", "shape"),
    [
        ([launched(4, 2, BLOCK=64)], (8, 64)),  # a second axis may be anything
        ([launched(3, BLOCK=64)], (8, 64)),  # neither rows nor blocks
        ([launched(8, BLOCK=64), launched(8, BLOCK=64)], (8, 64)),
        ([KernelFacts(name="k")], (8, 64)),
        ([KernelFacts(name="k", grid=(8,), launches=2)], (8, 64)),
        ([launched(1, BLOCK=64)], ()),
        ([], (8, 64)),
    ],
)
def test_what_is_not_plain_is_not_known(kernels: list[KernelFacts], shape: tuple[int, ...]) -> None:
    assert by_launch(kernels, shape, 25) == UNKNOWN


def test_several_writers_are_counted_and_a_few_named() -> None:
    writers = [{"kernel": "k", "program": [number, 0, 0], "grid": [9, 1, 1]} for number in range(6)]
    said = in_words(writers)
    assert "by 6 programs: program (0, 0, 0) of the grid (9, 1, 1) of k; " in said
    assert said.endswith("program (3, 0, 0) of the grid (9, 1, 1) of k, and 2 more.")
