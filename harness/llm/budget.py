"""How much a run may spend: small limits that are joined with `|`, like the stop conditions of tenacity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.settings import BudgetSettings


@dataclass(frozen=True)
class Spent:
    """What was used so far, or what a next step may use. `usd` is None once a cost is not known."""

    usd: float | None = 0.0
    tokens: int = 0
    calls: int = 0
    minutes: float = 0.0
    evaluations: int = 0
    gpu_seconds: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            usd=None if self.usd is None or other.usd is None else self.usd + other.usd,
            tokens=self.tokens + other.tokens,
            calls=self.calls + other.calls,
            minutes=self.minutes + other.minutes,
            evaluations=self.evaluations + other.evaluations,
            gpu_seconds=self.gpu_seconds + other.gpu_seconds,
        )


class Limit(Protocol):
    """Says why no more may be spent, or nothing."""

    def exhausted(self, spent: Spent) -> str:
        """A reason if the limit is reached, else an empty string."""
        ...

    def reserve(self, spent: Spent, next_step: Spent) -> str:
        """A reason if the next step, at its worst, could pass the limit, else an empty string.

        `spent` holds what was used and what is set aside for steps in flight.
        """
        ...


@dataclass(frozen=True)
class AtMost:
    """An upper bound on one quantity. A bound that is reached is exhausted; a step may use up exactly what is left.

    A bound of zero ends a run before it begins, but for one on what a proposer spends: one that costs nothing may work.
    """

    name: str  # the setting: budget.usd
    bound: float
    amount: Callable[[Spent], float | None]
    unit: Callable[[float], str]
    priced: bool = False  # used by proposers alone, of which some cost nothing

    def exhausted(self, spent: Spent) -> str:
        used = self.amount(spent)
        if used is None:
            return f"{self.name}={self.bound:g} can't be kept: what was spent is not known"
        if self.bound == 0 and used == 0:
            return "" if self.priced else f"{self.name}=0 allows nothing; null sets no bound"
        return f"{self.name} is used up: {self.unit(used)} of {self.unit(self.bound)}" if used >= self.bound else ""

    def reserve(self, spent: Spent, next_step: Spent) -> str:
        reached = self.exhausted(spent)
        if reached:
            return reached
        used, more = self.amount(spent), self.amount(next_step)
        if used is None or more is None:
            return f"{self.name}={self.bound:g} can't be kept: what the next step costs is not known"
        if more > 0 and self.bound == 0:
            return f"{self.name}=0 allows nothing, and the next step could cost {self.unit(more)}; null sets no bound"
        if used + more > self.bound:
            left = self.unit(self.bound - used)
            return f"the next step could cost {self.unit(more)}, and {left} is left of {self.name}={self.bound:g}"
        return ""

    def __or__(self, other: Limit) -> "AnyOf":
        return AnyOf((self, other))


@dataclass(frozen=True)
class AnyOf:
    """Stops as soon as one of its limits does. Without limits it never stops."""

    limits: tuple[Limit, ...] = ()

    def exhausted(self, spent: Spent) -> str:
        return next((reason for limit in self.limits if (reason := limit.exhausted(spent))), "")

    def reserve(self, spent: Spent, next_step: Spent) -> str:
        return next((reason for limit in self.limits if (reason := limit.reserve(spent, next_step))), "")

    def __or__(self, other: Limit) -> "AnyOf":
        return AnyOf((*self.limits, other))


def usd_limit(bound: float) -> AtMost:
    """Dollars."""
    return AtMost("budget.usd", bound, lambda spent: spent.usd, lambda value: f"${value:.4g}", priced=True)


def token_limit(bound: int) -> AtMost:
    """Tokens of prompts and answers together."""
    return AtMost("budget.tokens", bound, lambda spent: spent.tokens, lambda value: f"{value:,.0f} tokens", priced=True)


def call_limit(bound: int) -> AtMost:
    """Requests to the model's server."""
    return AtMost("budget.calls", bound, lambda spent: spent.calls, lambda value: f"{value:g} calls", priced=True)


def minute_limit(bound: float) -> AtMost:
    """Minutes of wall time."""
    return AtMost("budget.minutes", bound, lambda spent: spent.minutes, lambda value: f"{value:.1f} minutes")


def evaluation_limit(bound: int) -> AtMost:
    """Candidates evaluated."""
    return AtMost("budget.evaluations", bound, lambda spent: spent.evaluations, lambda value: f"{value:g} evaluations")


def gpu_limit(bound: float) -> AtMost:
    """Seconds in which the evaluator was busy with a GPU."""
    return AtMost(
        "budget.gpu_seconds", bound, lambda spent: spent.gpu_seconds, lambda value: f"{value:.1f} s of the GPU"
    )


def limits(settings: BudgetSettings) -> AnyOf:
    """The limits that the settings ask for, joined."""
    chosen = AnyOf()
    if settings.usd is not None:
        chosen = chosen | usd_limit(settings.usd)
    if settings.tokens is not None:
        chosen = chosen | token_limit(settings.tokens)
    if settings.calls is not None:
        chosen = chosen | call_limit(settings.calls)
    if settings.minutes is not None:
        chosen = chosen | minute_limit(settings.minutes)
    if settings.evaluations is not None:
        chosen = chosen | evaluation_limit(settings.evaluations)
    if settings.gpu_seconds is not None:
        chosen = chosen | gpu_limit(settings.gpu_seconds)
    return chosen
