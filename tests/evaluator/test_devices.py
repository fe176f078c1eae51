from dataclasses import replace
from pathlib import Path

import pytest

from evaluator.catalog import load_gpus
from evaluator.devices import (
    Device,
    choose,
    detect,
    device_nodes,
    driver_libraries,
    driver_paths,
    library_folders,
    match,
    visible,
)
from evaluator.errors import UsageError

GPUS = load_gpus(Path(__file__).parents[2] / "conf")


def device(name: str, capability: str = "8.9", index: int = 0, sms: int | None = None) -> Device:
    return Device(
        index=index,
        name=name,
        uuid=f"GPU-{index}{index}aa-{abs(hash(name)) % 1000:03}",
        compute_capability=capability,
        memory_gb=24.0,
        nodes=(),
        driver="580.65.06",
        sms=sms,
        bandwidth_gb_s=500.0,
    )


RTX4090 = device("NVIDIA GeForce RTX 4090")
H100 = device("NVIDIA H100 80GB HBM3", "9.0", index=1)


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [
        ("NVIDIA GeForce RTX 4090", "8.9", "rtx4090"),
        ("NVIDIA GeForce RTX 4090 D", "8.9", "rtx4090d"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "8.9", None),
        ("NVIDIA GeForce RTX 4080", "8.9", None),
        ("NVIDIA H100 80GB HBM3", "9.0", "h100"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "9.0", None),
        ("NVIDIA H100 PCIe", "9.0", None),
        ("NVIDIA H100 NVL", "9.0", None),
        ("NVIDIA H200", "9.0", "h200"),
        ("NVIDIA H200 NVL", "9.0", None),
        ("NVIDIA GH200 480GB", "9.0", None),
        ("NVIDIA A100-SXM4-40GB", "8.0", "a100_40"),
        ("NVIDIA A100-PCIE-40GB", "8.0", "a100_40"),
        ("NVIDIA A100-SXM4-80GB", "8.0", "a100_80"),
        ("NVIDIA A100 80GB PCIe", "8.0", None),
        ("NVIDIA L4", "8.9", "l4"),
        ("NVIDIA L40", "8.9", None),
        ("NVIDIA L40S", "8.9", "l40s"),
        ("NVIDIA A10", "8.6", None),
        ("NVIDIA A10G", "8.6", "a10g"),
        ("NVIDIA GeForce RTX 5090", "12.0", "rtx5090"),
        ("NVIDIA B200", "10.0", "b200"),
        ("NVIDIA GeForce RTX 4090", "9.0", None),
    ],
)
def test_a_device_is_matched_by_whole_words_and_the_longest_name(
    name: str, capability: str, expected: str | None
) -> None:
    found = match(device(name, capability), GPUS)
    assert (found.name if found else None) == expected


def test_auto_takes_the_first_device_present() -> None:
    target = choose("auto", GPUS, (H100, RTX4090), "auto")
    assert (target.gpu.name, target.device, target.note) == ("h100", H100, "")


def test_auto_prefers_a_described_gpu_to_a_display_card_before_it() -> None:
    target = choose("auto", GPUS, (device("NVIDIA T400", "7.5"), H100), "auto")
    assert (target.gpu.name, target.device) == ("h100", H100)


def test_auto_without_a_gpu_compiles_for_the_rtx_4090_and_says_so() -> None:
    target = choose("auto", GPUS, (), "auto")
    assert (target.gpu.name, target.device) == ("rtx4090", None)
    assert "RTX 4090" in target.note


def test_a_configured_target_takes_its_own_device_among_several() -> None:
    second = replace(H100, index=2, uuid="GPU-other")
    assert choose("h100", GPUS, (RTX4090, H100, second), "auto").device == H100


def test_a_configured_target_that_is_not_here_is_refused_with_both_names_and_remedies() -> None:
    with pytest.raises(UsageError) as failure:
        choose("rtx4090", GPUS, (H100,), "auto")
    assert "NVIDIA GeForce RTX 4090" in failure.value.problem
    assert "NVIDIA H100 80GB HBM3" in failure.value.problem
    assert "gpu=auto" in failure.value.remedy
    assert "evaluator.device=none" in failure.value.remedy


def test_a_target_can_be_compiled_for_without_its_device() -> None:
    assert choose("rtx4090", GPUS, (H100,), "none").device is None
    assert choose("h100", GPUS, (), "auto").device is None
    here = choose("auto", GPUS, (H100,), "none")
    assert (here.gpu.name, here.device) == ("h100", None)


def test_an_unknown_target_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="'rtx4091'") as failure:
        choose("rtx4091", GPUS, (), "auto")
    assert "Did you mean rtx4090" in failure.value.remedy
    assert "auto" in failure.value.remedy


def test_an_undescribed_device_borrows_from_its_architecture_and_says_so() -> None:
    laptop = device("NVIDIA GeForce RTX 4090 Laptop GPU", sms=76)
    target = choose("auto", GPUS, (laptop,), "auto")
    assert target.device == laptop
    assert target.gpu.name == "nvidia_geforce_rtx_4090_laptop_gpu"
    assert (target.gpu.sms, target.gpu.bandwidth_gb_s, target.gpu.compute_capability) == (76, 500.0, "8.9")
    nearest = next(gpu for gpu in GPUS if gpu.name == "l4")  # 58 SMs: nearer to 76 than 114 are
    assert target.gpu.fp32_tflops == pytest.approx(nearest.fp32_tflops * 76 / 58)
    assert target.gpu.shared_per_block_bytes == nearest.shared_per_block_bytes
    assert "not described" in target.note
    assert nearest.title in target.note
    assert match(laptop, (target.gpu,)) is None or match(laptop, (target.gpu,)) == target.gpu


def test_a_device_like_no_known_one_is_refused() -> None:
    with pytest.raises(UsageError, match="Tesla T4") as failure:
        choose("auto", GPUS, (device("Tesla T4", "7.5"),), "auto")
    assert "conf/gpu" in failure.value.remedy


def test_a_card_with_fewer_units_than_its_name_promises_is_scaled() -> None:
    target = choose("h100", GPUS, (replace(H100, sms=66),), "auto")
    assert (target.gpu.sms, target.gpu.tf32_tflops) == (66, pytest.approx(247.5))
    assert "66 SMs, not 132" in target.note


def test_cuda_visible_devices_chooses_orders_and_ends_at_the_first_wrong_entry() -> None:
    both = (RTX4090, H100)
    assert visible(both, None) == both
    assert visible(both, "1,0") == (H100, RTX4090)
    assert visible(both, " 1 ") == (H100,)
    assert visible(both, H100.uuid[:8]) == (H100,)
    assert visible(both, "0,7,1") == (RTX4090,)
    assert visible(both, "GPU-") == ()  # the beginning of both
    for nothing in ("", "-1", "none", "7"):
        assert visible(both, nothing) == ()


def test_nodes_are_those_that_exist(tmp_path: Path) -> None:
    assert device_nodes(3, tmp_path) == ()
    (tmp_path / "dxg").touch()
    assert device_nodes(3, tmp_path) == (tmp_path / "dxg",)
    for name in ("nvidiactl", "nvidia-uvm", "nvidia3", "nvidia0"):
        (tmp_path / name).touch()
    assert device_nodes(3, tmp_path) == tuple(tmp_path / name for name in ("nvidiactl", "nvidia-uvm", "nvidia3"))


def test_the_drivers_libraries_are_picked_from_the_loaders_cache() -> None:
    listing = (
        "4 libs found in cache `/etc/ld.so.cache'\n"
        "\tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1\n"
        "\tlibcuda.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libcuda.so.1\n"
        "\tlibcuda.so.1 (libc6) => /lib/i386-linux-gnu/libcuda.so.1\n"
        "\tlibnvidia-ptxjitcompiler.so.1 (libc6,x86-64) => /usr/lib64/libnvidia-ptxjitcompiler.so.1\n"
        "\tlibcudart.so.13 (libc6,x86-64) => /usr/local/cuda/lib64/libcudart.so.13\n"
    )
    assert driver_libraries(listing) == (
        Path("/lib/x86_64-linux-gnu/libcuda.so.1"),
        Path("/usr/lib64/libnvidia-ptxjitcompiler.so.1"),
    )
    assert driver_libraries("") == ()


def test_a_driver_in_the_search_path_is_found_with_what_its_link_means(tmp_path: Path) -> None:
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64" / "libcuda.so.580").touch()
    (tmp_path / "lib64" / "libcuda.so.1").symlink_to("libcuda.so.580")
    (tmp_path / "empty").mkdir()
    paths = driver_paths({"LD_LIBRARY_PATH": f"{tmp_path / 'empty'}::{tmp_path / 'lib64'}"})
    assert tmp_path / "lib64" in paths
    assert tmp_path / "empty" not in paths
    assert tmp_path / "lib64" in library_folders(paths)


DRIVER = Path("/dev/nvidiactl").exists()


@pytest.mark.skipif(DRIVER, reason="this machine has an NVIDIA driver")
def test_a_machine_without_a_driver_has_no_devices() -> None:
    assert detect() == ()


@pytest.mark.gpu
@pytest.mark.skipif(not DRIVER, reason="no NVIDIA GPU on this machine")
def test_the_devices_of_this_machine() -> None:
    devices = detect({})
    assert devices
    for found in devices:
        assert found.uuid.startswith("GPU-")
        assert found.nodes
        assert found.sms
        assert found.sms > 0
        assert found.driver
        assert choose("auto", GPUS, (found,), "auto").gpu.compute_capability == found.compute_capability
    assert any(path.name == "libcuda.so.1" or path.is_dir() for path in driver_paths())
    assert detect({"CUDA_VISIBLE_DEVICES": ""}) == ()
