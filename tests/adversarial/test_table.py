"""Going on with a table that was cut off."""

import json
from pathlib import Path
from typing import Any, cast

from tests.adversarial.collection import ALL
from tests.adversarial.outcome import Bench
from tests.adversarial.table import _rows

NOBODY = cast(Bench, None)  # nothing below is to be evaluated
ON_A_GPU = [case for case in ALL if case.shows == "gpu"][:3]


def rows(file: Path, gpu: bool = False) -> list[dict[str, Any]]:
    return list(_rows(NOBODY, ON_A_GPU, gpu, file))


def test_rows_are_kept_one_by_one_and_not_made_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    found = rows(file)
    assert [row["result"] for row in found] == ["needs a GPU"] * 3
    assert [json.loads(line) for line in file.read_text().splitlines()] == found
    found[1]["result"] = "caught"
    file.write_text("".join(json.dumps(row) + "\n" for row in found[:2]))
    assert [row["result"] for row in rows(file)] == ["needs a GPU", "caught", "needs a GPU"]
    assert len(file.read_text().splitlines()) == 3


def test_rows_of_a_gpu_are_no_rows_without_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    measured = [row | {"gpu": True, "result": "caught"} for row in rows(tmp_path / "other.jsonl")]
    file.write_text("".join(json.dumps(row) + "\n" for row in measured))
    assert rows(file, gpu=True) == measured
    assert {row["result"] for row in rows(file)} == {"needs a GPU"}
