"""What is said of a GPU, from recorded answers of drivers."""

from dataclasses import dataclass

import pytest

from evaluator.devices import detect
from evaluator.errors import MachineError
from evaluator.gpu_state import Condition, conditions, cuda_in, open_nvml, require_usable, torch_cuda

DEFAULT, EXCLUSIVE, PROHIBITED = 0, 3, 2


@dataclass(frozen=True)
class Recorded:
    """One machine's answers. Those of an H100 on a server, unless said otherwise."""

    cuda: tuple[int, int] | None = (13, 0)
    mode: int | None = DEFAULT
    display: bool | None = False
    persistence: bool | None = True
    mig: bool | None = False

    def cuda_version(self) -> tuple[int, int] | None:
        return self.cuda

    def compute_mode(self, uuid: str) -> int | None:
        return self.mode

    def drives_display(self, uuid: str) -> bool | None:
        return self.display

    def persists(self, uuid: str) -> bool | None:
        return self.persistence

    def is_partitioned(self, uuid: str) -> bool | None:
        return self.mig


def said(machine: Recorded, wanted: tuple[int, int] | None = (12, 8)) -> tuple[Condition, ...]:
    return conditions(machine, "GPU-1", 2, wanted)


def test_nothing_is_said_of_a_server_in_order() -> None:
    assert said(Recorded()) == ()


def test_nothing_is_made_of_what_a_driver_does_not_tell() -> None:
    assert said(Recorded(None, None, None, None, None)) == ()


@pytest.mark.parametrize("mode", [EXCLUSIVE, PROHIBITED])
def test_an_exclusive_gpu_fails_with_the_administrators_remedy(mode: int) -> None:
    (found,) = said(Recorded(mode=mode))
    assert found.grade == "fail"
    assert "nvidia-smi -i 2 -c 0" in found.remedy
    with pytest.raises(MachineError, match="Nothing can be measured on the H100"):
        require_usable(Recorded(mode=mode), "GPU-1", 2, "H100")


def test_a_display_is_a_warning_that_goes_onto_the_row() -> None:
    (found,) = said(Recorded(display=True))
    assert found.grade == "warn"
    assert require_usable(Recorded(display=True), "GPU-1", 0, "RTX 4090") == (found.found,)


def test_persistence_off_is_advice_and_not_on_the_row() -> None:
    (found,) = said(Recorded(persistence=False))
    assert (found.grade, "-pm 1" in found.remedy) == ("advice", True)
    assert require_usable(Recorded(persistence=False), "GPU-1", 0, "H100") == ()


def test_a_divided_gpu_fails() -> None:
    assert [found.grade for found in said(Recorded(mig=True))] == ["fail"]


@pytest.mark.parametrize(
    ("driver", "torch", "fails"),
    [((12, 4), (13, 0), True), ((12, 4), (12, 8), False), ((13, 0), (12, 8), False), ((12, 4), None, False)],
)
def test_a_driver_older_than_torchs_cuda_fails(
    driver: tuple[int, int], torch: tuple[int, int] | None, fails: bool
) -> None:
    found = said(Recorded(cuda=driver), torch)
    assert bool(found) is fails
    if fails:
        assert "CUDA 12.4" in found[0].found
        assert "CUDA 12 " in found[0].remedy


def test_torchs_cuda_is_read_from_its_file() -> None:
    assert cuda_in("__version__ = '2.13.0'\ncuda: Optional[str] = '13.0'\nhip = None\n") == (13, 0)
    assert cuda_in("cuda = '12.8'\n") == (12, 8)
    assert cuda_in("cuda: Optional[str] = None\nhip: str = '6.2'\n") is None
    torch_cuda()


@pytest.mark.skipif(bool(detect()), reason="this machine has a GPU")
def test_a_machine_without_a_driver_has_no_reader() -> None:
    with open_nvml() as reader:
        assert reader is None


@pytest.mark.gpu
def test_the_driver_of_this_machine_answers() -> None:
    device = detect()[0]
    with open_nvml() as reader:
        assert reader is not None
        assert reader.cuda_version() >= (12, 0)
        assert reader.compute_mode(device.uuid) == DEFAULT
        assert require_usable(reader, device.uuid, device.index, device.name) == () or reader.drives_display(
            device.uuid
        )
