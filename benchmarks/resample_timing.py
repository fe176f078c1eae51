"""Tables of false wins and of power, from rounds that `python -m benchmarks.record_timing` recorded.

    python -m benchmarks.resample_timing RECORD.json [--trials N] [--markdown OUT.md]

Every decision is taken by the code that decides live (evaluator/oracle/timing/sequential.py). The seed is fixed: the
same record gives the same tables.
"""

import argparse
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from evaluator.oracle.timing.audit import Audit, convict
from evaluator.oracle.timing.distributions import clopper_pearson
from evaluator.oracle.timing.freshness import slower
from evaluator.oracle.timing.interleaving import affordable
from evaluator.oracle.timing.placement import DEFAULT, placement
from evaluator.oracle.timing.power import Recorded, Share, share
from evaluator.oracle.timing.ring import SHORT_MS
from evaluator.oracle.timing.sequential import Rule
from evaluator.oracle.timing.trial import CONFIRMING, LUCK
from evaluator.request import Timer

Sittings = tuple[list[Audit], float]
"""Of one worker, and the milliseconds that it claims."""

_SEED = 20
_PARTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)
_LIES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--trials", type=int, default=2000, help="decisions for each row")
    parser.add_argument("--markdown", type=Path, help="write the tables there instead of printing them")
    given = parser.parse_args()
    body = json.loads(given.record.read_text())
    text = "\n".join(
        [
            *_noise(body["records"]),
            "",
            *_power(body["records"], given.trials),
            "",
            *_audits(body["records"]),
            "",
            *_lies(body["records"], given.trials),
            "",
            *_freshness(body["records"], given.trials),
        ]
    )
    if given.markdown:
        given.markdown.write_text(text + "\n")
    else:
        print(text)


def _noise(records: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| kernel | us | pairs | sd between rounds | sd between fresh pairs | assumed | seconds for 12 rounds |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, same in _groups(records, planted=0.0):
        microseconds = mean(record["theirs_us"] for record in same)
        within = mean(stdev(record["log_ratios"]) for record in same)
        # Equal kernels have no mean to be estimated: the centre is known to be zero.
        between = mean(mean(record["log_ratios"]) ** 2 for record in same) ** 0.5
        seconds = mean(record["rounds_s"] / len(record["log_ratios"]) for record in same) * 12
        lines.append(
            f"| {size} | {microseconds:.1f} | {len(same)} | {within:.3%} | {between:.3%} "
            f"| {placement(microseconds / 1e3, DEFAULT):.3%} | {seconds:.2f} |"
        )
    return lines


def _power(records: list[dict[str, Any]], trials: int) -> list[str]:
    lines = [
        "| kernel | min_gain | planted | found | accepted | share | exact 95 % interval | rounds | pairs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for min_gain in (0.005, 0.02):
        for planted in sorted({record["planted"] for record in records}):
            for size, chosen in _groups(records, planted):
                won = _decide(chosen, planted == 0, min_gain, trials)
                low, high = won.interval
                found = -mean(mean(record["log_ratios"]) for record in chosen)
                lines.append(
                    f"| {size} | {min_gain:.1%} | {planted:.1%} | {found:.2%} | {won.hits} of {won.trials} "
                    f"| {won.hits / won.trials:.1%} | {low:.2%} to {high:.2%} | {won.rounds:.1f} | {won.pairs:.2f} |"
                )
    return lines


def _decide(records: list[dict[str, Any]], equal: bool, min_gain: float, trials: int) -> Share:
    timer = Timer()
    forward_ms = mean(record["theirs_us"] for record in records) / 1e3
    luck = placement(forward_ms, timer.placement or DEFAULT)
    slots = min(record["slots"] for record in records) if forward_ms < SHORT_MS else 1
    rule = Rule(min_gain, affordable(forward_ms * slots, timer), luck)
    recorded = Recorded(tuple(tuple(record["log_ratios"]) for record in records), equal)
    pairs = timer.pairs if luck > LUCK else 1
    return share(recorded, rule, pairs, CONFIRMING, trials, random.Random(_SEED))


def _lies(records: list[dict[str, Any]], trials: int) -> list[str]:
    """Verdicts on claims that are so much below the truth, by sittings of a worker drawn with replacement."""
    head = " | ".join(f"{lie:.0%} less" if lie else "the truth" for lie in _LIES)
    lines = [f"| kernel | {head} | exact 95 % of the truth | sittings for it |", "|---|" + "---|" * (len(_LIES) + 2)]
    for size, same in _groups(records, planted=0.0):
        verdicts = {lie: _tried(_sittings(same), lie, trials) for lie in _LIES}
        low, high = clopper_pearson(sum(convicted for convicted, _ in verdicts[0.0]), trials)
        shares = (f"{mean(convicted for convicted, _ in found):.1%}" for found in verdicts.values())
        needed = mean(sittings for _, sittings in verdicts[0.0])
        lines.append(f"| {size} | {' | '.join(shares)} | {low:.2%} to {high:.2%} | {needed:.2f} |")
    return lines


def _tried(held: list[Sittings], lie: float, trials: int) -> list[tuple[bool, int]]:
    """Of each verdict whether it convicts, and how many sittings it took."""
    source = random.Random(_SEED)
    found = []
    for _ in range(trials):
        sittings, claim_ms = source.choice(held)
        audit, problem = convict(source.choice(sittings), [claim_ms * (1 - lie)], partial(source.choice, sittings))
        found.append((bool(problem), len(audit.full_ms) // len(sittings[0].full_ms)))
    return found


def _freshness(records: list[dict[str, Any]], trials: int) -> list[str]:
    """Verdicts on claims that are so much below the truth, by spot checks of a worker drawn with replacement."""
    head = " | ".join(f"{part:.0%} less" if part else "the truth" for part in _PARTS)
    lines = [
        f"| kernel | spot checks | beyond the claim | {head} | exact 95 % of the truth | spot checks for it |",
        "|---|" + "---|" * (len(_PARTS) + 4),
    ]
    for size, same in _groups([record for record in records if "fresh_ms" in record], planted=0.0):
        beyond = [each / record["claim_ms"] - 1 for record in same for each in record["fresh_ms"]]
        verdicts = {part: _checked(same, part, trials) for part in _PARTS}
        low, high = clopper_pearson(sum(convicted for convicted, _ in verdicts[0.0]), trials)
        shares = (f"{mean(convicted for convicted, _ in found):.1%}" for found in verdicts.values())
        lines.append(
            f"| {size} | {len(beyond)} | {min(beyond):.2%} to {max(beyond):.2%}, median {median(beyond):.2%} "
            f"| {' | '.join(shares)} | {low:.2%} to {high:.2%} | {mean(tries for _, tries in verdicts[0.0]):.2f} |"
        )
    return lines


def _checked(records: list[dict[str, Any]], part: float, trials: int) -> list[tuple[bool, int]]:
    """Of each verdict whether it convicts, and how many spot checks it took."""
    source = random.Random(_SEED)
    found = []
    for _ in range(trials):
        record = source.choice(records)
        fresh_ms = [source.choice(record["fresh_ms"])]
        slots = record["slots"] if record["claim_ms"] < SHORT_MS else 0
        claims_ms = [record["claim_ms"] * (1 - part)]
        problem = slower(claims_ms, fresh_ms, slots, partial(source.choice, record["fresh_ms"]))
        found.append((bool(problem), len(fresh_ms)))
    return found


def _audits(records: list[dict[str, Any]]) -> list[str]:
    """What the oracle's clock found beyond a worker's claim, of workers that do not lie."""
    lines = [
        "| kernel | claim, us | sittings | leave doubt | verdicts | they convict | exact 95 % | beyond it, us |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size, same in _groups(records, planted=0.0):
        both = _sittings(same)
        excess = [(each.forward_ms - claim) * each.forwards * 1e3 for held, claim in both for each in held]
        alone = sum(each.doubts([claim]) for held, claim in both for each in held)
        verdicts = [word for held, claim in both for word in _convictions(held, claim)]
        claims = [claim for _, claim in both]
        low, high = clopper_pearson(sum(verdicts), len(verdicts))
        lines.append(
            f"| {size} | {mean(claims) * 1e3:.2f} | {len(excess)} | {alone} | {len(verdicts)} | {sum(verdicts)} "
            f"| {low:.2%} to {high:.2%} | {min(excess):.0f} to {max(excess):.0f}, median {median(excess):.0f} |"
        )
    return lines


def _convictions(held: list[Audit], claim_ms: float) -> Iterator[bool]:
    """Verdicts by sittings in the order in which they were held, each with as many more as it asks for."""
    left = iter(held)
    with suppress(StopIteration):  # the last has not all the sittings that it would need
        while True:
            yield bool(convict(next(left), [claim_ms], left.__next__)[1])


def _sittings(records: list[dict[str, Any]]) -> list[Sittings]:
    return [
        (
            [Audit(audit["forwards"], tuple(audit["empty_ms"]), tuple(audit["full_ms"])) for audit in record["audits"]],
            record["claim_ms"],
        )
        for record in records
    ]


def _groups(records: list[dict[str, Any]], planted: float) -> list[tuple[str, list[dict[str, Any]]]]:
    """Records with this planted gain, by kernel, the shortest first."""
    names = dict.fromkeys(record["size"] for record in records)
    found = [(name, [r for r in records if r["size"] == name and r["planted"] == planted]) for name in names]
    return [(name, chosen) for name, chosen in found if chosen]


if __name__ == "__main__":
    main()
