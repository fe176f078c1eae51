"""Where things are: the data that the project brings, and the results. Importing this costs nothing."""

from dataclasses import dataclass
from pathlib import Path

CONF = Path(__file__).resolve().parent.parent / "conf"


@dataclass(frozen=True)
class StoreSettings:
    """Where results are kept: `root` for files, `url` for the database (empty: SQLite in `root`)."""

    __pydantic_config__ = {"extra": "forbid"}

    root: Path
    url: str = ""


def place_store(root: str, url: str) -> StoreSettings:
    """Store settings with an absolute root."""
    return StoreSettings(root=Path(root).expanduser().absolute(), url=url)
