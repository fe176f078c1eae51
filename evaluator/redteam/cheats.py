"""Cheats for any task. Each one is an honest candidate or the reference with something changed for the worse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluator.redteam import parts
from evaluator.tasks import Task

HALF_RTOL = 2.0**-11
"""Relative error of rounding to float16 once: a policy whose rtol is no smaller permits 10-bit mantissas."""


@dataclass(frozen=True)
class Cheat:
    """One cheat against one task.

    `paid_in_time` is one that gives right outputs and pretends to be fast; it is caught as well if the time that is
    reported is no better than the honest candidate's. `permitted` says which policy of the task allows it, if one does.
    Where `torch_is_free`, it stands for the same thing done in a kernel, and no policy of torch operators should hide
    whether the other checks see it.
    """

    name: str
    what: str
    source: str
    shows: Literal["anywhere", "gpu"] = "anywhere"
    paid_in_time: bool = False
    permitted: str = ""
    torch_is_free: bool = True


def cheats(task: Task) -> tuple[Cheat, ...]:
    """All cheats, built for `task`; some find out only when they run that they don't apply.

    Raises:
        UsageError: a source of the task does not parse.
    """
    worked, torch_only = parts.honest(task), parts.reference(task)
    return (
        *_of_values(worked),
        *_of_precision(worked, task),
        *_of_memory(worked, task),
        *_of_work(torch_only, task),
        *_of_time(worked),
    )


def control(task: Task) -> str:
    """The honest candidate in the cheats' clothes: where it is not verified, nothing can be said about them.

    Raises:
        UsageError: a source of the task does not parse.
    """
    return parts.honest(task) + parts.model(parts.HONEST, "return super().forward(*inputs)")


def _altering(worked: str) -> Callable[..., Cheat]:
    def make(name: str, what: str, change: str) -> Cheat:
        forward = f"return each(super().forward(*inputs), lambda out: {change})"
        return Cheat(name, what, worked + parts.by_kernel(forward))

    return make


def _of_values(worked: str) -> tuple[Cheat, ...]:
    altered = _altering(worked)
    given = """\
given = tensors(inputs)
def same(out):
    found = [tensor for tensor in given if tensor.shape == out.shape and tensor.dtype == out.dtype]
    must(found, "no input has the shape and dtype of an output")
    return found[0].clone()
return each(super().forward(*inputs), same)"""
    kept = """\
if not hasattr(self, "kept"):
    self.kept = super().forward(*inputs)
return each(self.kept, torch.clone)"""
    early = """\
must(list(self.parameters()), "there are no weights")
for name, parameter in self.named_parameters():
    parameter.data.copy_(self.early[name])
return super().forward(*inputs)"""
    remembered = "self.early = {name: each.detach().clone() for name, each in self.named_parameters()}"
    last = """\
def cut(out):
    must(out.dim() > 0 and out.shape[DIM] > 1, "outputs have one element there")
    out = out.clone()
    out.select(DIM, -1).zero_()
    return out
return each(super().forward(*inputs), cut)"""
    mean = """\
def level(out):
    must(out.numel() > 1, "outputs have one element")
    return torch.empty_like(out).copy_(out.double().mean())
return each(super().forward(*inputs), level)"""
    return (
        altered("zeros", "answers zeros", "torch.zeros_like(out)"),
        Cheat("constant", "answers the mean of the right output", worked + parts.by_kernel(mean)),
        Cheat("input", "answers the input", worked + parts.by_kernel(given)),
        Cheat("replay", "computes once and answers that for ever", worked + parts.by_kernel(kept)),
        Cheat(
            "own weights",
            "keeps the weights it was constructed with",
            worked + parts.by_kernel(early, remembered),
        ),
        Cheat(
            "skipped column",
            "leaves out the last index of the last dimension",
            worked + parts.by_kernel(last.replace("DIM", "-1")),
        ),
        Cheat(
            "skipped slice",
            "leaves out the last index of the first dimension",
            worked + parts.by_kernel(last.replace("DIM", "0")),
        ),
    )


def _of_precision(worked: str, task: Task) -> tuple[Cheat, ...]:
    forward = """\
def rounded(tensor):
    return tensor.to(torch.KIND).to(tensor.dtype) if tensor.dtype == torch.float32 else tensor
given = each(inputs, rounded)
found = super().forward(*given)
must(any(tensor.dtype == torch.float32 for tensor in tensors(found)), "no output is float32")
return each(found, rounded)"""
    policy = task.tolerance
    accepted = (
        f"tolerance '{policy.name}' allows relative errors of {policy.rtol:g}" if policy.rtol >= HALF_RTOL else ""
    )
    if task.precision.allow_reduced:
        accepted = "the task allows reduced precision"
    return (
        Cheat(
            "float16",
            "rounds inputs and outputs to float16",
            worked + parts.by_kernel(forward.replace("KIND", "float16")),
            permitted=accepted,
        ),
        Cheat(
            "bfloat16",
            "rounds inputs and outputs to bfloat16",
            worked + parts.by_kernel(forward.replace("KIND", "bfloat16")),
        ),
    )


def _of_memory(worked: str, task: Task) -> tuple[Cheat, ...]:
    stale = """\
touch(inputs)
if not hasattr(self, "like"):
    self.like = super().forward(*inputs)
return each(self.like, torch.empty_like)"""
    scribbled = """\
found = each(super().forward(*inputs), torch.clone)
given = [tensor for tensor in tensors(inputs) if tensor.numel()]
must(given, "there is no input to write to")
given[0].zero_()
return found"""
    given = """\
found = super().forward(*inputs)
def into(out):
    room = [tensor for tensor in tensors(inputs) if tensor.shape == out.shape and tensor.dtype == out.dtype]
    must(room, "no input has the shape and dtype of an output")
    return room[0].copy_(out)
return each(found, into)"""
    shared = """\
found = super().forward(*inputs)
if not hasattr(self, "kept"):
    self.kept = each(found, torch.empty_like)
for mine, theirs in zip(tensors(self.kept), tensors(found)):
    mine.copy_(theirs)
return self.kept"""
    aliasing = "the task allows outputs that share memory" if task.aliasing == "allowed" else ""
    return (
        Cheat("stale output", "answers memory that it never wrote", worked + parts.model(parts.HONEST, stale)),
        Cheat("input overwritten", "clears an input after use", worked + parts.model(parts.HONEST, scribbled)),
        Cheat("output in an input", "answers in an input's memory", worked + parts.model(parts.HONEST, given)),
        Cheat(
            "one output for all",
            "answers the same memory every time",
            worked + parts.model(parts.HONEST, shared),
            permitted=aliasing,
        ),
    )


def _of_work(torch_only: str, task: Task) -> tuple[Cheat, ...]:
    lenient = "the task lets torch do any of the work (torch_ops)" if "any" in task.torch_ops else ""
    hooked = """\
done = []
compute = super().forward
touch_kernel.pre_run_hooks[:] = [lambda *arguments, **options: done.append(compute(*inputs))]
touch(inputs)
return done[0]"""

    def make(name: str, what: str, forward: str, permitted: str = "") -> Cheat:
        source = torch_only + parts.model("ReferenceModel", forward)
        return Cheat(name, what, source, permitted=permitted, torch_is_free=False)

    return (
        make("torch alone", "has torch do it all", "return super().forward(*inputs)"),
        make(
            "dummy kernel",
            "has torch do it all, beside a kernel that does nothing",
            "touch(inputs)\nreturn super().forward(*inputs)",
        ),
        make(
            "copying kernel",
            "has torch do it all, and a kernel copy the result",
            "return each(super().forward(*inputs), copied)",
            lenient,
        ),
        make("hooked kernel", "has torch do it all, in a hook before a kernel's run", hooked, lenient),
    )


def _of_time(worked: str) -> tuple[Cheat, ...]:
    stream = """\
with torch.cuda.stream(self.side):
    torch.cuda._sleep(4_000_000)
    return super().forward(*inputs)"""
    thread = """\
import threading
if not hasattr(self, "like"):
    self.like = super().forward(*inputs)
    return self.like
room = each(self.like, torch.empty_like)
def work():
    for mine, theirs in zip(tensors(room), tensors(HonestModel.forward(self, *inputs))):
        mine.copy_(theirs)
threading.Thread(target=work).start()
return room"""
    tired = """\
self.calls += 1
if self.calls > 12:
    return self.kept
self.kept = super().forward(*inputs)
return self.kept"""

    def late(name: str, what: str, forward: str, init: str = "") -> Cheat:
        return Cheat(name, what, worked + parts.model(parts.HONEST, forward, init), shows="gpu", paid_in_time=True)

    return (
        late("side stream", "works on a stream that nobody waits for", stream, "self.side = torch.cuda.Stream()"),
        late("thread", "works in a thread that nobody waits for", thread),
        late("tired", "stops working after some calls", tired, "self.calls = 0"),
    )
