"""What a worker says is looked at before it is used."""

import pytest

from evaluator.oracle import claims
from evaluator.oracle.worker import Answer, WorkerFailure

GOOD = {
    "ok": True,
    "parameters": [{"kind": "parameter", "name": "gain", "shape": [3], "dtype": "float32"}],
    "structure": {"tensor": 0},
    "outputs": [{"shape": [2, 3], "dtype": "float32", "device": "cuda"}],
    "kernels": [{"name": "k", "registers": 32, "grid": [4], "num_warps": 4, "constants": {"BLOCK": 8}, "asm": "x"}],
    "autotune": {"k": [{}]},
    "notes": ["a note"],
}


def test_an_honest_answer_passes() -> None:
    claims.check(GOOD)


@pytest.mark.parametrize(
    ("part", "claim"),
    [
        ("kernels", 7),
        ("kernels", [{"registers": 4}]),
        ("kernels", [{"name": "k", "registers": -1}]),
        ("kernels", [{"name": "k", "num_warps": 0}]),
        ("kernels", [{"name": "k", "grid": "wide"}]),
        ("kernels", [{"name": "k"}] * 5000),
        ("parameters", [{"kind": "secret", "name": "gain", "shape": [3], "dtype": "float32"}]),
        ("parameters", [{"kind": "parameter", "name": "gain", "shape": [1.5], "dtype": "float32"}]),
        ("outputs", [3]),
        ("outputs", [{"shape": "wide", "dtype": "float32"}]),
        ("structure", []),
        ("autotune", "none"),
        ("notes", [1]),
        ("bases", [{}]),
    ],
)
def test_a_malformed_part_is_named(part: str, claim: object) -> None:
    with pytest.raises(claims.Malformed, match=part):
        claims.check(GOOD | {part: claim})


def test_a_missing_part_is_the_workers_failure() -> None:
    with pytest.raises(WorkerFailure, match="no outputs") as failure:
        Answer(ok=True)["outputs"]
    assert failure.value.kind == "crashed"
