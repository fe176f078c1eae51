"""Workers that are played, on the CPU, for what fills, commands, copies and judges a ring of theirs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from evaluator.catalog import load_tolerance
from evaluator.oracle.correctness import Examination
from evaluator.oracle.exchange import Slot
from evaluator.oracle.reference import Reference
from evaluator.oracle.timing.canary import Canary
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.control import Control
from evaluator.oracle.worker import WorkerHandle
from evaluator.request import Limits, Timer
from evaluator.tasks import Task

from .quiet import Calm

CONF = Path(__file__).parents[4] / "conf"

SOURCE = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) * 3.0

def get_inputs():
    return [torch.randn(4, 50)]

def get_init_inputs():
    return []
"""
SLOTS = 30

Doing = Callable[["Player", list[Slot]], None]


class Player:
    """Answers as a worker does; `doing` is its work in slots of the ring, and `saying` the milliseconds that it claims,
    one after the other and the last for ever.
    """

    transport = "ipc"

    def __init__(self, doing: Doing, *saying: float) -> None:
        self._saying = list(saying)
        self.examination: Any = None
        self.control = Control(lambda: cast(WorkerHandle, Idler(self)), cast(Canary, Calm()), 1.0)
        self.rounds = 0
        self.frozen = False
        self.asked: list[str] = []
        self.observing: list[bool] = []
        self.forwards: list[dict[str, Any]] = []
        self.timed: list[dict[str, Any]] = []
        self.handed_over: list[list[int]] = []
        self._doing = doing
        self._slots: list[Slot] = []

    def ask(self, message: dict[str, Any], timeout_s: float, fds: tuple[int, ...] = ()) -> dict[str, Any]:
        assert not self.frozen
        self.asked.append(message["do"])
        if message["do"] == "warm":
            return {"forward_ms": self._says()}
        if message["do"] == "time":
            self.timed.append(message)
            return {"samples_ms": [self._says()] * message["repeats"]}
        if message["do"] == "ring":
            self._slots = [Slot(**slot) for slot in message["slots"]]
            self.observing.append(message["observe"])
            return {"not_captured": "", "operators": {"relu": 8 * len(self._slots)}}
        if message["do"] == "forward":
            self.forwards.append(message)
            return {"outputs": [{"shape": [4, 50], "dtype": "float32"}], "structure": {"tensor": 0}}
        if message["do"] == "audit":
            self.rounds += 1
            self._doing(self, self._slots)
        if message["do"] == "hand_over":
            self.handed_over.append(message["slots"])
            self._doing(self, [self._slots[index] for index in message["slots"]])
        return {}

    def _says(self) -> float:
        return self._saying.pop(0) if len(self._saying) > 1 else self._saying[0]

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False

    def work(self, slot: Slot) -> None:
        """One forward, from what lies in lent memory to lent memory."""
        exchange, reference = self.examination.exchange, self.examination.reference
        _, (output,) = reference.run(reference.model(1), [exchange.tensor(slot.inputs[0])])
        exchange.tensor(slot.outputs[0]).copy_(output)


class Idler:
    """A worker that met no candidate, beside one that did."""

    def __init__(self, beside: Player) -> None:
        self._beside = beside

    def wait_ready(self) -> None:
        pass

    def ask(self, message: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        assert message == {"do": "idle"}
        assert self._beside.frozen, "the candidate could be slow while it is measured what commands take"
        self._beside.asked.append("idle")
        return {}


def honest(player: Player, slots: list[Slot]) -> None:
    for slot in slots:
        player.work(slot)


def in_place(player: Player, slots: list[Slot]) -> None:
    honest(player, slots)
    for slot in slots:
        player.examination.exchange.tensor(slot.inputs[0]).relu_()


def contestant(
    doing: Doing,
    source: str = SOURCE,
    saying: tuple[float, ...] = (3.0 / SLOTS,),
    observe: bool = True,
    l2_bytes: int = 1 << 10,
) -> Contestant:
    task = Task(name="t", reference=source, path="t.py", tolerance=load_tolerance("standard", CONF))
    player = Player(doing, *saying)
    reference = Reference(source, "t.py", "cpu")
    examination = player.examination = Examination(task, reference, cast(WorkerHandle, player), Limits())
    examination._model = reference.model(1)
    examination.exchange.prepare(reference.model(1), 1)
    made = Contestant(examination, Timer(audits=3), l2_bytes, 1.0, player.control, observe)
    made.prepare()
    return made
