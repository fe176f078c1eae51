"""The seam between the loop and a strategy: plans go out, outcomes come back, and nothing else is known.

A strategy keeps no state. Whatever it decides follows from the `View`, which is a fold over the run's log of plans and
outcomes, and from the number of the plan, which seeds its choices: so a run that is resumed or replayed decides as the
first one did, whatever the order in which answers arrived.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

Operator = Literal["improve", "explore", "crossover", "repair", "draft"]
"""What a proposal is asked to do with its parent: better it, do it another way, join it with others, mend it, begin."""


@dataclass(frozen=True)
class Plan:
    """What one proposal is to be made from.

    `inspirations` are digests of other candidates that the proposer is shown; a crossover joins the parent with the
    first of them. `sample` counts equal plans (stage, operator, parent, inspirations, model) from 0, so that asking the
    same again is another question and not the same one answered from a cache.
    """

    operator: Operator = "improve"
    parent: str = ""  # digest; empty for a draft
    inspirations: tuple[str, ...] = ()
    model: str = ""  # empty: the only one there is
    island: int = 0
    sample: int = 0


@dataclass(frozen=True)
class Member:
    """A candidate that verified.

    `fitness` is compared from left to right, greater is better; it orders measured candidates before unmeasured ones.
    `cell` is where its behaviour lies (memory, compute, parallelism), in small whole numbers.
    """

    digest: str
    fitness: tuple[float, ...]
    cell: tuple[int, ...] = ()
    island: int = 0


@dataclass(frozen=True)
class Told:
    """A plan and what came of it.

    `member` is None unless its candidate verified; `progress` says that it was kept or nominated.
    """

    plan: Plan
    member: Member | None
    progress: bool


@dataclass(frozen=True)
class View:
    """Everything that a strategy may look at, for the stage that a run is in.

    `members` holds every candidate of the run that verified, once, in the order in which they were told; `told` and
    `pending` are this stage's plans, answered and not yet.
    """

    number: int  # of the plan that is asked for, from 0, over the whole run
    current: str  # digest of the best so far; empty if nothing works yet
    members: tuple[Member, ...] = ()
    told: tuple[Told, ...] = ()
    pending: tuple[Plan, ...] = ()


class Strategy(Protocol):
    """Decides what the next proposal starts from."""

    def ask(self, view: View) -> Plan | None:
        """The next plan; None if there is nothing to ask before an answer to what is pending has come."""
        ...
