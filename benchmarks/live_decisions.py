"""Decisions that are taken live: a kernel against its equal, and against one that does more than it must.

    python -m benchmarks.live_decisions OUT.json [--null N] [--planted N] [--kernels NAME ...] [--markdown OUT.md]

Where `benchmarks.record_timing` records rounds for decisions that are taken offline, this asks the evaluator for whole
verdicts. The kernels are those of the record without weights; the one to beat does so much more, which nobody asked
for, that a gain is there to be found. Both are right, and every decision has workers of its own. OUT.json is written
after each decision and gone on with, so that a machine which is there for minutes will do.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.kernels import CONF, KERNELS, STREAMING
from evaluator.catalog import load_gpus
from evaluator.devices import choose, detect
from evaluator.gpus import Gpu
from evaluator.oracle.timing.distributions import clopper_pearson
from evaluator.request import EvaluatorSettings, Incumbent, Request
from evaluator.service import Evaluator
from evaluator.verdict import Status, Verdict

MIN_GAIN = 0.005
PLANTED = (0.0, 0.01, 0.02)
LIVE = (*STREAMING, "longest")


class Live:
    """The evaluator, and what part of each kernel's time depends on its work."""

    def __init__(self, evaluator: Evaluator, gpu: Gpu) -> None:
        self._evaluator = evaluator
        self._gpu = gpu
        self._share: dict[str, float] = {}

    def decide(self, size: str, planted: float, index: int) -> dict[str, Any]:
        """One verdict on the kernel, against one that takes `planted` more of its own time."""
        more = (1 / (1 - planted) - 1) / self._share_of(size) if planted else 0.0
        slow = _code(size, more, f"to beat, {index}")
        incumbent = Incumbent(digest=_digest(slow), source=slow)
        began = time.monotonic()
        verdict = self._judge(size, _code(size, 0.0, f"decision {index}"), incumbent)
        gain = verdict.gain
        return {
            "size": size,
            "planted": planted,
            "index": index,
            "status": str(verdict.status),
            "reason": verdict.reason,
            "accepted": gain is not None and gain.reaches(MIN_GAIN),
            "gain": gain.model_dump() if gain else None,
            "seconds": verdict.evidence.seconds,
            "wall_s": round(time.monotonic() - began, 3),
            "notes": verdict.evidence.notes,
        }

    def _judge(self, size: str, source: str, incumbent: Incumbent | None = None) -> Verdict:
        request = Request(
            source=source,
            digest=_digest(source),
            task=KERNELS[size].task(),
            target=self._gpu,
            incumbent=incumbent,
            thorough=False,
            min_gain=MIN_GAIN,
        )
        return self._evaluator.evaluate(request)

    def _share_of(self, size: str) -> float:
        """How much longer more work makes it, as a part of what it would if that were all that took time."""
        if size not in self._share:
            once, more = (self._alone_ms(size, part) for part in (0.0, 0.5))
            self._share[size] = 2 * (more / once - 1)
            print(f"{size}: {once * 1e3:.2f} us, of which {self._share[size]:.0%} depend on its work", flush=True)
        return self._share[size]

    def _alone_ms(self, size: str, more: float) -> float:
        verdict = self._judge(size, _code(size, more, "alone"))
        if verdict.time is None:
            raise SystemExit(f"the {size} kernel could not be timed: {verdict.status}, {verdict.reason}")
        return verdict.time.median_ms


def _code(size: str, more: float, remark: str) -> str:
    """The kernel with so much more work, as a share of its own."""
    return f"# {remark}\n" + KERNELS[size].extended(more)


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def table(rows: Iterable[dict[str, Any]]) -> list[str]:
    """What was decided, as Markdown. Verdicts that gave no decision are counted, not left out."""
    accepted = f"accepted (min_gain {MIN_GAIN:.1%})"
    lines = [
        f"| kernel | planted | found | {accepted} | exact 95 % interval | unverified | pairs | timing, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["planted"], row["size"]), []).append(row)
    for (planted, size), same in sorted(groups.items(), key=lambda item: (item[0][0], LIVE.index(item[0][1]))):
        gains = [row["gain"] for row in same if row["gain"]]
        hits = sum(row["accepted"] for row in same)
        low, high = clopper_pearson(hits, len(same))
        found = f"{mean(gain['estimate'] for gain in gains):.2%}" if gains else ""
        pairs = f"{mean(gain['pairs'] for gain in gains):.2f}" if gains else ""
        failed = sum(row["status"] != Status.VERIFIED for row in same)
        seconds = median(row["seconds"].get("time", 0.0) for row in same)
        accepted = f"{hits} of {len(same)} | {low:.1%} to {high:.1%}"
        lines.append(f"| {size} | {planted:.1%} | {found} | {accepted} | {failed} | {pairs} | {seconds:.2f} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--null", type=int, default=10, help="decisions between equals, for each kernel")
    parser.add_argument("--planted", type=int, default=5, help="decisions for each kernel and planted gain")
    parser.add_argument("--kernels", nargs="+", choices=LIVE, default=LIVE)
    parser.add_argument("--markdown", type=Path, help="write the table there as well")
    given = parser.parse_args()
    target = choose("auto", load_gpus(CONF), detect(), "auto")
    if target.device is None:
        raise SystemExit("there is no GPU here to decide on")
    body: dict[str, Any] = {"device": target.device.name, "rows": []}
    if given.out.exists():
        body = json.loads(given.out.read_text())
    if body["device"] != target.device.name:
        raise SystemExit(f"{given.out} holds decisions of another GPU, {body['device']}")
    done = {(row["size"], row["planted"], row["index"]) for row in body["rows"]}
    settings = EvaluatorSettings(baselines=(), sanitizer="none")
    with Evaluator(settings, device=target.device.uuid, target=target.gpu) as evaluator:
        live = Live(evaluator, target.gpu)
        for index in range(max(given.null, given.planted)):
            for planted in PLANTED:
                for size in given.kernels:
                    if index >= (given.planted if planted else given.null) or (size, planted, index) in done:
                        continue
                    body["rows"].append(live.decide(size, planted, index))
                    given.out.write_text(json.dumps(body, indent=1) + "\n")
    text = "\n".join(table(body["rows"]))
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n")
    return 0 if all(row["status"] == Status.VERIFIED for row in body["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main())
