"""A real PostgreSQL server of the tests' own, from the machine's binaries, on a socket in a folder of its own."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALLED = Path("/usr/lib/postgresql")  # where Debian keeps the binaries, by version
_OPTIONS = "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=40"


class Server:
    """A running server. Every database of it is for one test."""

    def __init__(self, binaries: Path, folder: Path, user: pwd.struct_passwd) -> None:
        self._binaries = binaries
        self.folder = folder
        self._user = user

    def create_database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.run("createdb", "-h", str(self.folder), name)
        return f"postgresql://{self._user.pw_name}@/{name}?host={self.folder}"

    def run(self, program: str, *words: str) -> str:
        """What one of PostgreSQL's programs prints, run by the server's user."""
        started = self.start(str(self._binaries / program), *words)
        said, _ = started.communicate(timeout=120)
        assert started.returncode == 0, f"{program}: {said}"
        return said

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """A process of the server's user, with a pipe to it and one from it."""
        switch = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **switch,  # type: ignore[arg-type]
        )


def binaries() -> Path | None:
    """The folder of initdb, pg_ctl and the others, of the newest version; None if PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    versions = sorted(INSTALLED.glob("*/bin"), key=lambda path: float(path.parent.name))
    complete = [path for path in (*found, *reversed(versions)) if (path / "pg_ctl").exists()]
    return complete[0] if complete else None


@contextmanager
def running(folder_of_binaries: Path) -> Iterator[Server]:
    """A server for as long as the block lasts. Root may not run one: then it belongs to an unprivileged user.

    A keeper stops it and removes its folder when this process lets go of a pipe, as it does however it ends.
    """
    user = _unprivileged() if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(tempfile.mkdtemp(prefix="harness-pg-", dir="/tmp"))  # the path of a socket has to be short
    os.chown(folder, user.pw_uid, user.pw_gid)
    server = Server(folder_of_binaries, folder, user)
    keeper = server.start(
        "sh", "-c", f"read -r _; {folder_of_binaries}/pg_ctl -D data -m immediate stop; rm -rf {folder}"
    )
    try:
        server.run("initdb", "-D", "data", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions")
        server.run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", f"{_OPTIONS} -k {folder}", "start")
        yield server
    finally:
        keeper.communicate(timeout=120)


def _unprivileged() -> pwd.struct_passwd:
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
