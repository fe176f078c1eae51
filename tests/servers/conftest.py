"""Two servers of other people, each in an environment of its own: `make test-servers` installs them and runs these."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import pytest

HERE = Path(__file__).parent
STARTS_S = 300.0  # importing LiteLLM alone takes half a minute on a slow machine
KEY = "sk-test-servers-4f1d9b62c0a84e"


def installed(name: str) -> Path:
    """The environment that holds a server; skips the test where there is none."""
    folder = Path(os.environ.get("HARNESS_SERVERS", ".servers")).absolute() / name
    if not (folder / "bin" / "python").exists():
        pytest.skip(f"{folder} holds no server: make test-servers installs it")
    return folder / "bin"


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], health: str, log: Path) -> Iterator[None]:
    """The process, for as long as the block lasts, once it answers at `health`."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]})
        try:
            deadline = time.monotonic() + STARTS_S
            while not _answers(health):
                assert process.poll() is None, log.read_text(errors="replace")[-4000:]
                assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
                time.sleep(0.5)
            yield
        finally:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of LiteLLM's proxy, which answers by itself: no model stands behind it."""
    binaries, port = installed("litellm"), free_port()
    config = tmp_path_factory.mktemp("litellm") / "config.yaml"
    config.write_text((HERE / "litellm.yaml").read_text().replace("KEY", KEY))
    command = [str(binaries / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with serving(command, f"http://127.0.0.1:{port}/health/liveliness", config.with_name("log")):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of llama.cpp's own server with a very small model, whose text is noise."""
    binaries, port = installed("llama"), free_port()
    folder = tmp_path_factory.mktemp("llama")
    command = [str(binaries / "python"), str(HERE / "llama_cpp.py"), str(port), str(folder)]
    with serving(command, f"http://127.0.0.1:{port}/health", folder / "log"):
        yield f"http://127.0.0.1:{port}/v1"
