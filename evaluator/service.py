"""The evaluator as its caller sees it: an oracle process that is started when needed and asked over a socket.

The caller's process imports neither torch nor triton and never touches what a candidate made but through the oracle.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import evaluator
from evaluator import errors
from evaluator.devices import Device, detect
from evaluator.errors import HarnessError, MachineError, OracleError
from evaluator.generation import Generation
from evaluator.gpus import Gpu
from evaluator.inside.wire import Channel, Message, WireError
from evaluator.redteam.weakness import Weakness
from evaluator.request import EvaluatorSettings, Request
from evaluator.tasks import Task
from evaluator.verdict import Profile, Status, Verdict
from evaluator.work import Ceilings

Progress = Callable[[str], None]

PROTOCOL = 13
"""Counted up whenever the same candidate could get another verdict; part of the fingerprint of stored results."""

_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "XDG_CACHE_HOME", "CUDA_HOME", "VIRTUAL_ENV")
_STOP_S = 15.0
_UNFORESEEN_S = 900.0  # baselines and their compilation come on top of a candidate's own limits


class Evaluator:
    """Evaluates candidates on one device, or for one compile target where `device` is empty.

    A verdict always comes back: if the oracle dies or hangs, it is `infra_error`, and the next call starts a new one.
    """

    def __init__(self, settings: EvaluatorSettings, *, device: str, target: Gpu) -> None:
        self._settings = settings
        self._target = target
        self._device = _find(device) if device else None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._log: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def evaluate(self, request: Request, progress: Progress | None = None) -> Verdict:
        """One verdict.

        Raises:
            UsageError: the task's reference does not run.
            MachineError: this machine can't sandbox or has no memory for it.
        """
        message = {"do": "evaluate", "request": request.model_dump_json()}
        try:
            answer = self._ask(message, progress)
        except OracleError as error:
            self.close()
            device = self._device.name if self._device else self._target.unmeasured
            return Verdict(status=Status.INFRA_ERROR, reason=error.problem, task=request.task.name, device=device)
        return Verdict.model_validate_json(answer["verdict"])

    def profile(self, request: Request, metrics: tuple[str, ...]) -> Profile:
        """Profiler metrics of a verified candidate's own kernels; says why where there are none."""
        message = {"do": "profile", "request": request.model_dump_json(), "metrics": metrics}
        try:
            answer = self._ask(message, None)
        except OracleError as error:
            self.close()
            return Profile(source="static", missing=metrics, reason=error.problem)
        return Profile.model_validate_json(answer["profile"])

    def ceilings(self, progress: Progress | None = None) -> Ceilings:
        """What the device reaches, measured now.

        Raises:
            MachineError: there is no device, or its memory is taken.
            OracleError: the oracle died.
        """
        return Ceilings.model_validate_json(self._ask({"do": "ceilings"}, progress)["ceilings"])

    def generate(self, task: Task, progress: Progress | None = None) -> Generation:
        """What torch.compile generates for the task's reference on this device; says why where that is nothing."""
        try:
            answer = self._ask({"do": "generate", "task": task.model_dump_json()}, progress)
        except OracleError as error:
            self.close()
            return Generation(reason=error.problem)
        return Generation.model_validate_json(answer["generation"])

    def lint(self, task: Task) -> tuple[Weakness, ...]:
        """What satisfies a task without doing its work. Runs the reference only.

        Raises:
            UsageError: the task's reference does not run.
            OracleError: the oracle died.
        """
        answer = self._ask({"do": "lint", "task": task.model_dump_json()}, None)
        return tuple(Weakness.model_validate(weakness) for weakness in answer["weaknesses"])

    def warm(self) -> None:
        """Start the oracle and its workers ahead of need."""
        if self._process is None:
            self._start()

    def describe(self) -> dict[str, Any]:
        """`device` (name or empty), `software` (versions), and `fingerprint`: what a verdict is valid for."""
        versions = {name: importlib.metadata.version(name) for name in ("torch", "triton")}
        software = {"python": platform.python_version(), **versions}
        device = self._device.name if self._device else ""
        if self._device:
            software["driver"] = self._device.driver
        parts = [PROTOCOL, device, self._target.model_dump(mode="json"), versions, software.get("driver", "")]
        fingerprint = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return {"device": device, "software": software, "fingerprint": fingerprint}

    def close(self) -> None:
        """End the oracle; its workers end with it."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log is not None:
            self._log.close()
        self._channel = self._process = self._log = None

    def _ask(self, message: Message, progress: Progress | None) -> Message:
        self.warm()
        assert self._channel is not None
        try:
            self._channel.send(message)
            while True:
                answer, _ = self._channel.receive(self._settings.limits.total_s + _UNFORESEEN_S)
                if "progress" not in answer:
                    break
                if progress is not None:
                    progress(str(answer["progress"]))
        except TimeoutError as error:
            assert self._process is not None
            self._process.kill()
            raise OracleError("the oracle did not answer in time and was stopped") from error
        except WireError as error:
            raise OracleError(f"the oracle died: {self._last_words()}") from error
        if "error" in answer:
            raise _rebuild(answer)
        return answer

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the oracle
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "evaluator.oracle", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(theirs.fileno(),),
            env=self._environment(),
            start_new_session=True,  # Ctrl-C is for the orchestrator: it lets what is in flight finish
        )
        theirs.close()
        self._channel = Channel(ours)
        described = dataclasses.asdict(self._device) if self._device else None
        if described:
            described["nodes"] = [str(node) for node in described["nodes"]]
        self._channel.send(
            {
                "settings": self._settings.model_dump(mode="json"),
                "device": described,
                "target": self._target.model_dump(mode="json"),
            }
        )
        try:
            answer, _ = self._channel.receive(self._settings.limits.start_s * 3)
        except (TimeoutError, WireError) as error:
            words = self._last_words()
            self.close()
            raise MachineError(f"the oracle could not start: {words}", "`harness doctor` may say why.") from error
        if "error" in answer:
            self.close()
            raise _rebuild(answer)

    def _environment(self) -> dict[str, str]:
        """Little: a reference file has no business with keys, and Triton must not be in another mode than ours."""
        kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        paths = [str(Path(evaluator.__file__).resolve().parent.parent), *os.environ.get("PYTHONPATH", "").split(":")]
        kept |= {"PYTHONPATH": ":".join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        if self._device is not None:
            kept["CUDA_VISIBLE_DEVICES"] = self._device.uuid
        return kept

    def _last_words(self) -> str:
        if self._log is None:
            return "it said nothing"
        self._log.seek(0)
        lines = self._log.read()[-8000:].decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"


def _find(uuid: str) -> Device:
    for device in detect():
        if device.uuid == uuid:
            return device
    raise MachineError(f"the GPU {uuid} is not there any more", "`harness doctor` shows what is.")


def _rebuild(answer: Message) -> HarnessError:
    """The oracle's exception, of the same class."""
    kind = getattr(errors, str(answer["error"]), OracleError)
    if not (isinstance(kind, type) and issubclass(kind, HarnessError)):
        kind = OracleError
    return kind(str(answer["problem"]), str(answer["remedy"]))
