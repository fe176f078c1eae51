"""GPU tests are skipped, with the reason shown, where there is no GPU."""

import pytest

from evaluator.devices import detect


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if detect():
        return
    skip = pytest.mark.skip(reason="needs an NVIDIA GPU, and there is none here")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)
