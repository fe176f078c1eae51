"""What a board says of a verdict, kept beside it: a verdict's body holds every raw sample and takes long to read."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Literal, Self

from evaluator.status import REDUCED

if TYPE_CHECKING:
    from evaluator.verdict import KernelFacts, Verdict

Mode = Literal["eager", "compile"]
MODES: tuple[Mode, ...] = ("eager", "compile")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The facts of one verdict. None where nothing was measured or determined.

    The static facts are those of the kernel that takes the most time, as far as that is known; `spill_bytes` is the
    largest of any kernel, `fits` holds for all of them. A fact that is added here later is None in older summaries.
    """

    reduced_isolation: bool = False  # it ran in the fallback sandbox
    time_ms: float | None = None
    time_low_ms: float | None = None
    time_high_ms: float | None = None
    speedup_eager: float | None = None
    speedup_compile: float | None = None
    baseline_ms: dict[Mode, float | None] = field(default_factory=lambda: dict.fromkeys(MODES))
    own_share: float | None = None  # of a forward's GPU time in kernels of its own
    ablated: bool = False  # its output was seen to break without its kernels
    kernel: str | None = None
    fits: bool | None = None
    registers: int | None = None
    spill_bytes: int | None = None
    shared_bytes: int | None = None
    occupancy: float | None = None
    limited_by: str | None = None
    num_warps: int | None = None
    num_stages: int | None = None

    @classmethod
    def of(cls, verdict: "Verdict") -> Self:
        """The summary of a verdict."""
        time, main = verdict.time, _main_kernel(verdict)
        baselines = {mode: verdict.baseline.get(mode) for mode in MODES}
        return cls(
            reduced_isolation=REDUCED in verdict.evidence.isolation,
            time_ms=time.median_ms if time else None,
            time_low_ms=time.low_ms if time else None,
            time_high_ms=time.high_ms if time else None,
            speedup_eager=verdict.speedup("eager"),
            speedup_compile=verdict.speedup("compile"),
            baseline_ms={mode: base.median_ms if base else None for mode, base in baselines.items()},
            own_share=verdict.evidence.own_share,
            ablated=verdict.evidence.ablated,
            kernel=main.name if main else None,
            fits=_fits(verdict),
            registers=main.registers if main else None,
            spill_bytes=_spills(verdict),
            shared_bytes=main.shared_bytes if main else None,
            occupancy=main.occupancy if main else None,
            limited_by=main.limited_by if main else None,
            num_warps=main.num_warps if main else None,
            num_stages=main.num_stages if main else None,
        )

    @classmethod
    def read(cls, text: str) -> Self:
        """A summary from its JSON; what a newer version added is passed over.

        Raises:
            ValueError: it is no JSON object.
        """
        saved = json.loads(text)
        if not isinstance(saved, dict):
            raise ValueError("not a JSON object")
        return cls(**{each.name: saved[each.name] for each in fields(cls) if each.name in saved})

    def write(self) -> str:
        """The summary as JSON."""
        return json.dumps(asdict(self))


def _main_kernel(verdict: "Verdict") -> "KernelFacts | None":
    """The kernel that takes the most time; where times are not known, the one with the most registers."""
    return max(verdict.kernels, key=lambda kernel: (kernel.time_share or 0.0, kernel.registers or 0), default=None)


def _fits(verdict: "Verdict") -> bool | None:
    """Whether every kernel is within the target's limits; None if that is not known of all."""
    known = [kernel.fits for kernel in verdict.kernels]
    if False in known:
        return False
    return True if known and None not in known else None


def _spills(verdict: "Verdict") -> int | None:
    known = [kernel.spill_bytes for kernel in verdict.kernels if kernel.spill_bytes is not None]
    return max(known) if known else None
