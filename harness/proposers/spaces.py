"""What a stage allows to be tried on one kernel: the rules that are known to apply, and the points they leave."""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from evaluator.gpus import Gpu
from evaluator.verdict import KernelFacts
from harness.proposers.base import Context
from harness.proposers.legality import Limits, canonical, is_power_of_two
from harness.proposers.moves import MOVES
from harness.proposers.rewriting import Kernel, is_block_size
from prompts.conditions import evaluate
from prompts.facts import collect
from prompts.stages import LAUNCH_OPTIONS, Facts, Rule

Point = dict[str, int]
"""A value for each parameter of one kernel, by the name that the code uses."""

ROW_BLOCK, BLOCK = "ROW_BLOCK", "BLOCK_SIZE"


@dataclass(frozen=True)
class Guidance:
    """The stage's rules about one kernel: those that are known to hold for it, in their order."""

    rules: tuple[Rule, ...]
    parameters: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, kernel: Kernel, context: Context) -> "Guidance":
        """The rules of the context's stage, judged by this kernel's own facts."""
        section = context.stage.section(context.task.category)
        facts = facts_of(kernel, context)
        held = tuple(rule for rule in section.rules if evaluate(rule.when, facts))
        left = {name for rule in held for name in rule.leave}
        return cls(held, {name: values for name, values in section.parameters.items() if name not in left})

    @property
    def preferred(self) -> tuple[Mapping[str, int], ...]:
        """All that the rules prefer together, where they disagree by the later one, then each by itself."""
        each = [rule.prefer for rule in self.rules if rule.prefer]
        together: Point = {}
        for prefer in each:
            together |= prefer
        return tuple([together, *each] if len(each) > 1 else each)

    @property
    def together(self) -> tuple[Mapping[str, int], ...]:
        """The sets of values that rules want as a whole."""
        return tuple(values for rule in self.rules for values in rule.together)

    @property
    def halved(self) -> tuple[frozenset[str], ...]:
        """The parameters that rules want at half their present value, for each such rule."""
        return tuple(frozenset(rule.halve) for rule in self.rules if rule.halve)

    def sets_of(self, parameter: str) -> list[Mapping[str, int]]:
        """What to set for a parameter: the whole sets that it belongs to, then each of its values by itself."""
        whole = [values for values in self.together if parameter in values]
        return [*whole, *({parameter: value} for value in self.first(parameter))]

    def first(self, parameter: str) -> tuple[int, ...]:
        """The values of a parameter, those first that rules prefer, the latest rule's before the others."""
        wanted = [rule.prefer[parameter] for rule in reversed(self.rules) if parameter in rule.prefer]
        return tuple(dict.fromkeys([*wanted, *self.parameters.get(parameter, ())]))


@dataclass(frozen=True)
class Space:
    """What may be tried for one kernel: the values of each parameter, and where the search starts."""

    kernel: Kernel
    values: dict[str, tuple[int, ...]]  # by the name in the code
    current: dict[str, int | None]
    suggested: tuple[Point, ...]  # by rules that apply
    limits: Limits
    present: Point  # every known value of the kernel, also of what is not varied

    @classmethod
    def of(cls, kernel: Kernel, context: Context, names: Iterable[str]) -> "Space | None":
        """The space of some of a kernel's parameters; None if the stage varies none of them."""
        guidance, fact = Guidance.of(kernel, context), fact_of(kernel, context)
        wanted = frozenset(names)
        values = _values(kernel, guidance, context.gpu, wanted)
        if not values:
            return None
        now = _current(kernel, fact)
        current = {name: now.get(name) for name in values}
        suggested = (
            *(each for values in guidance.together if (each := whole_set(values, kernel, wanted, context.gpu))),
            *_suggested(kernel, guidance, current, values, context.gpu),
        )
        return cls(kernel, values, current, suggested, limits_of(kernel, context), present(kernel, context))

    @property
    def start(self) -> Point:
        """The current values, as far as they are known."""
        return {name: now for name, now in self.current.items() if now is not None}

    def first(self) -> list[Point]:
        """What the rules suggest, all else left as it is."""
        return [point for point in distinct([self.start | point for point in self.suggested]) if self._legal(point)]

    def points(self) -> list[Point]:
        """All points in the order in which they are worth trying; the current one is among them."""
        choices = [[(name, value) for value in self._choices(name)] for name in self.values]
        rest = [{name: value for name, value in chosen if value is not None} for chosen in itertools.product(*choices)]
        rest.sort(key=self._distance)  # stable: ties stay in the order of the stage's data
        return [point for point in distinct([*self.first(), *rest]) if self._legal(point)]

    def _legal(self, point: Point) -> bool:
        return self.kernel.allows(point) and self.limits.allow(self.present | point, self.present)

    def _choices(self, name: str) -> list[int | None]:
        """The values of a parameter, among them what is there now: None stands for leaving a computed one alone."""
        return list(dict.fromkeys([*self.values[name], self.current[name]]))

    def _distance(self, point: Point) -> tuple[bool, float]:
        """Doublings away from the current values; what can make no difference comes last."""
        changed = {name for name, value in point.items() if value != self.current[name]}
        idle = "num_stages" in changed and not self.kernel.form.loops
        # From a computed value any other is one step away.
        return idle, sum(abs(math.log2(point[name] / (self.current[name] or 2 * point[name]))) for name in changed)


def distinct(points: Iterable[Point]) -> list[Point]:
    """The points without repetitions, each where it comes first."""
    found: dict[tuple[tuple[str, int], ...], Point] = {}
    for point in points:
        found.setdefault(tuple(sorted(point.items())), point)
    return list(found.values())


def is_settable(parameter: str) -> bool:
    """True for what the rules proposer can set: launch options, block sizes, and what a rewriting stands behind."""
    return parameter in LAUNCH_OPTIONS or is_block_size(parameter) or parameter in MOVES


def is_legal(parameter: str, value: int, gpu: Gpu) -> bool:
    """True if Triton takes the value and the GPU can run it: powers of two, and warps that fit into a block."""
    if parameter == "num_stages":
        return value >= 1
    return is_power_of_two(value) and (parameter != "num_warps" or value * gpu.warp_size <= gpu.threads_per_block)


def in_code(parameter: str, kernel: Kernel) -> str | None:
    """The code's name for a parameter of a stage: BLOCK_M may be called BLOCK_SIZE_M there.

    ROW_BLOCK is whatever steps along a row, BLOCK_SIZE any other block without an axis in its name.
    """
    rows = kernel.form.row_blocks
    if parameter == ROW_BLOCK:
        return next((name for name in kernel.parameters if name in rows), None)
    others = [name for name in kernel.parameters if parameter != BLOCK or name not in rows]
    return next((name for name in others if canonical(name) == canonical(parameter)), None)


def limits_of(kernel: Kernel, context: Context) -> Limits:
    """What bounds a kernel's parameters on the context's target."""
    return Limits(context.gpu, kernel.form, fact_of(kernel, context))


def present(kernel: Kernel, context: Context) -> Point:
    """Every value of a kernel's parameters that is known, from the code, else from what was compiled."""
    fact = fact_of(kernel, context)
    known = {name: value for name, value in _compiled(fact).items() if type(value) is int}
    return known | {name: value for name, value in _current(kernel, fact).items() if value is not None}


def share_of(kernel: Kernel, context: Context) -> float | None:
    """Share of the GPU time, over all specialisations of the kernel."""
    facts = context.verdict.kernels if context.verdict else ()
    shares = [fact.time_share for fact in facts if fact.name == kernel.name and fact.time_share is not None]
    return sum(shares) if shares else None


def fact_of(kernel: Kernel, context: Context) -> KernelFacts | None:
    """What is known about a kernel; of several specialisations the most expensive."""
    facts = context.verdict.kernels if context.verdict else ()
    own = [fact for fact in facts if fact.name == kernel.name]
    return max(own, key=lambda fact: fact.time_share or 0.0) if own else None


def facts_of(kernel: Kernel, context: Context) -> Facts:
    """The facts that rules about this kernel are judged by: the context's describe the most expensive kernel."""
    fact = fact_of(kernel, context)
    if fact is None or context.verdict is None or context.facts.get("kernel") == fact.name:
        return context.facts
    alone = context.verdict.model_copy(update={"kernels": (fact,)})
    profile = context.profile
    if profile is not None:
        counters = {name: metrics for name, metrics in profile.kernels.items() if name == fact.name}
        profile = profile.model_copy(update={"kernels": counters})
    return collect(alone, profile, context.gpu)


def _compiled(fact: KernelFacts | None) -> dict[str, object]:
    if fact is None:
        return {}
    return {"num_warps": fact.num_warps, "num_stages": fact.num_stages} | fact.constants


def _current(kernel: Kernel, fact: KernelFacts | None) -> Mapping[str, int | None]:
    """The values in force: those in the code, and for a tuned kernel the configuration that its tuning chose."""
    known = {name: knob.value for name, knob in kernel.knobs.items()}
    if kernel.configs is None:
        return known
    first, ran = kernel.configs.items[0].values, _compiled(fact)
    chosen = next(
        (item.values for item in kernel.configs.items if all(ran.get(k) in (v, None) for k, v in item.values.items())),
        first,
    )
    return known | (chosen if fact is not None else first)


def _values(kernel: Kernel, guidance: Guidance, gpu: Gpu, names: frozenset[str]) -> dict[str, tuple[int, ...]]:
    """The legal values of what the stage varies and this kernel has; a block that may have to cover a row stays."""
    found = {}
    for parameter, values in guidance.parameters.items():
        name = in_code(parameter, kernel)
        legal = tuple(value for value in values if is_legal(parameter, value, gpu))
        if name in names and legal and (not is_block_size(parameter) or name in kernel.tiled):
            assert name is not None
            found[name] = legal
    return found


def whole_set(values: Mapping[str, int], kernel: Kernel, names: Collection[str], gpu: Gpu) -> Point | None:
    """Values that are only good together, by the code's names; None if one of them can't be set here."""
    point = {name: value for each, value in values.items() if (name := in_code(each, kernel)) and name in names}
    tiled = all(name in kernel.tiled for name in point if is_block_size(name))
    legal = all(is_legal(each, value, gpu) for each, value in values.items())
    return point if len(point) == len(values) and tiled and legal else None


def _suggested(
    kernel: Kernel,
    guidance: Guidance,
    current: Mapping[str, int | None],
    values: Mapping[str, tuple[int, ...]],
    gpu: Gpu,
) -> tuple[Point, ...]:
    """What the rules that apply say to try, as points of what can be set here."""
    points: list[Point] = []
    for prefer in guidance.preferred:
        named = ((in_code(name, kernel), value) for name, value in prefer.items() if is_legal(name, value, gpu))
        points.append({name: value for name, value in named if name is not None and name in values})
    for halved in guidance.halved:
        names = sorted(name for name in (in_code(each, kernel) for each in halved) if name is not None)
        now = {name: size for name in names if name in values and (size := current.get(name))}
        half = {name: size // 2 for name, size in now.items() if size // 2 >= min(values[name])}
        # All of them at once, as the rule says; then each of them alone.
        points += [half, *({name: size} for name, size in half.items())]
    return tuple(point for point in points if point)
