"""Finding the key of a model's server. Keys are never settings; only the place to look is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluator.errors import ModelError
from harness.llm.address import is_private, redact_url
from harness.settings import LlmSettings

_PLACEHOLDER = "none-needed"


@dataclass(frozen=True)
class Key:
    """A key and where it was found. Its value is in neither its repr nor its str."""

    value: str = field(repr=False)
    origin: str  # for messages: "the environment variable OPENAI_API_KEY"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return () if self.value == _PLACEHOLDER else (self.value,)


def find_key(settings: LlmSettings, base_url: str, environ: Mapping[str, str]) -> Key:
    """The key from `api_key_file`, else from the environment variable named by `api_key_env`.

    A server on this machine or on a private network gets a placeholder if there is none, since local servers need no
    key.

    Raises:
        ModelError: there is no key, or the file can't be read; it says where was looked.
    """
    if settings.api_key_file is not None:
        return _from_file(settings)
    value = environ.get(settings.api_key_env, "").strip()
    if value:
        return Key(_plain(value, f"the environment variable {settings.api_key_env}"), _variable(settings))
    if is_private(base_url):
        return Key(_PLACEHOLDER, f"none: {settings.api_key_env} is not set, and a local server was not expected to ask")
    raise ModelError(
        f"No key for {redact_url(base_url)}: the environment variable {settings.api_key_env} is not set.",
        f"Set {settings.api_key_env}, or name another place with llm.api_key_env=VARIABLE or llm.api_key_file=PATH; "
        "proposer=rules works without a model.",
    )


def _variable(settings: LlmSettings) -> str:
    return f"the environment variable {settings.api_key_env}"


def _from_file(settings: LlmSettings) -> Key:
    path = settings.api_key_file
    assert path is not None
    try:
        value = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ModelError(
            f"The key file {path} can't be read: {reason}.", "Check llm.api_key_file; the file holds the key alone."
        ) from None
    if not value:
        raise ModelError(f"The key file {path} is empty.", "Put the key, and nothing else, into it.")
    return Key(_plain(value, f"the file {path}"), f"the file {path}")


def _plain(value: str, origin: str) -> str:
    """The key, if it can be put into an HTTP header: an odd one would be shown in the error of a lower layer."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ModelError(f"What {origin} holds is not a key.", "A key is one word of plain ASCII characters.")
    return value
