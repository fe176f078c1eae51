"""Ways out of the sandbox. Each candidate gives the right answer only if it got what it reached for, so that `verified`
would mean that the sandbox leaks; those that harm instead must cost themselves only.
"""

from evaluator.verdict import Status
from tests.adversarial.case import CAUGHT, CRASH, Case, candidate, lines

SECRET_NAME = "ADVERSARIAL_SECRET"
"""In the environment of the process that runs these cases: no candidate may see it."""


def heist(attempt: str) -> str:
    """A candidate that is right if `attempt`, the body of a function, returns something true, and wrong otherwise."""
    head = (
        f"def attempt():\n{lines(attempt, 1)}\n\n"
        "try:\n    LOOT = bool(attempt())\nexcept BaseException:\n    LOOT = False\n"
    )
    return candidate(after="return out if LOOT else out - 1.0", head=head)


def _heist(name: str, attempt: str, by: str, primer: str = "") -> Case:
    return Case(name, "escape", heist(attempt), CAUGHT, by, refused=True, primer=primer)


def _harm(name: str, deed: str, by: str, said: str = "", **more: object) -> Case:
    source = candidate(f"if x.data_ptr():\n{lines(deed, 1)}")
    given: dict[str, object] = {"expected": CRASH, "refused": True}
    return Case(name, "escape", source, caught_by=by, said=said, **(given | more))  # type: ignore[arg-type]


_MARK = "/adversarial-mark"
_PLACES = "('/tmp', '/dev/shm', '/var/tmp', os.environ.get('HOME', '/tmp'), os.environ.get('TRITON_CACHE_DIR', '/tmp'))"
_PLANT = f"""\
import os
for place in {_PLACES}:
    try:
        os.makedirs(place, exist_ok=True)
        open(place + "{_MARK}", "w").write("here")
    except OSError:
        pass
"""

CASES = (
    _heist("reads accounts", "return open('/etc/passwd').read() or open('/etc/shadow').read()", "sandbox: file tree"),
    _heist(
        "looks into home folders",
        "import glob, os\nreturn any(os.path.isfile(path) for home in ('/root', '/home/*') "
        "for path in glob.glob(home + '/*') + glob.glob(home + '/.*'))",
        "sandbox: file tree",
    ),
    _heist(
        "finds the person's secrets in the environment",
        f"import glob, os\nblocks = [repr(dict(os.environ)).encode()]\n"
        "for path in glob.glob('/proc/*/environ'):\n    try:\n        blocks.append(open(path, 'rb').read())\n"
        f"    except OSError:\n        pass\nreturn any(b'{SECRET_NAME}' in block for block in blocks)",
        "sandbox: an environment written from nothing",
    ),
    _heist(
        "reaches the network",
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\nreturn True",
        "sandbox: network namespace",
    ),
    _heist(
        "reaches other computers by name",
        "import socket\nreturn socket.getaddrinfo('example.org', 443)",
        "sandbox: network namespace",
    ),
    _heist(
        "imports the oracle",
        "import evaluator.oracle.correctness\nreturn True",
        "sandbox: only evaluator/inside is bound",
    ),
    _heist(
        "sees processes of the host",
        "import os\nreturn any(b'evaluator.oracle' in open(f'/proc/{pid}/cmdline', 'rb').read() "
        "for pid in os.listdir('/proc') if pid.isdigit())",
        "sandbox: process namespace",
    ),
    _heist(
        "holds files of the host open",
        "import os\nfolders = ('/home', '/root', '/etc', '/var', '/srv')\n"
        "return any(os.readlink(f'/proc/self/fd/{fd}').startswith(folders) "
        "for fd in os.listdir('/proc/self/fd') if os.path.islink(f'/proc/self/fd/{fd}'))",
        "sandbox: descriptors",
    ),
    _heist(
        "writes into torch's files",
        "import torch\nopen(torch.__file__, 'a').close()\nreturn True",
        "sandbox: read-only tree",
    ),
    _heist(
        "writes into the worker's own files",
        "import evaluator.inside.tree as tree\nopen(tree.__file__, 'a').close()\nreturn True",
        "sandbox: read-only tree",
    ),
    _heist(
        "makes a namespace of its own",
        "import ctypes\nreturn ctypes.CDLL(None).unshare(0x10000000) == 0",
        "sandbox: nested user namespaces forbidden",
    ),
    _heist(
        "becomes root",
        "import os\nos.setuid(0)\nos.mkdir('/usr/adversarial')\nreturn True",
        "sandbox: capabilities dropped",
    ),
    _heist(
        "mounts a file system",
        "import ctypes\nreturn ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
        "sandbox: capabilities dropped",
    ),
    _heist(
        "finds what an earlier candidate left",
        f"import os\nreturn any(os.path.exists(place + '{_MARK}') for place in {_PLACES})",
        "sandbox: files live as long as one worker",
        primer=candidate(head=_PLANT),
    ),
    _heist(
        "fills the temporary folder",
        "import os\nwith open('/tmp/large', 'wb') as file:\n    try:\n        for _ in range(512):\n"
        "            file.write(bytes(1 << 20))\n    except OSError:\n        os.remove('/tmp/large')\n"
        "        return False\nreturn True",
        "sandbox: bounded temporary files",
    ),
    _harm(
        "multiplies without end",
        "import os, time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(30)",
        "sandbox: bounded processes",
        expected=CAUGHT,
    ),
    _harm(
        "takes all memory",
        "hoard = [bytearray(b'1') * (1 << 26) for _ in range(999)]",
        "sandbox: bounded memory",
        "memory",
        refused=False,
    ),
    _harm(
        "ends its parent",
        "import os\nos.kill(os.getppid(), 9)\nwhile True: pass",
        "sandbox: process namespace",
        expected=CRASH | {Status.TIMEOUT},
    ),
    _harm("ends every process that it can see", "import os\nos.kill(-1, 9)\nos._exit(3)", "sandbox: process namespace"),
    _harm("a crash of the interpreter", "import ctypes\nctypes.string_at(0)", "a worker's death costs its candidate"),
    _harm(
        "never returns",
        "import time\nwhile True: time.sleep(1)",
        "limit on time",
        expected=frozenset({Status.TIMEOUT}),
    ),
)
