"""KEY=VALUE words of the command line, looked at before Hydra sees them.

Hydra writes overrides into files, so words that hold a key are refused here; its messages about unknown names lack a
suggestion, so those are answered here too; and some values that people write need quoting or brackets first.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from evaluator.errors import UsageError

WORD = re.compile(r"^(?P<prefix>\+\+|[+~]?)(?P<key>[A-Za-z_][\w./@:-]*)=(?P<value>.*)$", re.DOTALL)

_SECRET_NAME = re.compile(r"api_?key|secret|passw(or)?d|credential|bearer|authori[sz]ation|(^|_)(access_)?token$", re.I)
_PLACE_OF_SECRET = ("api_key_env", "api_key_file")
_SECRET_VALUE = re.compile(
    r"""(?<![\w/.-])(?: (?:sk|rk|pk)-[\w-]{8,} | gsk_\w{16,} | xai-\w{16,} | hf_\w{16,} | gh[pousr]_\w{16,}
          | github_pat_\w{16,} | glpat-[\w-]{16,} | AKIA[0-9A-Z]{16} | AIza[\w-]{30,} | xox[abprs]-[\w-]{10,}
          | eyJ[\w-]{8,}\.[\w-]{8,}\. )
        | \bBearer\s+\S{8,}""",
    re.VERBOSE,
)
_NAMED_IN_VALUE = re.compile(r"""["']?\b\w*api_?key\b["']?\s*:""", re.I)
SHORT = {"run": "proposer.run"}  # plain words for settings that are often given
_PATHS = ("task", "start", "store.root", "store.url", "llm.api_key_file")
_LISTS = ("stage", "prompt.omit")
_OPEN = "llm.models"  # a mapping whose keys people choose
_QUOTED_KEY = re.compile(r"""(?P<quote>["'])(?P<key>[^"']*)(?P=quote)\s*:""")
_PLAIN_VALUE = re.compile(r"^[\w./@:%+*?|$-]*$")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that are KEY=VALUE, and all the others, each in their order."""
    overrides = [word for word in words if WORD.match(word)]
    return overrides, [word for word in words if not WORD.match(word)]


def keys(overrides: Iterable[str]) -> dict[str, str]:
    """Key -> value, as written; the last of several wins. `~key` and prefixes of addition count as the key."""
    found = {}
    for word in overrides:
        if match := WORD.match(word):
            found[match["key"]] = match["value"]
    return found


def suggestion(name: str, known: Iterable[str]) -> str:
    """A remedy that names the nearest known name, or all of them where they are few."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Known: {', '.join(choices)}." if choices else ""


def refuse_secrets(words: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """Raise UsageError if a word holds a key, a password, or the place for one. The message never repeats it."""
    held = {value for name, value in environ.items() if len(value) >= 8 and _holds_secret(name)}
    for word in words:
        match = WORD.match(word)
        key, value = (match["key"], match["value"]) if match else ("", word)
        last = key.split(".")[-1]
        named = bool(_SECRET_NAME.search(last)) and last not in _PLACE_OF_SECRET
        if named or _SECRET_VALUE.search(word) or _NAMED_IN_VALUE.search(value) or any(one in word for one in held):
            raise UsageError(
                f"{key or 'A word of the command line'} was given a key: settings are written to files, so they never "
                "hold one.",
                "Put the key into an environment variable (OPENAI_API_KEY, or llm.api_key_env=NAME) or a file "
                "(llm.api_key_file=PATH), and replace it if this command line was recorded.",
            )
        if _has_password(value):
            raise UsageError(
                f"{key} was given a URL with a password: settings are written to files, so they never hold one.",
                "Set the whole URL in the environment: OPENAI_BASE_URL for a model, HARNESS_STORE_URL for a store.",
            )


def _holds_secret(variable: str) -> bool:
    return bool(_SECRET_NAME.search(variable)) and not variable.upper().endswith(("_FILE", "_ENV", "_PATH", "_DIR"))


def _has_password(value: str) -> bool:
    for part in re.split(r"[,\s\"'\[\]]+", value):
        try:
            url = urlsplit(part)
            named = any(_SECRET_NAME.search(name) for name, _ in parse_qsl(url.query))
            if "://" in part and (url.password or named):
                return True
        except ValueError:
            continue
    return False


def refuse_unknown(overrides: Iterable[str], known: Iterable[str], groups: Mapping[str, Sequence[str]]) -> None:
    """Raise UsageError for a key that does not exist and for an unknown option of a group.

    Args:
        overrides: KEY=VALUE words.
        known: full keys of settings, such as `search.rounds`.
        groups: group -> its options.
    """
    names = {*known, *groups, *SHORT}
    for key, value in keys(overrides).items():
        if key.startswith(("hydra.", "hydra/")):
            continue
        if key in groups:
            for option in _choices(value):
                if option not in groups[key]:
                    raise UsageError(f"There is no {key} '{option}'.", suggestion(option, groups[key]))
        elif key not in names and not any(key.startswith(f"{name}.") for name in known):
            sections = {name.rpartition(".")[0] for name in names}
            if key in sections and value.startswith("{"):
                continue  # its keys are checked where they become typed
            if key in sections:
                raise UsageError(
                    f"{key} is a section, not a setting.",
                    f"Set one of its keys: {', '.join(sorted(n for n in names if n.startswith(key + '.')))}.",
                )
            raise UsageError(f"There is no setting '{key}'.", _near_key(key, names))


def _near_key(key: str, names: set[str]) -> str:
    """The nearest key; one that only lacks its section is nearer than any misspelling."""
    if near := difflib.get_close_matches(key, sorted(names), n=1, cutoff=0.85):
        return f"Did you mean {near[0]}?"
    tails = sorted(name for name in names if name.rpartition(".")[2] == key.rpartition(".")[2])
    if tails:
        return f"Did you mean {' or '.join(tails)}?"
    if near := difflib.get_close_matches(key, sorted(names), n=1, cutoff=0.6):
        return f"Did you mean {near[0]}?"
    ends = {name.rpartition(".")[2]: name for name in names}
    if near := difflib.get_close_matches(key.rpartition(".")[2], sorted(ends), n=1, cutoff=0.75):
        return f"Did you mean {ends[near[0]]}?"
    return "harness run --help lists all settings."


def _choices(value: str) -> list[str]:
    """The words of `a`, `a,b` and `[a,b]`; nothing for what only Hydra can read (`glob(*)`, interpolations)."""
    if re.search(r"[(){}$]", value):
        return []
    return [word.strip().strip("'\"") for word in value.strip("[]").split(",")]


def write_plainly(overrides: Iterable[str], sweep: bool = False) -> list[str]:
    """The overrides as Hydra's grammar wants them.

    `stage=a,b` and `prompt.omit=a,b` mean lists unless they are swept over. A path with characters that the grammar
    keeps for itself is quoted; in a sweep only if such a file exists, since commas and brackets have a meaning there.
    Where people choose the keys of a mapping, setting it adds to it, for which Hydra wants a prefix.
    """
    return [_write_plainly(word, sweep) for word in overrides]


def _write_plainly(word: str, sweep: bool) -> str:
    match = WORD.match(word)
    if not match:
        return word
    key, value = SHORT.get(match["key"], match["key"]), match["value"]
    if key in SHORT.values() and re.fullmatch(r"\w+", value):  # an ID of digits alone is no number
        return f"{match['prefix']}{key}='{value}'"
    if key in _LISTS and "," in value and not sweep and not value.startswith(("[", "'", '"')):
        return f"{match['prefix']}{key}=[{value}]"
    if not match["prefix"] and (key == _OPEN or key.startswith(f"{_OPEN}.")):
        return f"++{key}={_QUOTED_KEY.sub(_escape, value)}"
    is_path = key in _PATHS and (not sweep or _exists(value))
    if is_path and not _PLAIN_VALUE.match(value) and not value.startswith(("'", '"', "${")):
        quoted = value.replace("'", "\\'")
        return f"{match['prefix']}{key}='{quoted}'"
    return word


def _escape(quoted_key: re.Match[str]) -> str:
    """A quoted key of a mapping as Hydra reads one: `"qwen3:8b":` becomes `qwen3\\:8b:`."""
    return re.sub(r"([^\w./-])", r"\\\1", quoted_key["key"]) + ":"


def _exists(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
