"""Text that comes from a server or a model, made fit for one line of a message (it is data, whatever it says)."""

from candidates.text import neutralise

_UNMISTAKABLE = 8  # characters


def one_line(text: str, limit: int = 200) -> str:
    """The text neutralised, its white space collapsed, cut to `limit` characters."""
    # A text that is far longer than what is kept need not be walked to its end.
    line = " ".join(neutralise(" ".join(text[: limit * 8].split())).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every long secret replaced, and otherwise as it is: a short one could be a word of any code."""
    for secret in secrets:
        if len(secret) >= _UNMISTAKABLE:
            text = text.replace(secret, "***")
    return text


def scrub(text: str, secrets: tuple[str, ...], limit: int = 200) -> str:
    """`one_line`, with every secret replaced first: a server may echo the key that it was sent."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return one_line(text, limit)
