"""The tasks, target GPUs and tolerance policies of a configuration folder, and any reference file by its path.

    conf/task/NAME.yaml          policies of a bundled task; names its two sources relative to itself
    conf/task/reference/NAME.py  the reference, in the KernelBench file convention
    conf/task/start/NAME.py      a correct candidate to start from
    conf/gpu/NAME.yaml           one target GPU
    conf/tolerance/NAME.yaml     one tolerance policy

References are read and parsed, never imported: whoever asks for a task needs no torch.
"""

import ast
import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from evaluator import shrink
from evaluator.errors import UsageError
from evaluator.gpus import Gpu
from evaluator.tasks import Category, Precision, Task, Tolerance

CONVENTION = ("Model", "get_inputs", "get_init_inputs")
DEFAULT_TOLERANCE = "standard"
_AUTO = "auto"  # a group option that stands for the device present, not a GPU

_Entry = TypeVar("_Entry", bound=BaseModel)


class TaskFile(BaseModel):
    """What conf/task/NAME.yaml says. `reference` and `start` are paths relative to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    category: Category
    tolerance: str = DEFAULT_TOLERANCE
    precision: Precision = Precision()
    weights: Literal["static", "mutable"] = "static"
    torch_ops: tuple[str, ...] = ()
    aliasing: Literal["forbidden", "allowed"] = "forbidden"
    reference: Path
    start: Path | None = None
    small: dict[str, int] = {}
    vary: dict[str, tuple[int, ...]] = {}


def task_names(conf_dir: Path) -> tuple[str, ...]:
    """Names of the bundled tasks, sorted."""
    return _names(conf_dir / "task")


def tolerance_names(conf_dir: Path) -> tuple[str, ...]:
    """Names of the tolerance policies, sorted."""
    return _names(conf_dir / "tolerance")


def load_task(
    name_or_path: str,
    conf_dir: Path,
    tolerance: str | None = None,
    category: Category | None = None,
    start: Path | None = None,
) -> Task:
    """A bundled task by its name, or the task that a reference file makes.

    What has an ending .py or a folder in it is a path, relative to the current directory; so is a bare word that is
    no bundled task and exists as a file. `tolerance`, `category` and `start` override what the task says; a reference
    file by itself says nothing, and gets the standard tolerance, `fusion`, any torch operator and no starting
    candidate.

    Raises:
        UsageError: no such task or file; a file that is no reference; an unknown tolerance policy.
    """
    path = Path(name_or_path).expanduser()
    bundled = task_names(conf_dir)
    if name_or_path in bundled:
        task = _bundled_task(name_or_path, conf_dir, tolerance)
    elif path.suffix == ".py" or len(path.parts) > 1 or path.exists():
        task = Task(
            name=path.stem,
            title=path.stem,
            reference=read_reference(path),
            path=path.resolve(),
            tolerance=load_tolerance(tolerance or DEFAULT_TOLERANCE, conf_dir),
            torch_ops=("any",),  # nobody said which part of the work is torch's: told on the row, not forbidden
        )
    else:
        raise unknown("task", name_or_path, bundled, "or give the path of a reference file: task=path/to/file.py")
    changes: dict[str, Any] = {}
    if category is not None:
        changes["category"] = category
    if start is not None:
        changes["start"] = _read_source(start, "starting candidate")
    return task.model_copy(update=changes)


def load_tolerance(name: str, conf_dir: Path) -> Tolerance:
    """The tolerance policy called `name`.

    Raises:
        UsageError: there is none, or its file is wrong.
    """
    if name not in tolerance_names(conf_dir):
        raise unknown("tolerance policy", name, tolerance_names(conf_dir))
    policy = _entry(conf_dir / "tolerance" / f"{name}.yaml", Tolerance)
    _check_name(policy.name, conf_dir / "tolerance" / f"{name}.yaml")
    return policy


def load_gpus(conf_dir: Path) -> tuple[Gpu, ...]:
    """All target GPUs, sorted by name.

    Raises:
        UsageError: a file is wrong.
    """
    gpus = []
    for name in _names(conf_dir / "gpu"):
        if name != _AUTO:
            gpus.append(_entry(conf_dir / "gpu" / f"{name}.yaml", Gpu))
            _check_name(gpus[-1].name, conf_dir / "gpu" / f"{name}.yaml")
    return tuple(gpus)


def read_reference(path: Path) -> str:
    """The text of a reference file, checked to be one by its syntax tree.

    Raises:
        UsageError: it can't be read, is not Python in UTF-8, or lacks a name of the convention.
    """
    source = _read_source(path, "reference")
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "an unknown line"
        raise UsageError(
            f"the reference {path} is not valid Python: {where}: {error.msg}",
            "Correct the file; `python -m py_compile FILE` shows the place.",
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"the reference {path} can't be parsed: {error}", "Is it a Python source file?") from error
    defined = set(_defined(tree.body))
    missing = [name for name in CONVENTION if name not in defined]
    if missing:
        raise UsageError(
            f"the reference {path} does not define {', '.join(missing)}",
            "A reference has a class Model(nn.Module), get_inputs() that lists the arguments of forward, and "
            "get_init_inputs() that lists those of Model.",
        )
    return source


def unknown(kind: str, name: str, known: Iterable[str], remedy: str = "") -> UsageError:
    """The error for a name that nothing has: suggests the nearest and lists the rest."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    suggestion = f"Did you mean {near[0]}? " if near else ""
    listing = f"There are: {', '.join(names)}" if names else f"There is no {kind} at all"
    return UsageError(f"there is no {kind} called {name!r}", f"{suggestion}{listing}{f'; {remedy}' if remedy else ''}.")


def _bundled_task(name: str, conf_dir: Path, tolerance: str | None) -> Task:
    file = conf_dir / "task" / f"{name}.yaml"
    entry = _entry(file, TaskFile)
    reference = file.parent / entry.reference
    source = read_reference(reference)
    for field, names in (("small", entry.small), ("vary", entry.vary)):
        if unknown_sizes := set(names) - set(shrink.integers(source)):
            raise UsageError(
                f"{file}: {field} names {', '.join(sorted(unknown_sizes))}, which {reference.name} does not have",
                "Name integers that the reference writes at module level, or in get_inputs.",
            )
    return Task(
        name=name,
        title=entry.title,
        reference=source,
        path=reference,
        category=entry.category,
        small=entry.small,
        vary=entry.vary,
        tolerance=load_tolerance(tolerance or entry.tolerance, conf_dir),
        precision=entry.precision,
        weights=entry.weights,
        torch_ops=entry.torch_ops,
        aliasing=entry.aliasing,
        start=_read_source(file.parent / entry.start, "starting candidate") if entry.start else "",
    )


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def _check_name(name: str, path: Path) -> None:
    if name != path.stem:
        raise UsageError(f"{path}: the name inside is {name!r}", f"Make it {path.stem!r}, as the file is called.")


def _entry(path: Path, kind: type[_Entry]) -> _Entry:
    """One YAML file as a value of `kind`."""
    try:
        return kind.model_validate(yaml.safe_load(_read_source(path, "configuration file")))
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {error}", "Correct the file.") from error
    except ValidationError as error:
        raise _wrong(path, error) from error


def _wrong(path: Path, error: ValidationError) -> UsageError:
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}" for fault in error.errors()
    ]
    return UsageError(f"{path}: {'; '.join(faults)}", "Correct the file, or compare it with another one beside it.")


def _read_source(path: Path, kind: str) -> str:
    """The text of a file, without a byte order mark."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory, not a {kind}", "Give the path of a file.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        remedy = "Check the path; it is relative to where you are."
        raise UsageError(f"the {kind} {path} does not exist", remedy) from error
    except OSError as error:
        raise UsageError(f"the {kind} {path} can't be read: {error.strerror}", "Check its permissions.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the {kind} {path} is not UTF-8 text: byte {error.start} can't be decoded", "Save it as UTF-8."
        ) from error


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements of a module bind, those under `if`, `try` and `with` included."""
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=inner, orelse=other):
                yield from _defined(inner + other)
            case ast.Try(body=inner, handlers=handlers, orelse=other, finalbody=final):
                rescued = [line for handler in handlers for line in handler.body]
                yield from _defined(inner + rescued + other + final)
            case ast.With(body=inner):
                yield from _defined(inner)
