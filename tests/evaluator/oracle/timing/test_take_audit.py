"""Audits and spot checks fill, command, copy and judge a ring; the workers' parts are played here, on the CPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from evaluator.catalog import load_tolerance
from evaluator.oracle.charges import Mismatch, Violation
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


def test_an_honest_ring_passes_with_twice_as_many_commands_that_run_nothing() -> None:
    made = contestant(honest)
    assert made.slots == SLOTS
    audit = made.take_audit()
    assert audit.forwards == SLOTS
    assert (len(audit.full_ms), len(audit.empty_ms)) == (3, 6)
    assert cast(Player, made.worker).asked[-12:] == ["audit", "idle", "idle"] * 4, "the first of each are not counted"


def test_nobody_knows_where_the_next_slot_lies() -> None:
    made = contestant(honest)
    places = [slot.inputs[0] for slot in made._ring.slots]
    assert {place["buffer"] for place in places} == {0, 2}, "the first slot, and the others in one piece"
    offsets = [place["offset"] for place in places if place["buffer"]]
    assert len(set(offsets)) == SLOTS - 1
    assert offsets != sorted(offsets)


def test_the_capture_of_a_ring_is_observed_but_for_baselines() -> None:
    made, baseline = contestant(honest), contestant(honest, observe=False)
    assert cast(Player, made.worker).observing == [True]
    assert [(capture.said["operators"], capture.slots) for capture in made.captures] == [({"relu": 8 * SLOTS}, SLOTS)]
    assert cast(Player, baseline.worker).observing == [False]


def test_a_forward_like_those_that_are_timed_is_no_other_than_these() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    for _ in range(20):
        made.run_like_timed()
    assert {(forward["bare"], "observe" in forward) for forward in player.forwards} == {(True, False)}
    used = [Slot(forward["input_places"], forward["output_places"]) for forward in player.forwards]
    assert all(slot in player._slots for slot in used)
    assert len({str(slot) for slot in used}) > 1, "nobody knows on which"


def test_a_forward_that_is_always_left_out_is_found_wherever_it_lies() -> None:
    def all_but_one(player: Player, slots: list[Slot]) -> None:
        for slot in slots[:17] + slots[18:]:
            player.work(slot)

    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(all_but_one).take_audit()


def test_outputs_of_the_way_before_are_wrong() -> None:
    kept: list[torch.Tensor] = []

    def stale(player: Player, slots: list[Slot]) -> None:
        exchange = player.examination.exchange
        if not kept:
            honest(player, slots)
            kept.extend(exchange.tensor(slot.outputs[0]).clone() for slot in slots)
        for slot, output in zip(slots, kept, strict=True):
            exchange.tensor(slot.outputs[0]).copy_(output)

    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(stale).take_audit()


def test_a_way_that_writes_nothing_is_wrong_even_where_the_answer_is_always_the_same() -> None:
    """What the way before wrote is gone: outputs are poisoned between them."""

    def every_other(player: Player, slots: list[Slot]) -> None:
        if player.rounds % 2:
            honest(player, slots)

    constant = SOURCE.replace("torch.relu(x) * 3.0", "torch.ones_like(x)")
    contestant(honest, constant).take_audit()
    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(every_other, constant).take_audit()


def test_inputs_of_timed_forwards_stay_as_the_reference_leaves_them() -> None:
    with pytest.raises(Violation, match="input 0 of a timed forward was changed"):
        contestant(in_place).take_audit()
    contestant(honest, SOURCE.replace("torch.relu(x)", "x.relu_()")).take_audit()


def test_a_spot_check_is_a_block_over_fresh_inputs_and_judges_slots_that_nobody_can_foresee() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    before = len(player.timed)
    content = made._exchange.tensor(made._ring.slots[3].inputs[0]).clone()
    for _ in range(20):
        assert made.spot_check(True) == 3.0 / SLOTS
    assert not torch.equal(made._exchange.tensor(made._ring.slots[3].inputs[0]), content)
    assert [(message["around"], message["repeats"]) for message in player.timed[before:]] == [(True, 1)] * 20
    assert {len(set(slots)) for slots in player.handed_over} == {6}
    assert len({tuple(slots) for slots in player.handed_over}) > 1


def test_of_single_forwards_on_fresh_inputs_the_last_is_judged() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    before = len(player.timed)
    for _ in range(20):
        made.spot_check(False)
    asked = player.timed[before:]
    assert all(1 <= message["repeats"] <= SLOTS for message in asked), "each slot is fresh once"
    last = [[(message["first"] + message["repeats"] - 1) % SLOTS] for message in asked]
    assert player.handed_over == last
    assert len({message["first"] for message in asked}) > 1


def test_after_forwards_that_python_runs_one_more_is_observed() -> None:
    """Torch could do the work from the fortieth call to the four hundredth: nobody looks before or after."""
    made, baseline = contestant(honest), contestant(honest, observe=False)
    for each in (made, baseline):
        each.spot_check(True)
        assert not cast(Player, each.worker).forwards, "what was captured was observed"
        each.spot_check(False)
        each.not_captured = "it allocates"
        each.spot_check(True)
    assert [forward["bare"] for forward in cast(Player, made.worker).forwards] == [True, True]
    assert not cast(Player, baseline.worker).forwards


def test_a_spot_check_finds_what_is_left_out_once_the_audit_is_over() -> None:
    def weary(player: Player, slots: list[Slot]) -> None:
        if "hand_over" not in player.asked:
            honest(player, slots)

    made = contestant(weary)
    made.take_audit()
    with pytest.raises(Mismatch, match="of a timed forward"):
        made.spot_check(True)


def test_a_spot_check_judges_the_strangest_of_what_it_looks_at() -> None:
    def all_but_one(player: Player, slots: list[Slot]) -> None:
        for slot in slots[:3] + slots[4:]:
            player.work(slot)

    with pytest.raises(Mismatch, match="of a timed forward"):
        contestant(all_but_one).spot_check(True)


def test_a_spot_check_finds_inputs_that_were_changed() -> None:
    with pytest.raises(Violation, match="input 0 of a timed forward was changed"):
        contestant(in_place).spot_check(True)


def test_spot_checks_follow_some_blocks_and_begin_where_other_blocks_might() -> None:
    made = contestant(honest)
    player = cast(Player, made.worker)
    before = len(player.timed)
    for _ in range(200):
        made.block(False, 2)
    assert 5 < len(player.handed_over) < 100
    blocks = [message for message in player.timed[before:] if message["repeats"] == 2]
    assert len({message["first"] for message in blocks}) > SLOTS // 2, "a jump would give a spot check away"


def test_claims_are_held_against_spot_checks_made_since_the_last_ones() -> None:
    slow, quick = 11_000.0, 10_000.0  # far more than the oracle's clock sees here
    made = contestant(honest, saying=(3.0 / SLOTS,))
    made.take_audit()
    player = cast(Player, made.worker)
    player._saying = [quick]
    assert made.undercut([quick], True) is None, "at least one is made"
    assert len(player.handed_over) == 1
    for known, proven in ((slow, False), (quick, True)):
        player._saying = [slow] * 8 + [known]
        found = made.undercut([quick], True)
        assert found is not None
        assert "takes at least 1.1e+04 ms on inputs" in found.problem
        assert (found.forward_ms, found.proven) == (slow, proven)
    player._saying = [slow, slow, quick]
    assert made.undercut([quick], True) is None, "a quick one acquits"


def test_what_stays_in_the_l2_is_judged_and_not_compared() -> None:
    made = contestant(honest, saying=(3.0 / SLOTS,), l2_bytes=1 << 20)
    assert not made.cold
    made.take_audit()
    player = cast(Player, made.worker)
    player._saying = [11_000.0]
    assert made.undercut([10_000.0], True) is None
    assert len(player.handed_over) == 1
    assert made.undercut([10_000.0], False), "single forwards are timed behind a flush"
    assert player.timed[-1]["repeats"] > SLOTS, "of single forwards each slot comes once before it is known"


def test_a_host_that_was_late_once_makes_no_short_ring() -> None:
    made = contestant(honest, saying=(1.0, 3.0 / SLOTS))
    assert made.slots == SLOTS
    assert made.forward_ms == 3.0 / SLOTS
    assert made.take_audit().forwards == SLOTS


def test_a_ring_is_as_long_as_it_has_to_be_for_what_is_claimed_in_the_end() -> None:
    """Over a single slot the clock allows 0.15 ms and more of each forward."""
    made = contestant(honest, saying=(5.0, 5.0, 3.0 / SLOTS))
    assert made.slots == 1
    assert made.take_audit().forwards == 1
    made.undercut([3.0 / SLOTS] * 4, True)
    assert made.audit is not None
    assert made.audit.forwards == made.slots == SLOTS
    made.undercut([3.0 / SLOTS] * 4, True)
    assert cast(Player, made.worker).asked.count("ring") == 2
    assert [capture.slots for capture in made.captures] == [1, SLOTS], "neither escapes the policy"
