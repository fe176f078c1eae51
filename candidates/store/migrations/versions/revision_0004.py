"""What a board says of a verdict beside the verdict, and leases on work."""

import sqlalchemy as sa
from alembic import op
from pydantic import ValidationError
from sqlalchemy.engine import Connection

from candidates.store.summary import Summary
from evaluator.verdict import Verdict

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    """Add the column and fill it from the bodies; add the table."""
    op.add_column("verdict", sa.Column("summary", sa.Text, nullable=False, server_default=""))
    _summarise(op.get_bind())
    op.create_table(
        "lease",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("task_digest", sa.String(16), primary_key=True),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
    )


def _summarise(connection: Connection) -> None:
    """A body that can't be read is left without a summary: the board says so when it comes to it."""
    table = sa.table("verdict", sa.column("id"), sa.column("status"), sa.column("body"), sa.column("summary"))
    verified = connection.execute(sa.select(table.c.id).where(table.c.status == "verified")).scalars().all()
    for id in verified:
        body = connection.execute(sa.select(table.c.body).where(table.c.id == id)).scalar_one()
        try:
            summary = Summary.of(Verdict.model_validate_json(body))
        except ValidationError:
            continue
        connection.execute(sa.update(table).where(table.c.id == id).values(summary=summary.write()))
