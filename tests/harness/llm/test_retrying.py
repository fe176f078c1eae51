from email.utils import formatdate

import pytest

from harness.llm.retrying import is_passing, retry_after_s

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), 0.0),
        (formatdate(NOW + 30), 30.0),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


def test_which_statuses_pass() -> None:
    assert [status for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 529) if is_passing(status)] == [
        408,
        409,
        429,
        500,
        503,
        529,
    ]
