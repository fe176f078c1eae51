"""One verdict: as the JSON object that other programs read, and as lines for people."""

import dataclasses
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from candidates.text import neutralise
from evaluator import failing, roofline
from evaluator.roofline import Roof
from evaluator.status import REDUCED
from evaluator.verdict import KernelFacts, Verdict
from evaluator.work import GpuWork, TaskCost

NOTHING = "—"
_WORK_ROWS = 12  # what is smaller is in the JSON


def as_json(verdict: Verdict, digest: str = "") -> dict[str, Any]:
    """The object that `evaluate --json` prints: every key is always there, null where nothing was measured.

    `speedup` is over the eager baseline. `evidence` also holds the candidate's digest, the 95 % interval and the raw
    samples of the time, the speed-up over torch.compile, the comparison with the incumbent if there was one, how near
    each own kernel comes to the device's measured ceilings, and of a failure the smallest case that was found.
    """
    time = verdict.time
    evidence = verdict.evidence.model_dump(mode="json")
    evidence |= {
        "candidate": digest or None,
        "time_interval_ms": [time.low_ms, time.high_ms] if time else None,
        "samples_ms": list(time.samples_ms) if time else None,
        "speedup_compile": verdict.speedup("compile"),
        "gain": verdict.gain.model_dump(mode="json") if verdict.gain else None,
        "roofline": [dataclasses.asdict(roof) | {"headroom": roof.headroom} for roof in _roofs(verdict)],
        "failing": verdict.failing.model_dump(mode="json") if verdict.failing else None,
    }
    return {
        "status": str(verdict.status),
        "reason": verdict.reason or None,
        "task": verdict.task,
        "device": verdict.device or None,
        "time_ms": time.median_ms if time else None,
        "baseline_ms": {name: _median(verdict, name) for name in ("eager", "compile")},
        "speedup": verdict.speedup("eager"),
        "error": verdict.error.model_dump(mode="json") if verdict.error else None,
        "kernels": [kernel.model_dump(mode="json") for kernel in verdict.kernels],
        "evidence": evidence,
    }


def _roofs(verdict: Verdict) -> tuple[Roof, ...]:
    """Against measured ceilings only: which datasheet would apply is not a verdict's to say."""
    ceilings = verdict.evidence.ceilings
    return roofline.roofs(verdict, ceilings) if ceilings else ()


def _roof_line(roof: Roof) -> str:
    if roof.fraction is None or roof.gb_s is None:
        return f"{roof.name} takes {_share(roof.share)} of the forward; how near it is to the ceiling is not known"
    rate = f"{roof.gb_s:.4g} GB/s" + (f", {roof.tflop_s:.4g} TFLOP/s" if roof.tflop_s else "")
    return (
        f"{roof.name} reaches {roof.fraction:.0%} of the measured {roof.ceiling} ({rate}) and takes "
        f"{_share(roof.share)} of the forward: tuning it could gain {roof.headroom:.1%} at most"
    )


def _cost_line(cost: TaskCost) -> str:
    said = f"the task must move {cost.bytes / 1e9:.4g} GB"
    flops = ", ".join(f"{count / 1e9:.4g} GFLOP in {name}" for name, count in cost.contractions.items())
    return f"{said} and do {flops}" if flops else said


def _median(verdict: Verdict, name: Any) -> float | None:
    timing = verdict.baseline.get(name)
    return timing.median_ms if timing else None


def lines(verdict: Verdict) -> list[str]:
    """What there is to say, a line each; harmless to print."""
    said = [f"{verdict.status}: {verdict.reason}" if verdict.reason else str(verdict.status)]
    said.append(f"task      {verdict.task} on {verdict.device}")
    if verdict.time:
        time = verdict.time
        said.append(f"time      {time.median_ms:.4g} ms (95 %: {time.low_ms:.4g} to {time.high_ms:.4g})")
        for name, over in (("eager", verdict.speedup("eager")), ("compile", verdict.speedup("compile"))):
            if over is not None:
                said.append(f"          {over:.2f}x the speed of {name} ({_median(verdict, name):.4g} ms)")
    elif verdict.status == "verified":
        said.append("time      unmeasured: nothing was run on a GPU")
    if verdict.gain:
        gain = verdict.gain
        said.append(f"gain      {gain.estimate:+.2%}, at least {gain.low:+.2%}, over {gain.incumbent[:12]}")
    if verdict.error:
        error = verdict.error
        said.append(
            f"error     {error.max_abs:.3g} against float64 ({error.max_scaled:.3g} of its RMS) over {error.draws} "
            f"draws; the reference's own is {error.reference_max_abs:.3g}; tolerance {error.tolerance}"
        )
        if error.worst:
            said.append(f"          worst: {error.worst}")
    if verdict.failing:
        for number, line in enumerate(failing.lines(verdict.failing)):
            said.append(f"{'          ' if number else 'smallest  '}{line}")
    said += _evidence(verdict)
    return [neutralise(line) for line in said]


def _evidence(verdict: Verdict) -> list[str]:
    evidence, roofs = verdict.evidence, _roofs(verdict)
    said = []
    if evidence.checked_on:
        said.append(f"checked   on {evidence.checked_on}; compiled for {evidence.target or verdict.device}")
    if REDUCED in evidence.isolation:
        said.append("isolation reduced: judged in the fallback sandbox, without namespaces")
    if evidence.own_share is not None:
        said.append(f"own       {evidence.own_share:.0%} of the GPU time of a forward is in kernels of its own")
    work = [_cost_line(evidence.cost)] if evidence.cost else []
    for number, line in enumerate([*work, *map(_roof_line, roofs)]):
        said.append(f"{'' if number else 'roofline':<10}{line}")
    if evidence.torch_operators:
        said.append(f"torch     does part of the arithmetic: {', '.join(evidence.torch_operators)}")
    if verdict.status == "verified" and not evidence.ablated:
        said.append("note      not ablated: nobody saw the output break without its kernels")
    if evidence.isolation:
        said.append(f"sandbox   {', '.join(evidence.isolation)}")
    if evidence.isolation_missing:
        said.append(f"without   {', '.join(evidence.isolation_missing)} (`harness doctor` has the remedies)")
    if evidence.transport:
        said.append(f"transport {evidence.transport}")
    said += [f"note      {note}" for note in evidence.notes]
    for finding in evidence.findings:
        remedy = f" — {finding['remedy']}" if finding.get("remedy") else ""
        said.append(f"finding   line {finding.get('line')}: {finding.get('rule')}: {finding.get('message')}{remedy}")
    return said


def kernel_table(kernels: tuple[KernelFacts, ...]) -> Table:
    """One row for each kernel that the candidate launches."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("kernel")
    for header in ("regs", "spill B", "shared B", "occ", "limited by", "w/st", "grid", "time"):
        table.add_column(header, justify="right", no_wrap=True)
    for kernel in kernels:
        grid = "x".join(map(str, kernel.grid)) if kernel.grid else NOTHING
        launch = f"{_or(kernel.num_warps)}/{_or(kernel.num_stages)}"
        table.add_row(
            Text(neutralise(kernel.name)),
            *(_or(value) for value in (kernel.registers, kernel.spill_bytes, kernel.shared_bytes)),
            _share(kernel.occupancy),
            _or(kernel.limited_by),
            launch,
            grid,
            _share(kernel.time_share),
        )
    return table


def work_table(work: tuple[GpuWork, ...]) -> Table:
    """Where the GPU's time goes in one forward: what runs, whose it is, which torch operator launched it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("GPU work of one forward", overflow="ellipsis", no_wrap=True)
    table.add_column("by", overflow="ellipsis", no_wrap=True)
    for header in ("operator", "share", "ms"):
        table.add_column(header, justify="left" if header == "operator" else "right", no_wrap=True)
    for row in work[:_WORK_ROWS]:
        name, operator = (Text(neutralise(text)) for text in (row.name, row.operator or NOTHING))
        table.add_row(name, row.kind, operator, f"{row.share:.1%}", f"{row.ms:.4g}")
    return table


def _or(value: object) -> str:
    return NOTHING if value is None else str(value)


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print a verdict for people."""
    for number, line in enumerate(lines(verdict)):
        style = ("green" if verdict.status == "verified" else "red") if number == 0 else ""
        console.print(Text(line, style=style), soft_wrap=True)
    if verdict.kernels:
        console.print(kernel_table(verdict.kernels))
    for other in verdict.evidence.elsewhere:
        said = f"compiled for {other.target}, not run there" + (f": {other.reason}" if other.reason else "")
        console.print(Text(neutralise(said)), soft_wrap=True)
        if other.kernels:
            console.print(kernel_table(other.kernels))
    if verdict.evidence.gpu_work:
        console.print(work_table(verdict.evidence.gpu_work))
