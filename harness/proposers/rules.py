"""The rules proposer: tunes launch parameters offline, guided by the same stage data that a model is shown.

For each kernel, the one with the largest share of the time first: what the rules that apply prefer, in their order,
then the rest of the stage's grid of parameters by nearness to the current values. It keeps no state between calls: what
was tried is known by its digest, so a run can be resumed, and after a change was kept the search goes on from there.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from candidates.identity import digest
from candidates.syntax import Unparsed
from evaluator.gpus import Gpu
from evaluator.verdict import KernelFacts
from harness.proposers.base import Context, Proposal
from harness.proposers.rewriting import Kernel, is_block_size, read_kernels, set_configs, set_knobs
from prompts.conditions import evaluate
from prompts.facts import collect
from prompts.stages import Facts, Section, Stage

Point = dict[str, int]
"""A value for each parameter of one kernel, by the name that the code uses."""


@dataclass(frozen=True)
class Variation:
    """The source with one kernel's parameters changed, and the change in a line."""

    source: str
    change: str


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
        if not any(_settable(name) for name in parameters):
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
        for variation in variations(kernels, context):
            if digest(variation.source) not in context.seen | {context.digest, digest(context.source)}:
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
        space = _Space.of(kernel, context)
        if space is not None:
            yield from _of_tuned(space, context) if kernel.configs else _of_plain(space, context)


@dataclass(frozen=True)
class _Space:
    """What may be tried for one kernel: the values of each parameter, and where the search starts."""

    kernel: Kernel
    values: dict[str, tuple[int, ...]]  # by the name in the code
    current: dict[str, int | None]
    preferred: tuple[Point, ...]

    @classmethod
    def of(cls, kernel: Kernel, context: Context) -> "_Space | None":
        """The space of one kernel; None if the stage varies nothing that this kernel has."""
        section = context.stage.section(context.task.category)
        values = _values(kernel, section, context.gpu)
        if not values:
            return None
        fact = _fact(context, kernel)
        current = _current(kernel, fact)
        current = {name: current.get(name) for name in values}
        preferred = _preferred(section, values, _facts(context, fact), context.gpu)
        return cls(kernel, values, current, preferred)

    @property
    def start(self) -> Point:
        """The current values, as far as they are known."""
        return {name: now for name, now in self.current.items() if now is not None}

    def first(self) -> list[Point]:
        """What the rules prefer, all else left as it is."""
        return _distinct([self.start | point for point in self.preferred])

    def points(self) -> list[Point]:
        """All points in the order in which they are worth trying; the current one is among them."""
        choices = [[(name, value) for value in self._choices(name)] for name in self.values]
        rest = [{name: value for name, value in chosen if value is not None} for chosen in itertools.product(*choices)]
        rest.sort(key=self._distance)  # stable: ties stay in the order of the stage's data
        return [point for point in _distinct([*self.first(), *rest]) if self.kernel.allows(point)]

    def _choices(self, name: str) -> list[int | None]:
        """The values of a parameter, among them what is there now: None stands for leaving a computed one alone."""
        return list(dict.fromkeys([*self.values[name], self.current[name]]))

    def _distance(self, point: Point) -> tuple[bool, float]:
        """Doublings away from the current values; what can make no difference comes last."""
        changed = {name for name, value in point.items() if value != self.current[name]}
        idle = "num_stages" in changed and not self.kernel.loops
        # From a computed value any other is one step away.
        return idle, sum(abs(math.log2(point[name] / (self.current[name] or 2 * point[name]))) for name in changed)


def _of_plain(space: _Space, context: Context) -> Iterator[Variation]:
    kernel = space.kernel
    for point in space.points():
        changed = {name: value for name, value in point.items() if kernel.knobs[name].value != value}
        if changed:
            said = ", ".join(f"{name} {_shown(kernel.knobs[name].value)} -> {value}" for name, value in changed.items())
            yield Variation(set_knobs(context.source, kernel, changed), f"{said} in {kernel.name}")


def _of_tuned(space: _Space, context: Context) -> Iterator[Variation]:
    """For an autotuned kernel: a short list with the conservative configuration, then one configuration at a time."""
    kernel, limits = space.kernel, context.stage.autotune
    assert kernel.configs is not None
    points = space.points()
    listed = [_known(item.values, space.values) for item in kernel.configs.items]
    baseline = {name: value for name, value in limits.baseline.items() if name in space.values}
    has_baseline = any(all(item.get(name) == value for name, value in baseline.items()) for item in listed)
    if len(listed) > limits.max_configs or (len(listed) > 1 and not has_baseline):
        others = [*space.first(), *(point for point in points if point in listed)]
        chosen = _distinct([space.start | baseline, *others])[: limits.max_configs]
        said = "; ".join(_listed(point) for point in chosen)
        change = f"autotune {len(listed)} -> {len(chosen)} configurations in {kernel.name}: {said}"
        yield Variation(set_configs(context.source, kernel, chosen, space.start), change)
    for point in points:
        change = f"autotune {len(listed)} configurations -> {_listed(point)} in {kernel.name}"
        if len(listed) == 1:
            now = listed[0]
            changed = {name: value for name, value in point.items() if now.get(name) != value}
            change = ", ".join(f"{name} {_shown(now.get(name))} -> {value}" for name, value in changed.items())
            change += f" in {kernel.name}"
        yield Variation(set_configs(context.source, kernel, [point], space.start), change)


def _distinct(points: list[Point]) -> list[Point]:
    """The points without repetitions, each where it comes first."""
    found: dict[tuple[tuple[str, int], ...], Point] = {}
    for point in points:
        found.setdefault(tuple(sorted(point.items())), point)
    return list(found.values())


def _known(values: Mapping[str, int | None], names: Mapping[str, tuple[int, ...]]) -> Point:
    return {name: value for name in names if (value := values.get(name)) is not None}


def _listed(point: Point) -> str:
    return ", ".join(f"{name} {value}" for name, value in point.items())


def _shown(value: int | None) -> str:
    return "computed" if value is None else str(value)


def _by_time_share(kernels: tuple[Kernel, ...], context: Context) -> list[Kernel]:
    """The most expensive kernel first, without those that are too cheap for any gain on them to count."""
    shares = {kernel.name: _share(context, kernel) for kernel in kernels}
    least = context.stage.revert_below_percent / 100
    worth = [kernel for kernel in kernels if (share := shares[kernel.name]) is None or share >= least]
    return sorted(worth, key=lambda kernel: -(shares[kernel.name] or 0.0))


def _share(context: Context, kernel: Kernel) -> float | None:
    """Share of the GPU time, over all specialisations of the kernel."""
    facts = context.verdict.kernels if context.verdict else ()
    shares = [fact.time_share for fact in facts if fact.name == kernel.name and fact.time_share is not None]
    return sum(shares) if shares else None


def _fact(context: Context, kernel: Kernel) -> KernelFacts | None:
    """What is known about a kernel; of several specialisations the most expensive."""
    facts = context.verdict.kernels if context.verdict else ()
    own = [fact for fact in facts if fact.name == kernel.name]
    return max(own, key=lambda fact: fact.time_share or 0.0) if own else None


def _facts(context: Context, fact: KernelFacts | None) -> Facts:
    """The facts that rules about this kernel are judged by: the context's describe the most expensive kernel."""
    if fact is None or context.verdict is None or context.facts.get("kernel") == fact.name:
        return context.facts
    alone = context.verdict.model_copy(update={"kernels": (fact,)})
    profile = context.profile
    if profile is not None:
        counters = {name: metrics for name, metrics in profile.kernels.items() if name == fact.name}
        profile = profile.model_copy(update={"kernels": counters})
    return collect(alone, profile, context.gpu)


def _current(kernel: Kernel, fact: KernelFacts | None) -> Mapping[str, int | None]:
    """The values in force: those in the code, or for a tuned kernel the configuration that its tuning chose."""
    if kernel.configs is None:
        return {name: knob.value for name, knob in kernel.knobs.items()}
    if fact is None:
        return kernel.configs.items[0].values
    ran = {"num_warps": fact.num_warps, "num_stages": fact.num_stages} | fact.constants
    return next(
        (item.values for item in kernel.configs.items if all(ran.get(k) in (v, None) for k, v in item.values.items())),
        kernel.configs.items[0].values,
    )


def _values(kernel: Kernel, section: Section, gpu: Gpu) -> dict[str, tuple[int, ...]]:
    """The legal values of what the stage varies and this kernel has."""
    found = {}
    for parameter, values in section.parameters.items():
        name = _in_code(parameter, kernel.parameters)
        legal = tuple(value for value in values if is_legal(parameter, value, gpu))
        if name is not None and legal:
            found[name] = legal
    return found


def is_legal(parameter: str, value: int, gpu: Gpu) -> bool:
    """True if Triton takes the value and the GPU can run it: powers of two, and warps that fit into a block."""
    if parameter == "num_stages":
        return value >= 1
    power = value > 0 and value & (value - 1) == 0
    return power and (parameter != "num_warps" or value * gpu.warp_size <= gpu.threads_per_block)


def _preferred(section: Section, values: Mapping[str, tuple[int, ...]], facts: Facts, gpu: Gpu) -> tuple[Point, ...]:
    """What the rules that are known to apply prefer, in their order, then all of it together."""
    points: list[Point] = []
    for rule in section.rules:
        if rule.prefer and evaluate(rule.when, facts):
            named = {_in_code(name, tuple(values)): (name, value) for name, value in rule.prefer.items()}
            points.append({code: value for code, (name, value) in named.items() if code and is_legal(name, value, gpu)})
    together: Point = {}
    for point in points:
        together = point | together  # where rules disagree, the earlier one is right
    return tuple(point for point in [*points, together] if point)


def _in_code(parameter: str, names: tuple[str, ...]) -> str | None:
    """The code's name for a parameter of a stage: BLOCK_M may be called BLOCK_SIZE_M there."""
    return next((name for name in names if _canonical(name) == _canonical(parameter)), None)


def _canonical(name: str) -> str:
    return name if name in ("num_warps", "num_stages") else name.upper().replace("BLOCK_SIZE", "BLOCK").replace("_", "")


def _settable(parameter: str) -> bool:
    return parameter in ("num_warps", "num_stages") or is_block_size(parameter)


def _nothing_left(kernels: tuple[Kernel, ...], context: Context) -> str:
    parameters = ", ".join(context.stage.section(context.task.category).parameters) or "nothing"
    if not kernels:
        return "The current code launches no Triton kernel in a way that the rules proposer can see."
    if not _by_time_share(kernels, context):
        return "No Triton kernel takes enough of the time for tuning it to count."
    if not any(_Space.of(kernel, context) for kernel in kernels):
        names = ", ".join(kernel.name for kernel in kernels)
        return f"Stage {context.stage.name} varies {parameters}, none of which can be set in {names}."
    return f"Every combination of {parameters} that stage {context.stage.name} allows was tried."
