"""Code written for CUDA runs on CPU tensors, real and fake, and believes that it is on the target."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from evaluator.inside.cuda_names import CudaNames
from evaluator.inside.device import Device
from tests.evaluator.inside.sessions import RTX4090

TARGET = Device.of(RTX4090)


@pytest.fixture(params=["real", "fake"])
def names(request: pytest.FixtureRequest) -> Iterator[None]:
    fake: Any = FakeTensorMode(allow_non_fake_inputs=True) if request.param == "fake" else nullcontext()
    with fake, CudaNames(TARGET):
        yield


def claims_cuda(tensor: torch.Tensor) -> bool:
    return bool(tensor.is_cuda) and str(tensor.device) == "cuda:0" and int(tensor.get_device()) == 0


@pytest.mark.usefixtures("names")
def test_tensors_asked_for_on_cuda_are_made_and_claim_to_be_there() -> None:
    x = torch.empty(4, 6, device="cuda")
    made = [
        x,
        torch.ones(3, device="cuda:0"),
        torch.zeros(3, device=0),
        torch.full((2,), 1.0, device=torch.device("cuda")),
        torch.tensor([1.0], device=x.device),
        torch.empty_like(x, device=x.device),
        x.new_empty((2, 2), device=x.device),
        torch.empty(3).cuda(),
        torch.empty(3).to("cuda", non_blocking=True),
        torch.empty(3).to(device="cuda", dtype=torch.float16),
        torch.empty(3, pin_memory=True),
        x[1:],
        x.t().contiguous(),
    ]
    assert all(claims_cuda(tensor) for tensor in made)


@pytest.mark.usefixtures("names")
def test_devices_compare_as_on_cuda() -> None:
    x = torch.empty(4, device="cuda")
    assert x.device == torch.device("cuda", 0)
    assert x.device == torch.device("cuda:0")
    assert x.device != torch.device("cpu")
    assert x.device.type == torch.device("cuda").type


@pytest.mark.usefixtures("names")
def test_device_contexts_and_default_devices_are_accepted() -> None:
    with torch.device("cuda"):
        assert claims_cuda(torch.empty(2))
    with torch.cuda.device(0), torch.cuda.stream(torch.cuda.current_stream()):
        torch.cuda.synchronize()


def test_real_modules_move_and_keep_their_parameters() -> None:
    with CudaNames(TARGET):
        layer = torch.nn.Linear(3, 3)
        weight = layer.weight
        assert layer.cuda().to("cuda").weight is weight
        assert claims_cuda(weight)


@pytest.mark.usefixtures("names")
def test_autocast_for_cuda_casts() -> None:
    x = torch.empty(4, 4, device="cuda")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16


def test_the_target_is_reported() -> None:
    with CudaNames(TARGET):
        assert torch.cuda.is_available()
        assert torch.cuda.get_device_capability() == (8, 9)
        assert torch.cuda.get_device_properties("cuda").multi_processor_count == 128
        assert "4090" in torch.cuda.get_device_name(0)


def test_nothing_stays_behind() -> None:
    with CudaNames(TARGET):
        pass
    assert torch.empty(2).device.type == "cpu"
    assert not torch.empty(2).is_cuda
    assert torch.cuda.get_device_properties.__module__ == "torch.cuda"
