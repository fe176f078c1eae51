"""From words on the command line to typed settings. The only module that touches Hydra and OmegaConf.

`run` is a Hydra application (`run_application`); the other commands compose the same configuration (`load`), and those
that only read the store need neither (`load_store`), because they have to answer at once.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluator.errors import HarnessError, StoreError, UsageError
from harness import overrides as words
from harness.places import CONF, StoreSettings, place_store

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from harness.settings import Settings

APPLICATION = CONF / "run"  # what Hydra searches; tasks, GPUs and stages are no groups of it
DEFAULT_ROOT = "runs"
_PLACES = {"store.root", "store.url"}


def groups() -> dict[str, list[str]]:
    """Hydra's groups of the application -> their options."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(APPLICATION.iterdir())
        if folder.is_dir() and folder.name != "hydra"
    }


def check(overrides: Sequence[str]) -> None:
    """Refuse keys and passwords, unknown settings and unknown options of groups, with a suggestion.

    Raises:
        UsageError: what is wrong, and the nearest thing that exists.
    """
    words.refuse_secrets(overrides)
    if set(words.keys(overrides)) <= _PLACES:
        return  # settings of their own are all that many commands are given, and typed ones take long to import
    from harness.resolution import known_keys

    words.refuse_unknown(overrides, known_keys(), groups())


def load_store(overrides: Sequence[str] = ()) -> StoreSettings:
    """Where results are, from `store.root=` and `store.url=` or the environment. Imports no Hydra.

    Raises:
        UsageError: an override of anything else that does not exist.
    """
    check(overrides)
    _fill_environment()
    given = {key: value.strip("'\"") for key, value in words.keys(overrides).items()}
    root = given.get("store.root", os.environ["HARNESS_HOME"])
    return place_store(root, given.get("store.url", os.environ["HARNESS_STORE_URL"]))


def _fill_environment() -> None:
    """Defaults that conf/run/run.yaml reads from the environment, where the person set none."""
    if not os.environ.get("HARNESS_HOME"):
        os.environ["HARNESS_HOME"] = DEFAULT_ROOT
    os.environ.setdefault("HARNESS_STORE_URL", "")


def load(overrides: Sequence[str] = ()) -> "Settings":
    """Settings for a command that is no Hydra application.

    Raises:
        UsageError: an unknown key, name or path, or a value that does not fit.
        MachineError: the target GPU can't be had.
    """
    from hydra import compose, initialize_config_dir

    check(overrides)
    _fill_environment()
    with _HydraErrors(), initialize_config_dir(str(APPLICATION), version_base="1.3"):
        config = compose("run", overrides=words.write_plainly(overrides))
    return resolve(config)


def run_application(arguments: Sequence[str], job: "Callable[[Callable[[], Settings]], int]") -> int:
    """Be a Hydra application over these arguments (overrides and Hydra's own flags).

    Args:
        arguments: what follows `harness run`.
        job: called once for each run, with a function that gives its settings; returns an exit code, raises nothing
            but KeyboardInterrupt.

    Returns:
        The worst exit code of all runs; 0 if Hydra had something else to do (`--cfg job`, `--help`).

    Raises:
        UsageError: the overrides can't be used.
        SystemExit: from Hydra's parser of flags.
    """
    sweep = any(flag in ("-m", "--multirun", "hydra.mode=MULTIRUN") for flag in arguments)
    check(arguments)
    _fill_environment()
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        # Hydra drops what a job returns, and a launcher may run jobs in other processes: a file reaches us anyway.
        codes = Path(folder) / "exit_codes"

        def application(config: "DictConfig") -> None:
            sys.argv = called  # what the person typed, for whoever repeats it
            code = job(lambda: resolve(config))
            with codes.open("a", encoding="utf-8") as file:
                file.write(f"{code}\n")

        called = sys.argv
        _be_hydra("harness run", words.write_plainly(arguments, sweep), application)
        return max((int(line) for line in codes.read_text().split()), default=0) if codes.exists() else 0


def complete(arguments: Sequence[str]) -> None:
    """Let Hydra answer its flag for shell completion (`-sc install=bash`, `-sc query=bash`)."""
    _fill_environment()
    _be_hydra("harness", arguments, lambda config: None)


def _be_hydra(program: str, arguments: Sequence[str], application: "Callable[[DictConfig], None]") -> None:
    import hydra

    sys.argv = [program, *arguments]
    with _HydraErrors():
        hydra.main(version_base="1.3", config_path=str(APPLICATION), config_name="run")(application)()


class _HydraErrors:
    """Turns what Hydra, OmegaConf and the making of Hydra's output folder raise into errors for people."""

    def __enter__(self) -> None:
        os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions through instead of printing them and exiting with 1
        warnings.filterwarnings("ignore", module="hydra")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        if isinstance(error, HarnessError):
            return
        if isinstance(error, (HydraException, OmegaConfBaseException)):
            raise _in_words(error) from error
        if isinstance(error, OSError):
            raise StoreError(
                f"The store can't be written: {error.strerror or error} ({error.filename or 'no file'}).",
                "Make room or name another folder with store.root=PATH (or HARNESS_HOME).",
            ) from error


def _in_words(error: Exception) -> UsageError:
    word = getattr(error, "override", "")
    if word and "=" not in word:
        return UsageError(f"'{word}' is not KEY=VALUE.", "Settings are written like stage=finetune; see --help.")
    firsts = [str(each).strip().partition("\n")[0].rstrip(".") for each in (error, error.__cause__) if each]
    said = ": ".join(dict.fromkeys(line for line in firsts if line))
    return UsageError(
        f"{word or 'The configuration'} can't be read: {said or type(error).__name__}.",
        "harness run --help lists all settings; harness run --cfg job shows what they are now.",
    )


def resolve(config: "DictConfig") -> "Settings":
    """Typed settings from a composed configuration: names become tasks, GPUs and stages, and the GPU is looked for.

    Raises:
        UsageError: an unknown name, a value that does not fit, a target GPU that is not the one present.
    """
    from omegaconf import OmegaConf

    from harness.resolution import assemble

    with _HydraErrors():
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return assemble({str(key): value for key, value in plain.items() if key != "hydra"})
