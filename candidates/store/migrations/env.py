"""Run by Alembic: applies revisions over the connection that `candidates.store.migrate` hands in."""

from alembic import context

from candidates.store.revision import VERSION_TABLE
from candidates.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
