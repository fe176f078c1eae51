"""What a GPU would show, given: contestants that claim one time and take another, and an undisturbed canary."""

from types import SimpleNamespace
from typing import Any, cast

from evaluator.oracle.timing.audit import Audit
from evaluator.oracle.timing.contestant import Contestant
from evaluator.oracle.timing.control import Control
from evaluator.request import Timer

L2 = 50 << 20


class Calm:
    """A GPU that is at rest whenever it is asked."""

    def hatch(self) -> float:
        return 0.1

    def calm(self) -> bool:
        return True

    def slow(self) -> bool:
        return False


class Claimant(Contestant):
    """Claims these milliseconds a forward, block by block and the last for ever, where `true_ms` pass.

    On inputs that it meets for the first time it claims `fresh_ms`, and `known_ms` after that.
    """

    def __init__(
        self,
        *claims_ms: float,
        true_ms: float | None = None,
        fresh_ms: float | None = None,
        known_ms: float | None = None,
        not_captured: str = "",
    ) -> None:
        self.frozen = False
        stoppable = SimpleNamespace(freeze=lambda: self._stop(True), thaw=lambda: self._stop(False))
        examination: Any = SimpleNamespace(worker=stoppable, exchange=None)
        super().__init__(examination, cast(Timer, None), L2, 1.0, cast(Control, None))
        self.not_captured = not_captured
        self.forward_ms = claims_ms[0]
        self.sittings = 0
        self._claims = list(claims_ms)
        self._true_ms = true_ms or claims_ms[0]
        self._on_fresh_inputs_ms = fresh_ms or claims_ms[0]
        self._once_known_ms = known_ms or claims_ms[0]

    @property
    def slots(self) -> int:
        return 6

    @property
    def cold(self) -> bool:
        return True

    def prepare(self) -> None:
        assert not self.frozen

    def _suit(self, forward_ms: float) -> bool:
        return False

    def _stop(self, frozen: bool) -> None:
        self.frozen = frozen

    def block(self, around: bool, repeats: int) -> list[float]:
        claim = self._claims.pop(0) if len(self._claims) > 1 else self._claims[0]
        return [claim] * repeats

    def spot_check(self, around: bool) -> float:
        assert not self.frozen
        return self._on_fresh_inputs_ms

    def _time(self, around: bool, repeats: int, first: int | None = None) -> list[float]:
        assert not self.frozen
        return [self._once_known_ms] * repeats

    def take_audit(self) -> Audit:
        assert not self.frozen
        self.sittings += 1
        took = 0.5 + self.slots * self._true_ms
        self.audit = Audit(self.slots, (0.5,) * 6, (took, took + 0.1, took + 0.3))
        return self.audit
