"""What tuning chose, so that it is done once: read it in one worker, and set it in all later ones."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from triton.runtime.autotuner import Autotuner, Config
from triton.runtime.jit import KernelInterface

from evaluator.inside.capture import describe_config, recording


class PinError(Exception):
    """A recorded choice is not among the configurations of this candidate."""


class _Chosen(dict[Any, Config]):
    """An autotuner's cache that knows every key: a recorded one by its text, any other as the first choice."""

    def __init__(self, by_key: dict[str, Config], default: Config) -> None:
        super().__init__()
        self.by_key = by_key
        self._default = default

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: Any) -> Config:
        return self.by_key.get(_text(key), self._default)


def chosen(module: ModuleType) -> dict[str, list[dict[str, Any]]]:
    """What each autotuner of `module` chose so far, by the kernel's name, as JSON.

    One entry for each tuning key: {"key": text, "kwargs": {...}, "num_warps": int, "num_stages": int, ...}, where
    what a configuration leaves open is left out. Tuners that did not run are left out.
    """
    choices: dict[str, list[dict[str, Any]]] = {}
    for name, tuner in _autotuners(module):
        pinned = tuner.cache.by_key if isinstance(tuner.cache, _Chosen) else {}
        tuned = pinned or {_text(key): config for key, config in tuner.cache.items()}
        found = [{"key": key, **describe_config(config)} for key, config in tuned.items()]
        if not found and getattr(tuner, "best_config", None) is not None:
            found = [{"key": "", **describe_config(tuner.best_config)}]
        if found:
            choices[name] = found
    return choices


def pin(module: ModuleType, choices: dict[str, list[dict[str, Any]]]) -> None:
    """Reduce each autotuner of `module` to what `chosen` recorded, so that none of them measures anything.

    Raises:
        PinError: a recorded configuration is not one that the tuner lists.
    """
    for name, tuner in _autotuners(module):
        entries = choices.get(name)
        if not entries:
            continue
        configs = {entry["key"]: _find(name, tuner, entry) for entry in entries}
        first = next(iter(configs.values()))
        # Hashing a configuration calls its hooks' hash: compare by identity instead.
        if all(config is first for config in configs.values()):
            tuner.configs = [first]
        else:
            tuner.configs = list({id(config): config for config in configs.values()}.values())
            tuner.cache = _Chosen(configs, first)


def facts(forward: Callable[[], object]) -> list[dict[str, Any]]:
    """Facts of the kernels that one call of `forward` really launches, once tuning is over.

    Call it after a warm-up. One dictionary for each kernel, specialisation and configuration, as aot gives them.
    """
    with recording() as launches:
        forward()
    return launches.facts()


def _find(name: str, tuner: Autotuner, entry: dict[str, Any]) -> Config:
    wanted = {field: value for field, value in entry.items() if field != "key"}
    for config in tuner.configs:
        if describe_config(config) == wanted:
            return config
    raise PinError(f"kernel {name} has no configuration {wanted}")


def _autotuners(module: ModuleType) -> Iterator[tuple[str, Autotuner]]:
    """Autotuners among the module's names and its classes' attributes, each once, also below other decorators."""
    seen: set[int] = set()
    names: dict[str, int] = {}
    for value in _values(module):
        while isinstance(value, KernelInterface):
            if isinstance(value, Autotuner) and id(value) not in seen:
                seen.add(id(value))
                name = value.base_fn.__name__
                names[name] = names.get(name, 0) + 1
                yield (name if names[name] == 1 else f"{name}#{names[name]}"), value
            value = getattr(value, "fn", None)


def _values(module: ModuleType) -> Iterator[Any]:
    for value in list(vars(module).values()):
        yield value
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from vars(value).values()
        elif isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value


def _text(key: Any) -> str:
    return repr(tuple(key))
