"""The measured ceilings of the machines that a store was used on, by the fingerprint of device and software."""

from pathlib import Path

from pydantic import TypeAdapter

from evaluator.work import Ceilings
from harness import kept

_FORM = TypeAdapter(dict[str, Ceilings])


def path_in(root: Path) -> Path:
    """Where they are kept."""
    return root / "ceilings.json"


def all_known(root: Path) -> dict[str, Ceilings]:
    """Every entry, by fingerprint.

    Raises:
        StoreError: the file is damaged.
    """
    return kept.read(path_in(root), _FORM, {})


def known(root: Path, fingerprint: str) -> Ceilings | None:
    """What was measured under this fingerprint, if anything was."""
    return all_known(root).get(fingerprint)


def keep(root: Path, fingerprint: str, found: Ceilings) -> Path:
    """Save them in place of what was measured before; the file's path."""
    kept.write(path_in(root), _FORM, all_known(root) | {fingerprint: found})
    return path_in(root)


def in_words(found: Ceilings) -> str:
    """One line for people."""
    origin = "measured" if found.source == "measured" else "by the datasheet, not measured"
    rates = ", ".join(
        f"{name.upper()} {getattr(found, f'{name}_tflops'):.4g}" for name in ("fp32", "tf32", "fp16", "bf16")
    )
    return f"copies {found.copy_gb_s:.4g} GB/s; TFLOP/s: {rates} ({origin})"
