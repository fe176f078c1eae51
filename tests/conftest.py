"""What a machine can't test is skipped, with the reason shown; what tests on a GPU share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus
from evaluator.devices import Target, choose, detect
from evaluator.request import EvaluatorSettings
from evaluator.service import Evaluator

CONF = Path(__file__).parents[1] / "conf"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {
        "gpu": "" if detect() else "needs an NVIDIA GPU, and there is none here",
        "servers": "" if "servers" in config.option.markexpr else "opt-in, with servers of its own: make test-servers",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def target() -> Target:
    """The GPU of this machine, as `gpu=auto` chooses it."""
    return choose("auto", load_gpus(CONF), detect(), "auto")


@pytest.fixture(scope="module")
def evaluator(request: pytest.FixtureRequest, target: Target) -> Iterator[Evaluator]:
    """An evaluator on that GPU, with the module's SETTINGS if it has any."""
    assert target.device is not None
    settings = getattr(request.module, "SETTINGS", EvaluatorSettings())
    with Evaluator(settings, device=target.device.uuid, target=target.gpu) as open_evaluator:
        yield open_evaluator
