"""Measured ceilings: kept beside the database, handed to every evaluation, and taken from the first."""

from pathlib import Path
from typing import cast

import pytest

from candidates.store import Store
from evaluator.errors import StoreError
from evaluator.request import Request
from evaluator.service import Evaluator
from evaluator.verdict import Verdict
from evaluator.work import Ceilings
from harness import ceilings, cli
from harness.evaluation import Judge
from tests.harness.recording import API, RTX_4090, RecordedEvaluator, Ties, settings, source, verdict

REACHED = Ceilings.of_datasheet(RTX_4090).model_copy(
    update={"source": "measured", "copy_gb_s": 915.0, "device": "NVIDIA GeForce RTX 4090"}
)


def with_ceilings(found: Verdict) -> Verdict:
    return found.model_copy(update={"evidence": found.evidence.model_copy(update={"ceilings": REACHED})})


def test_they_are_measured_once_and_given_to_every_later_evaluation(tmp_path: Path) -> None:
    asked: list[Request] = []
    evaluator = RecordedEvaluator(Ties(with_ceilings(verdict(ms=1.0))), on_evaluate=asked.append)
    with Store.open("", tmp_path) as store:
        judge = Judge(settings(tmp_path), store, cast(Evaluator, evaluator), API)
        judge.judge(source(1))
        judge.judge(source(2))
    assert [request.ceilings for request in asked] == [None, REACHED]
    assert ceilings.known(tmp_path, "recorded") == REACHED
    assert ceilings.known(tmp_path, "another machine") is None


def test_they_can_be_shown_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["calibrate", "--show", f"store.root={tmp_path}"]
    assert cli.main(words) == 0
    assert "datasheet" in capsys.readouterr().out
    ceilings.keep(tmp_path, "f" * 16, REACHED)
    assert cli.main(words) == 0
    assert "copies 915 GB/s; TFLOP/s: FP32 82.6" in capsys.readouterr().out


def test_what_was_measured_on_other_machines_stays(tmp_path: Path) -> None:
    ceilings.keep(tmp_path, "one", REACHED)
    ceilings.keep(tmp_path, "two", REACHED.model_copy(update={"copy_gb_s": 3000.0}))
    assert {found.copy_gb_s for found in ceilings.all_known(tmp_path).values()} == {915.0, 3000.0}
    assert [path.name for path in tmp_path.iterdir()] == ["ceilings.json"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ceilings.json").write_text('{"x": {"copy_gb_s": -1}}')
    with pytest.raises(StoreError, match="damaged"):
        ceilings.known(tmp_path, "x")
