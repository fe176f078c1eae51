"""Time: rounds of alternating blocks, the oracle's own clock over them, and the decision that they lead to.

    ring           the slots of one worker: filled anew again and again, and judged
    auditor        sittings of the oracle's clock over a ring
    contestant     one worker made ready to be timed: its blocks, audits and spot checks
    interleaving   A B B A, the other one frozen, a canary before each block
    trial          nomination, then a fresh confirmation
    serial         the same for two that do not fit the card together
    sequential     when to stop, and for which side; pure
    placement      how far two workers that run the same code differ
    audit          what a worker's claim may differ from the oracle's clock by; pure
    freshness      what it may differ from the worker's own on fresh inputs by
    canary, clocks what the GPU does that is not the candidate's doing
    power          what the decision rule would have said to recorded rounds; pure

docs/decisions/0002-timing-protocol.md says why.
"""
