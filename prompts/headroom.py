"""What of the roofline rules and prompts may speak of, and when it says that a stage has nothing left to gain."""

from typing import Any

from evaluator import roofline
from evaluator.gpus import Gpu
from evaluator.roofline import Roof
from evaluator.verdict import Verdict
from evaluator.work import Ceilings
from prompts.stages import Facts, Stage


def collect(verdict: Verdict, gpu: Gpu, kernel: str) -> dict[str, Any]:
    """Roofline and headroom as facts, of the kernel with this name where they are one kernel's. Only what is known."""
    ceilings = roofline.ceilings_of(verdict, gpu)
    found = roofline.roofs(verdict, ceilings)
    facts: dict[str, Any] = {"own_headroom_percent": _percent(roofline.own_headroom(found))}
    shares = [roof.share for roof in found if roof.share is not None]
    if shares and len(shares) == len(found):
        facts["own_share_percent"] = _percent(min(sum(shares), 1.0))
    for roof in found:
        if roof.name == kernel:
            facts |= _of_kernel(roof, ceilings)
    other = roofline.elsewhere(verdict, ceilings)
    if other is not None:
        facts |= {
            "elsewhere": other.what,
            "elsewhere_share_percent": _percent(other.share),
            "elsewhere_roofline_percent": _percent(other.fraction),
            "elsewhere_headroom_percent": _percent(other.headroom),
            "elsewhere_rate": f"{other.rate} rate" if other.rate else None,
        }
    return facts


def stop(facts: Facts, stage: Stage, min_gain: float) -> str:
    """Why this stage can't gain enough any more, with the numbers; empty as long as it may.

    Only a measured candidate can end a stage, and only one that tunes kernels. What is compared is the most that
    tuning all own kernels could gain, which is an upper bound: where less is known, it is larger.

    Args:
        facts: as `prompts.facts.collect` gives them; a profile adds nothing to this.
        min_gain: the least gain worth having, a fraction of the forward's time.
    """
    left = facts.get("own_headroom_percent")
    if stage.template != "optimize" or not facts.get("measured") or left is None or left >= 100 * min_gain:
        return ""
    bound = f"at most {left:.1f} % is left, below min_gain {100 * min_gain:g} %"
    return "; ".join(part for part in (f"{_own(facts)}: {bound}", _where_else(facts, min_gain)) if part)


def _own(facts: Facts) -> str:
    count, fraction, share = facts.get("kernels") or 1, facts.get("roofline_percent"), facts.get("own_share_percent")
    if count > 1:
        return f"its {count:.0f} kernels take {share:.0f} % of the forward"
    runs = f"runs at {fraction:.0f} % of the {facts.get('roof')} and " if fraction is not None else ""
    return f"{facts.get('kernel')} {runs}takes {share:.0f} % of the forward"


def _where_else(facts: Facts, min_gain: float) -> str:
    left, what = facts.get("elsewhere_headroom_percent"), facts.get("elsewhere")
    share, reached = facts.get("elsewhere_share_percent"), facts.get("elsewhere_roofline_percent")
    if what is None or share is None:
        return ""
    if left is None or reached is None:
        return f"{share:.0f} % of the time is in {what}, of which nobody knows how fast it could be"
    said = f"{what.removesuffix(')')}, {share:.0f} % of the time, {reached:.0f} % of the {facts.get('elsewhere_rate')})"
    if left < 100 * min_gain:
        return f"there is none in the {said} either"
    return f"headroom is in the {said}: stage draft could take it"


def _of_kernel(roof: Roof, ceilings: Ceilings) -> dict[str, Any]:
    return {
        "roofline_percent": _percent(roof.fraction),
        "headroom_percent": _percent(roof.headroom),
        "bound": roof.bound,
        "roof": _name(roof, ceilings),
        "achieved_gb_s": None if roof.gb_s is None else round(roof.gb_s, 1),
        "achieved_tflop_s": None if roof.tflop_s is None else round(roof.tflop_s, 2),
    }


def _name(roof: Roof, ceilings: Ceilings) -> str | None:
    if roof.passed_by:
        return roof.ceiling
    measured = ceilings.source == "measured"
    if roof.bound == "memory":
        return "copy bandwidth" if measured else "datasheet's bandwidth"
    if roof.bound == "compute":
        return f"measured {roof.rate} rate" if measured else f"datasheet's {roof.rate} rate"
    return None


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 1)
