"""The rules proposer: varies what a stage's parameters stand for, guided by the same stage data that a model is shown.

For each kernel, the one with the largest share of the time first: what the rules that are known to apply say, in their
order, then the rest of what the stage allows, by nearness to the current values; a rule that says to leave a parameter
alone is obeyed while it holds. It keeps no state between calls: what was tried is known by its digest, so a run can be
resumed, and after a change was kept the search goes on from there.
"""

from collections.abc import Iterator, Mapping

from candidates.identity import digest
from candidates.syntax import Unparsed
from harness.proposers.base import Context, Proposal
from harness.proposers.moves import MOVES, Variation, moves
from harness.proposers.rewriting import Kernel, read_kernels, set_configs, set_knobs
from harness.proposers.spaces import (
    Guidance,
    Point,
    Space,
    distinct,
    facts_of,
    is_settable,
    limits_of,
    present,
    share_of,
    whole_set,
)
from prompts.conditions import evidence
from prompts.stages import Stage


class RulesProposer:
    """Proposes variations of the current code; see the module's description.

    `reason` says, after `propose` returned None, why there was nothing to propose.
    """

    name = "rules"

    def __init__(self) -> None:
        self.reason = ""

    def why_not(self, stage: Stage) -> str:
        """Why this proposer can do nothing in a stage, one sentence; empty if it can."""
        if stage.template == "repair":
            return "The rules proposer tunes code that works; it does not repair."
        if stage.template == "draft":
            return "The rules proposer tunes code that is there; it does not write a first version."
        parameters = {name for section in stage.sections.values() for name in section.parameters}
        if not any(is_settable(name) for name in parameters):
            named = ", ".join(sorted(parameters)) or "no parameters"
            return f"The rules proposer sets launch parameters and block sizes; stage {stage.name} varies {named}."
        return ""

    def propose(self, context: Context) -> Proposal | None:
        """The next variation that was not tried yet; None if there is none, `reason` then says why.

        Raises:
            prompts.conditions.ConditionError: a rule of the stage has a condition that can't be read.
        """
        self.reason = self._obstacle(context)
        if self.reason:
            return None
        try:
            kernels = read_kernels(context.source)
        except Unparsed as error:
            self.reason = f"The current code is not a Python module: {error.problem}."
            return None
        known = context.seen | {context.digest, digest(context.source)}
        for variation in variations(kernels, context):
            if digest(variation.source) not in known:
                return Proposal(proposer=self.name, change=variation.change, source=variation.source)
        self.reason = _nothing_left(kernels, context)
        return None

    def _obstacle(self, context: Context) -> str:
        if context.failure is not None:
            return "The rules proposer tunes code that works; it does not repair."
        return self.why_not(context.stage) or ("" if context.source else "There is no code to tune yet.")


def variations(kernels: tuple[Kernel, ...], context: Context) -> Iterator[Variation]:
    """Everything that the stage allows to be tried, the most promising first. Deterministic."""
    for kernel in _by_time_share(kernels, context):
        yield from _of_moves(kernel, context)
        for space in _spaces(kernel, context):
            if kernel.configs is not None and set(space.values) <= set(kernel.configs.parameters):
                yield from _of_tuned(space, context)
            else:
                yield from _of_knobs(space, context)


def _spaces(kernel: Kernel, context: Context) -> Iterator[Space]:
    """What can be set in the list of an autotuned kernel's configurations, then what its launches decide."""
    for names in (kernel.configs.parameters if kernel.configs else (), tuple(kernel.knobs)):
        space = Space.of(kernel, context, names)
        if space is not None:
            yield space


def _of_moves(kernel: Kernel, context: Context) -> Iterator[Variation]:
    """Changes of structure, for parameters that the kernel does not have yet, and what is to be set along with them."""
    guidance = Guidance.of(kernel, context)
    for parameter in guidance.parameters:
        if parameter in MOVES and parameter not in kernel.parameters:
            for values in guidance.sets_of(parameter):
                yield from _moved(kernel, context, parameter, values)


def _moved(kernel: Kernel, context: Context, parameter: str, values: Mapping[str, int]) -> Iterator[Variation]:
    limits, now, value = limits_of(kernel, context), present(kernel, context), values[parameter]
    others = {name: each for name, each in values.items() if name != parameter}
    point = whole_set(others, kernel, kernel.knobs, context.gpu)
    if point is None or not kernel.allows(point) or not limits.allow(now | point | {parameter: value}, now):
        return
    changed = _changes(kernel, point)
    for move in moves(set_knobs(context.source, kernel, point), kernel.name, parameter, value):
        yield Variation(move.source, ", ".join([move.change, *changed]))


def _of_knobs(space: Space, context: Context) -> Iterator[Variation]:
    """One change of what the launches decide after another."""
    kernel = space.kernel
    for point in space.points():
        changed = _changes(kernel, point)
        if changed:
            yield Variation(set_knobs(context.source, kernel, point), f"{', '.join(changed)} in {kernel.name}")


def _changes(kernel: Kernel, point: Point) -> list[str]:
    """What a point changes, each as `num_warps 2 -> 4`."""
    now = {name: kernel.knobs[name].value for name in point}
    return [f"{name} {_shown(now[name])} -> {value}" for name, value in point.items() if now[name] != value]


def _of_tuned(space: Space, context: Context) -> Iterator[Variation]:
    """For an autotuned kernel: a short list with the conservative configuration, then one configuration at a time."""
    kernel, limits = space.kernel, context.stage.autotune
    assert kernel.configs is not None
    points = space.points()
    listed = [_known(item.values, space.values) for item in kernel.configs.items]
    baseline = {name: value for name, value in limits.baseline.items() if name in space.values}
    has_baseline = any(all(item.get(name) == value for name, value in baseline.items()) for item in listed)
    if len(listed) > limits.max_configs or (len(listed) > 1 and not has_baseline):
        others = [*space.first(), *(point for point in points if point in listed)]
        chosen = distinct([space.start | baseline, *others])[: limits.max_configs]
        said = "; ".join(_listed(point) for point in chosen)
        change = f"autotune {len(listed)} -> {len(chosen)} configurations in {kernel.name}: {said}"
        yield Variation(set_configs(context.source, kernel, chosen, space.start), change)
    for point in points:
        change = f"autotune {len(listed)} configurations -> {_listed(point)} in {kernel.name}"
        if len(listed) == 1:
            now = kernel.configs.items[0].values
            changed = {name: value for name, value in point.items() if now.get(name) != value}
            change = ", ".join(f"{name} {_shown(now.get(name))} -> {value}" for name, value in changed.items())
            change += f" in {kernel.name}"
        yield Variation(set_configs(context.source, kernel, [point], space.start), change)


def _known(values: Mapping[str, int | None], names: Mapping[str, tuple[int, ...]]) -> Point:
    return {name: value for name in names if (value := values.get(name)) is not None}


def _listed(point: Point) -> str:
    return ", ".join(f"{name} {value}" for name, value in point.items())


def _shown(value: int | None) -> str:
    return "computed" if value is None else str(value)


def _by_time_share(kernels: tuple[Kernel, ...], context: Context) -> list[Kernel]:
    """The most expensive kernel first, without those that are too cheap for any gain on them to count, or never ran."""
    launched = {fact.name for fact in context.verdict.kernels} if context.verdict else set()
    kernels = tuple(kernel for kernel in kernels if kernel.name in launched or not launched)
    shares = {kernel.name: share_of(kernel, context) for kernel in kernels}
    least = context.stage.revert_below_percent / 100
    worth = [kernel for kernel in kernels if (share := shares[kernel.name]) is None or share >= least]
    return sorted(worth, key=lambda kernel: -(shares[kernel.name] or 0.0))


def _nothing_left(kernels: tuple[Kernel, ...], context: Context) -> str:
    """Why nothing is proposed: what the rules forbid is said with the facts that decided."""
    stage = context.stage
    parameters = ", ".join(stage.section(context.task.category).parameters) or "nothing"
    worth = _by_time_share(kernels, context)
    if not kernels:
        return "The current code launches no Triton kernel in a way that the rules proposer can see."
    if not worth:
        return "No Triton kernel takes enough of the time for tuning it to count."
    left = list(dict.fromkeys(said for kernel in worth for said in _left_alone(kernel, context)))
    if not any(True for _ in variations(kernels, context)):
        names = ", ".join(kernel.name for kernel in kernels)
        why = f"stage {stage.name} varies {parameters}, none of which is left to set in {names}"
        return f"{'; '.join(left)}." if left else f"{why[0].upper()}{why[1:]}."
    tried = f"Every combination of {parameters} that stage {stage.name} allows was tried"
    return f"{'; '.join([tried, *left])}."


def _left_alone(kernel: Kernel, context: Context) -> Iterator[str]:
    """The rules that say to leave parameters alone, each with its evidence."""
    facts = facts_of(kernel, context)
    for rule in Guidance.of(kernel, context).rules:
        if rule.leave:
            said = f"{', '.join(rule.leave)} left alone in {kernel.name}"
            yield f"{said}: {rule.title.lower()} ({evidence(rule.when, facts)})"
