"""What is said of a machine, on prepared folder trees."""

from pathlib import Path

import pytest

from evaluator.machine import container, forbids_namespaces, is_wsl, wsl_obstacle


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ],
)
def test_a_setting_that_forbids_namespaces_is_named(tmp_path: Path, name: str, value: str, remedy: str) -> None:
    (found,) = forbids_namespaces(tree(tmp_path, {f"proc/sys/{name}": value + "\n"}), as_root=False)
    assert name.replace("/", ".") in found.found
    assert f"sysctl -w {remedy}" in found.remedy
    assert "evaluator.sandbox=landlock" in found.remedy


def test_settings_that_allow_them_are_not(tmp_path: Path) -> None:
    allowing = {
        "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n",
        "proc/sys/kernel/unprivileged_userns_clone": "1\n",
        "proc/sys/user/max_user_namespaces": "96365\n",
        "proc/self/status": "Name:\tpython\nSeccomp:\t0\n",
    }
    assert forbids_namespaces(tree(tmp_path, allowing), as_root=False) == ()


def test_what_concerns_ordinary_users_alone_is_not_said_to_root(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"})
    assert forbids_namespaces(root, as_root=True) == ()
    assert len(forbids_namespaces(root, as_root=False)) == 1


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        (".dockerenv", "", "Docker"),
        ("run/.containerenv", "", "Podman"),
        ("proc/1/cgroup", "0::/kubepods/besteffort/pod1\n", "Kubernetes"),
        ("run/systemd/container", "lxc\n", "lxc"),
    ],
)
def test_a_container_and_its_filter_are_recognised(tmp_path: Path, file: str, text: str, kind: str) -> None:
    root = tree(tmp_path, {file: text, "proc/self/status": "Seccomp:\t2\nSeccomp_filters:\t1\n"})
    assert container(root) == kind
    (found,) = forbids_namespaces(root, as_root=True)
    assert kind in found.found
    assert "--cap-add SYS_ADMIN" in found.remedy
    assert "SYS_ADMIN" not in forbids_namespaces(root, as_root=False)[0].remedy


def test_a_machine_of_its_own_is_no_container(tmp_path: Path) -> None:
    assert container(tree(tmp_path, {"proc/1/cgroup": "0::/init.scope\n"})) == ""


WSL = {"proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@1) #1 SMP\n"}


def test_wsl_with_a_gpu(tmp_path: Path) -> None:
    root = tree(tmp_path, WSL | {"dev/dxg": "", "usr/lib/wsl/lib/libcuda.so.1": ""})
    assert is_wsl(root)
    assert wsl_obstacle(root) is None


def test_wsl_without_a_gpu_or_its_library(tmp_path: Path) -> None:
    root = tree(tmp_path, WSL)
    assert not is_wsl(root)
    obstacle = wsl_obstacle(root)
    assert obstacle is not None
    assert "/dev/dxg" in obstacle.found
    obstacle = wsl_obstacle(tree(tmp_path, {"dev/dxg": ""}))
    assert obstacle is not None
    assert "libcuda.so.1" in obstacle.found


def test_plain_linux_is_no_wsl(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/version": "Linux version 6.8.0-generic\n", "dev/nvidia0": ""})
    assert not is_wsl(root)
    assert wsl_obstacle(root) is None
