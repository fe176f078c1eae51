import pytest

from harness.llm.address import is_loopback, is_private, redact_url, secrets_of
from harness.llm.text import one_line, scrub


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("http://user:secret@host:8000/v1?key=secret#secret", "http://host:8000/v1"),
        ("http://secret@host/v1", "http://host/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("user:secret@host", "(unreadable URL)"),
        ("http://host:secret/v1", "(unreadable URL)"),
        ("", "(unreadable URL)"),
    ],
)
def test_redaction(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_secrets_of_a_url() -> None:
    assert set(secrets_of("http://me:hunter2@host/v1?a=tok1&b=tok2")) == {
        "me",
        "hunter2",
        "bWU6aHVudGVyMg==",
        "tok1",
        "tok2",
    }


@pytest.mark.parametrize(
    ("url", "loopback", "private"),
    [
        ("http://localhost:8000/v1", True, True),
        ("http://LOCALHOST/v1", True, True),
        ("http://127.0.0.1/v1", True, True),
        ("http://127.8.9.1/v1", True, True),
        ("http://[::1]/v1", True, True),
        ("http://0.0.0.0:8000/v1", True, True),
        ("http://192.168.1.20:8000/v1", False, True),
        ("http://10.0.0.7/v1", False, True),
        ("http://vllm:8000/v1", False, True),
        ("http://box.local/v1", False, True),
        ("https://api.openai.com/v1", False, False),
        ("http://8.8.8.8/v1", False, False),
        ("http://localhost.example.com/v1", False, False),
        ("http://127.0.0.1.example.com/v1", False, False),
        ("", False, False),
    ],
)
def test_where_a_server_is(url: str, loopback: bool, private: bool) -> None:
    assert (is_loopback(url), is_private(url)) == (loopback, private)


def test_one_line_of_bounded_length() -> None:
    assert one_line("a\n\n  b\tc") == "a b c"
    assert len(one_line("word " * 1000, 50)) <= 50
    assert "\x1b" not in one_line("\x1b[31mred")


def test_a_secret_is_scrubbed_wherever_it_stands() -> None:
    assert scrub("key sk-1 and sk-1.", ("sk-1",)) == "key *** and ***."
