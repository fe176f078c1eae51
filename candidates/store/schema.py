"""The tables. Whoever changes them adds a numbered revision in migrations/versions; see `candidates.store.revision`."""

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

_DIGEST = String(64)
_TIME = String(32)  # ISO 8601, UTC: sorts as text, and reads the same from every database

candidates = Table(
    "candidate",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("source", _DIGEST, nullable=False),  # hash of the text, see blobs
    Column("created", _TIME, nullable=False),
)

tasks = Table(
    "task",
    metadata,
    Column("digest", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("body", Text, nullable=False),
)

runs = Table(
    "run",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("key", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("settings", Text, nullable=False),
    Column("created", _TIME, nullable=False),
    Column("reason", Text, nullable=False),
    Index("run_key", "key"),
)

steps = Table(
    "step",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", String(8), ForeignKey("run.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("candidate", _DIGEST, ForeignKey("candidate.digest"), nullable=True),
    Column("parent", _DIGEST, ForeignKey("candidate.digest"), nullable=True),
    Column("proposer", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("decision", String(16), nullable=False),
    Column("task", Text, nullable=False),  # name, device and status as the verdict has them; empty without one
    Column("device", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("created", _TIME, nullable=False),
    Column("body", Text, nullable=False),  # the whole step
    UniqueConstraint("run", "position", name="step_position"),
    Index("step_candidate", "candidate"),
)

asks = Table(
    "ask",
    metadata,
    Column("run", String(8), ForeignKey("run.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("after", Integer, nullable=False),
    Column("created", _TIME, nullable=False),
    Column("body", Text, nullable=False),  # the whole ask
)

verdicts = Table(
    "verdict",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("digest", _DIGEST, ForeignKey("candidate.digest"), nullable=False),
    Column("task_digest", String(16), ForeignKey("task.digest"), nullable=False),
    Column("task_name", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("checked_on", String(16), nullable=False),
    Column("created", _TIME, nullable=False),
    Column("body", Text, nullable=False),
    Column("summary", Text, nullable=False),  # of what verified, for the board; else empty
    Index("verdict_subject", "digest", "task_digest", "fingerprint"),
    Index("verdict_task", "task_name"),
)

baselines = Table(
    "baseline",
    metadata,
    Column("task_digest", String(16), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

profiles = Table(
    "profile",
    metadata,
    Column("digest", _DIGEST, ForeignKey("candidate.digest"), primary_key=True),
    Column("task_digest", String(16), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("body", _DIGEST, nullable=False),  # hash of the text, see blobs
)

leases = Table(
    "lease",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("task_digest", String(16), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("expires", _TIME, nullable=False),
)

exchanges = Table(
    "exchange",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", _DIGEST, nullable=False),
    Column("request", _DIGEST, nullable=False),  # hashes of the texts, see blobs
    Column("response", _DIGEST, nullable=False),
    Column("created", _TIME, nullable=False),
    Index("exchange_key", "key"),
)
