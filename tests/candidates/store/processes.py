"""Python processes beside the test's own, and a plain connection to the database that a test is about."""

import subprocess
import sys
from pathlib import Path

import sqlalchemy

PROJECT = Path(__file__).parents[3]


def python(code: str, *arguments: object, stdin: bool = False) -> "subprocess.Popen[str]":
    """A Python process that runs `code` in the project's root; with `stdin`, it can be told something."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    source = subprocess.PIPE if stdin else subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=PROJECT, text=True, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def engine(url: str, root: Path) -> sqlalchemy.Engine:
    """SQLAlchemy's own way to the database of a store, which keeps no connection open."""
    address = url.replace("postgresql://", "postgresql+psycopg://") or f"sqlite:///{root / 'harness.db'}"
    return sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)


def execute(url: str, root: Path, *statements: str) -> None:
    """Change the database behind the store's back."""
    with engine(url, root).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
