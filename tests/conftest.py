"""What a machine can't test is skipped, with the reason shown."""

import pytest

from evaluator.devices import detect


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {
        "gpu": "" if detect() else "needs an NVIDIA GPU, and there is none here",
        "servers": "" if "servers" in config.option.markexpr else "opt-in, with servers of its own: make test-servers",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
