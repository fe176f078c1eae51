"""Runs one program in a sandbox and prints what came of it as JSON: a script, so that tests can start it as any user.

Reads {"argv", "spec", "timeout_s", "lend"} from stdin. With `lend`, the program is lent a memory file and one end of a
socket; their numbers replace {memory} and {socket} in argv. {python} is this interpreter.
"""

import json
import os
import socket
import sys
from pathlib import Path

from evaluator.errors import MachineError
from evaluator.sandbox import Spec, probe, spawn


def main() -> None:
    asked = json.load(sys.stdin)
    try:
        answer = run(asked)
    except MachineError as error:
        answer = {"problem": error.problem, "remedy": error.remedy}
    json.dump(answer, sys.stdout)


def run(asked: dict) -> dict:
    memory = os.memfd_create("lent")
    os.write(memory, b"question")
    ours, theirs = socket.socketpair()
    names = {"{python}": sys.executable, "{memory}": str(memory), "{socket}": str(theirs.fileno())}
    paths = {name: tuple(map(Path, asked["spec"].get(name, ()))) for name in ("read_only", "devices")}
    spec = Spec(
        tuple(names.get(word, word) for word in asked["argv"]),
        fds=(memory, theirs.fileno()) if asked["lend"] else (),
        **asked["spec"] | paths,
    )
    with spawn(spec) as process:
        theirs.close()
        code = process.wait(asked["timeout_s"])
        process.kill()
        ours.setblocking(False)
        return {
            "code": code,
            "output": process.output(),
            "killed_for": process.killed_for,
            "layers": probe(spec.form).names,
            "missing": [name for name, _ in probe(spec.form).missing],
            "reply": ours.recv(64).decode() if asked["lend"] else "",
            "memory": os.pread(memory, 64, 0).decode(),
        }


if __name__ == "__main__":
    main()
