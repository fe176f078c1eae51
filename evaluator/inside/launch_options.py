"""Options of a Triton launch that a candidate may not use.

Forwards are timed one after another, short ones around a ring. With programmatic dependent launch (compute capability
9.0 and above) a kernel may begin while what came before it runs: there that is another forward, so that several could
be timed at once. And one that does not wait for what came before it may read its inputs before they are written. An IR
of one's own comes from a file, and is not the candidate's text.
"""

REFUSED: dict[str, str] = {
    "launch_pdl": "Leave it out: forwards are timed one after another, and none may begin before the last has ended.",
    "ir_override": "Write the kernel in Triton.",
}
"""By name, what to do instead."""
