"""Shell completion beyond what Hydra knows: commands, and the words that stand for tasks, GPUs and stages.

Install it with: eval "$(harness -sc install=bash)" (or install=zsh, install=fish).
"""

from harness.cli import COMMANDS
from harness.places import CONF

_FOLDERS = {"task": (), "gpu": ("auto",), "stage": ("all",), "tolerance": ()}


def candidates(line: str) -> list[str] | None:
    """Completions for the last word of `line`; None if Hydra is to answer.

    Args:
        line: the command line so far, with the program's name, as shells give it in COMP_LINE.
    """
    words = line.split()[1:] + ([""] if line.endswith(" ") or not line else [])
    if len(words) <= 1:
        return [name for name in COMMANDS if name.startswith(words[0] if words else "")]
    last, before = words[-1], words[-2]
    if before == "--task":
        return [name for name in names("task") if name.startswith(last)]
    key, equals, value = last.partition("=")
    if equals and key in _FOLDERS and not value.startswith((".", "/", "~")):
        done, comma, begun = value.rpartition(",")
        return [f"{key}={done}{comma}{name}" for name in names(key) if name.startswith(begun)]
    return None if words[0] in ("run", "prompt") else []


def names(key: str) -> list[str]:
    """What may stand behind `key=`, sorted."""
    return sorted([*(path.stem for path in (CONF / key).glob("*.yaml")), *_FOLDERS[key]])


def without_command(line: str) -> str:
    """The command line as Hydra expects it: program, then overrides."""
    program, _, rest = line.partition(" ")
    _, space, arguments = rest.lstrip().partition(" ")
    return f"{program} {arguments}" if space else f"{program} "
