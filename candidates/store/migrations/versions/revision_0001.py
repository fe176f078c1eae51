"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_DIGEST = sa.String(64)
_TIME = sa.String(32)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "candidate",
        sa.Column("digest", _DIGEST, primary_key=True),
        sa.Column("source", _DIGEST, nullable=False),
        sa.Column("created", _TIME, nullable=False),
    )
    op.create_table(
        "task",
        sa.Column("digest", sa.String(16), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("run_key", "run", ["key"])
    _create_steps()
    _create_verdicts()
    _create_measurements()


def _create_steps() -> None:
    op.create_table(
        "step",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(8), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("candidate", _DIGEST, sa.ForeignKey("candidate.digest"), nullable=True),
        sa.Column("parent", _DIGEST, sa.ForeignKey("candidate.digest"), nullable=True),
        sa.Column("proposer", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("run", "position", name="step_position"),
    )
    op.create_index("step_candidate", "step", ["candidate"])


def _create_verdicts() -> None:
    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("digest", _DIGEST, sa.ForeignKey("candidate.digest"), nullable=False),
        sa.Column("task_digest", sa.String(16), sa.ForeignKey("task.digest"), nullable=False),
        sa.Column("task_name", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("checked_on", sa.String(16), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("verdict_subject", "verdict", ["digest", "task_digest", "fingerprint"])
    op.create_index("verdict_task", "verdict", ["task_name"])


def _create_measurements() -> None:
    op.create_table(
        "baseline",
        sa.Column("task_digest", sa.String(16), primary_key=True),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "profile",
        sa.Column("digest", _DIGEST, sa.ForeignKey("candidate.digest"), primary_key=True),
        sa.Column("task_digest", sa.String(16), primary_key=True),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("body", _DIGEST, nullable=False),
    )
