"""Records rounds of fresh pairs of workers on this machine's GPU: the same kernel twice, and with planted gains.

    python -m benchmarks.record_timing OUT.json [--pairs N] [--planted N] [--rounds N] [--sittings N]
                                       [--kernels NAME ...] [--transport ipc|pinned]

A pair is two new sandboxed workers for one kernel of `benchmarks.kernels`; a gain is planted by doing proportionally
less. What is written are the log ratios of every round, and several sittings of the audit clock with workers that
do not lie, with as many spot checks of them. OUT.json is written after each pair and gone on with.
`python -m benchmarks.resample_timing` makes tables of it.
"""

import argparse
import copy
import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, get_args

from benchmarks.kernels import CONF, KERNELS
from evaluator.catalog import load_gpus
from evaluator.devices import choose, detect
from evaluator.oracle.buffers import Transport
from evaluator.oracle.confinement import Confinement
from evaluator.oracle.correctness import Examination
from evaluator.oracle.lock import hold
from evaluator.oracle.reference import Reference
from evaluator.oracle.timing.audit import claimed
from evaluator.oracle.timing.canary import Canary, Disturbance
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.control import Control
from evaluator.oracle.timing.interleaving import Interleaving
from evaluator.oracle.worker import WorkerHandle
from evaluator.request import EvaluatorSettings

GAINS = (0.005, 0.01, 0.02, 0.05)


class Unchecked(Contestant):
    """A kernel that leaves out a part of its work is wrong on purpose: nothing that it returns is looked at."""

    def _unforeseen(self) -> bool:
        return False


class Recorder:
    """Workers, references and what was measured with them.

    Args:
        sittings: of the audit clock, and as many spot checks, for each pair of equals.
        kernels: names of those that are recorded.
        transport: of tensors between oracle and workers.
    """

    def __init__(self, sittings: int, kernels: Sequence[str], transport: Transport) -> None:
        target = choose("auto", load_gpus(CONF), detect(), "auto")
        if target.device is None:
            raise SystemExit("there is no GPU here to record on")
        import torch

        self.settings = EvaluatorSettings()
        self._sittings = sittings
        self.device = target.device
        self._confinement = Confinement(self.settings.limits, target.gpu, target.device)
        self._confinement.transport = transport
        self._l2_bytes = int(torch.cuda.get_device_properties(0).L2_cache_size)
        self._canary = Canary()
        self.control = Control(self.worker, self._canary, self.settings.limits.forward_s)
        self._tasks = {name: KERNELS[name].task() for name in kernels}
        self._references = {name: Reference(task.reference, name, "cuda") for name, task in self._tasks.items()}
        self._open: list[Examination] = []
        self.share: dict[str, float] = {}

    def worker(self) -> WorkerHandle:
        return WorkerHandle("device", self._confinement, self.settings.limits)

    def contestant(self, worker: WorkerHandle, size: str, fraction: float) -> Contestant:
        """The kernel of this size with a fraction of its work, ready to be timed."""
        examination = Examination(self._tasks[size], self._references[size], worker, self.settings.limits)
        self._open.append(examination)
        examination.load(KERNELS[size].source(fraction), {})
        examination.exchange.prepare(copy.deepcopy(examination._model), 1)
        examination.exchange.fill(1)
        examination.exchange.forward(0, self.settings.limits.first_forward_s)
        settings = self.settings
        made = Unchecked(examination, settings.timer, self._l2_bytes, settings.limits.forward_s, self.control)
        made.prepare()
        return made

    def close(self) -> None:
        """End the workers of all contestants so far, and take back what they were lent."""
        for examination in self._open:
            examination.close()
        self._open = []

    def describe(self) -> dict[str, Any]:
        """What was measured on, and with which settings."""
        timer = self.settings.timer.model_dump(mode="json")
        machine = {"device": self.device.name, "driver": self.device.driver}
        return machine | {"transport": self._confinement.transport, "timer": timer}

    def learn_shares(self) -> None:
        """Which part of a kernel's time depends on its work: from all of it, and half of it."""
        for size in self._tasks:
            worker = self.worker()
            whole, half = (self._alone(self.contestant(worker, size, part)) for part in (1.0, 0.5))
            self.share[size] = 2 * (whole - half) / whole
            print(size, f"{whole * 1e3:.2f} us, of which {self.share[size]:.0%} depend on its work", flush=True)
            self.close()

    def _alone(self, contestant: Contestant) -> float:
        return median(contestant.block(contestant.forward_ms < 0.1, 30))

    def record(self, gains: tuple[float, ...], rounds: int) -> Iterator[dict[str, Any]]:
        """Everything that one pair of new workers for each kernel is asked for."""
        if not self.share:
            self.learn_shares()
        # All start at once, and none while another is measured.
        workers = [self.worker() for _ in range(2 * len(self._tasks))]
        try:
            for worker in workers:
                worker.wait_ready()
                worker.freeze()  # as the service keeps those that wait
            for size in self._tasks:
                ours, other = workers.pop(), workers.pop()
                ours.thaw()
                other.thaw()
                theirs = self.contestant(other, size, 1.0)
                for gain in gains:
                    found = self.compare(ours, theirs, size, gain, rounds if gain == 0 else rounds // 2)
                    if found is None:
                        print(f"{size} planted {gain:.1%} was disturbed and is left out", flush=True)
                        continue
                    _tell(found)
                    yield found
                ours.kill()
                self.close()
        finally:
            self.close()
            for worker in workers:
                worker.kill()

    def compare(
        self, worker: WorkerHandle, theirs: Contestant, size: str, gain: float, rounds: int
    ) -> dict[str, Any] | None:
        """Rounds of one pair with a planted gain; None if the GPU was disturbed."""
        began = time.monotonic()
        ours = self.contestant(worker, size, 1 - gain / self.share[size])
        self._canary.hatch()
        ready = time.monotonic()
        with Interleaving(ours, theirs, self.settings.timer, self._canary) as session, suppress(Disturbance):
            session.take(rounds)
        found = session.rounds
        if len(found.log_ratios) < rounds:
            return None
        record = {
            "size": size,
            "planted": gain,
            "log_ratios": [round(value, 7) for value in found.log_ratios],
            "ours_us": round(median(found.ours_ms) * 1e3, 4),
            "theirs_us": round(median(found.theirs_ms) * 1e3, 4),
            "slots": ours.slots,
            "not_captured": ours.not_captured,
            "void": len(found.void),
            "dropped": len(found.dropped),
            "ready_s": round(ready - began, 3),
            "rounds_s": round(time.monotonic() - ready, 3),
        }
        if gain == 0:
            audits = [theirs.take_audit() for _ in range(self._sittings)]
            record["claim_ms"] = claimed(found.theirs_ms)
            record["fresh_ms"] = [theirs.spot_check(session.around) for _ in range(self._sittings)]
            record["audits"] = [dataclasses.asdict(audit) for audit in audits]
        return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=int, default=12, help="fresh pairs of workers")
    parser.add_argument("--planted", type=int, default=6, help="so many of them with planted gains as well")
    parser.add_argument("--rounds", type=int, default=24, help="of each comparison without a gain; others half of it")
    parser.add_argument("--sittings", type=int, default=4, help="of the audit clock, and spot checks, for equals")
    parser.add_argument("--kernels", nargs="+", choices=KERNELS, default=list(KERNELS))
    parser.add_argument("--transport", choices=get_args(Transport), default="ipc", help="how tensors cross")
    given = parser.parse_args()
    recorder = Recorder(given.sittings, given.kernels, given.transport)
    records = _recorded(given.out, recorder.describe())
    with hold(recorder.device.uuid, lambda: print("waiting for another run to leave the GPU", flush=True)):
        for index in range(1 + max((record["pair"] for record in records), default=-1), given.pairs):
            gains = (0.0, *(GAINS if index < given.planted else ()))
            records += [{"pair": index} | found for found in recorder.record(gains, given.rounds)]
            given.out.write_text(json.dumps(recorder.describe() | {"records": records}))
    recorder.control.close()


def _recorded(file: Path, machine: dict[str, Any]) -> list[dict[str, Any]]:
    """What an earlier call recorded in the same way; it is gone on with."""
    if not file.exists():
        return []
    body = json.loads(file.read_text())
    for key in ("device", "transport"):
        if body[key] != machine[key]:
            raise SystemExit(f"{file} holds rounds with another {key}, {body[key]}")
    return list(body["records"])


def _tell(record: dict[str, Any]) -> None:
    ratios = record["log_ratios"]
    print(
        f"{record['size']:6s} planted {record['planted']:.1%} found {-mean(ratios):+.3%} sd {stdev(ratios):.3%} "
        f"{record['theirs_us']:.2f} us slots {record['slots']} void {record['void']} dropped {record['dropped']} "
        f"ready {record['ready_s']} s rounds {record['rounds_s']} s {record['not_captured']}",
        flush=True,
    )


if __name__ == "__main__":
    main()
