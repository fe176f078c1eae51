"""Where requests go: URLs made safe to show, and hosts that are near enough to need no key."""

import base64
import ipaddress
from urllib.parse import SplitResult, unquote, urlsplit

from harness.llm.text import one_line


def redact_url(url: str) -> str:
    """The URL without user, password, query and fragment: what may be shown, logged and stored.

    Nothing of a URL that can't be understood is shown, for a password could stand anywhere in it.
    """
    parts = _split(url)
    if parts is None or not parts.hostname:
        return "(unreadable URL)"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return one_line(f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/"), 300)


def secrets_of(url: str) -> tuple[str, ...]:
    """The parts of a URL that must never be shown: password and user, also as they are sent, and its query's values."""
    parts = _split(url)
    if parts is None:
        return (url,) if url else ()
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    both = f"{parts.username or ''}:{parts.password or ''}"
    sent = base64.b64encode(unquote(both).encode()).decode() if len(both) > 1 else ""
    return tuple(secret for secret in (parts.password, sent, parts.username, *values) if secret)


def host_of(url: str) -> str:
    """The host name in lower case, empty if the URL has none."""
    parts = _split(url)
    return (parts.hostname or "").lower() if parts else ""


def is_valid(url: str) -> bool:
    """True if a request could be sent there."""
    parts = _split(url)
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)


def is_loopback(url: str) -> bool:
    """True if the server runs on this machine."""
    host = host_of(url)
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return host == "localhost" or host.endswith(".localhost")


def is_private(url: str) -> bool:
    """True if the server is on this machine or on a private network, judged by the name alone, without asking DNS."""
    host = host_of(url)
    address = _address(host)
    if address is not None:
        return address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
    return bool(host) and (is_loopback(url) or "." not in host or host.endswith((".local", ".internal", ".lan")))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts
