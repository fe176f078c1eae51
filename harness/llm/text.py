"""Text that comes from a server or a model, made safe to show (it is data, whatever it says)."""

import unicodedata

# Categories that move the cursor, recolour the terminal, reorder letters or hide: controls, formats, surrogates,
# private use, and the two separators that end a line.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def neutralise(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control characters, bidirectional marks or escape sequences."""
    # A text that is far longer than what is kept need not be walked to its end.
    shown = "".join(" " if unicodedata.category(c) in _UNSHOWN else c for c in text[: limit * 8])
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def scrub(text: str, secrets: tuple[str, ...], limit: int = 200) -> str:
    """`neutralise`, with every secret replaced first: a server may echo the key that it was sent."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return neutralise(text, limit)
