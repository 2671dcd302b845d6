"""The tables as the newest schema has them. Older schemas, and the way here, are in
:mod:`dirconnector.state.migrations`.

Times are text: UTC in ISO 8601, whose text order is time order in every database.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("organization", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("started", String(32), nullable=False),
    Column("finished", String(32), nullable=False),
    Column("exit_code", Integer),
    Column("plan_id", Text, nullable=False),
    Column("report", LargeBinary),
    Index("runs_of_organization", "organization", "number"),
)

calls = Table(
    "calls",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("started", String(32), nullable=False),
    Column("finished", String(32), nullable=False),
    Column("result", Text, nullable=False),
    Index("calls_of_run", "run"),
)

good = Table(
    "good",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("directory", Text, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("taken", String(32), nullable=False),
    Column("digest", Text, nullable=False),
    Column("users", Integer, nullable=False),
    Column("with_email", Integer, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("memberships", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

verifications = Table(
    "verifications",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("verified", String(32), nullable=False),
)

managed = Table(
    "managed",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("status", Integer),
    Column("directory", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("first_seen", String(32), nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("group_id", Text, primary_key=True),
    Column("verified", String(32), nullable=False),
    Column("digest", Text, nullable=False),
    Column("members", Text, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("directory", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("cursor", Text, nullable=False),
    Column("full_read", String(32), nullable=False),
    Column("digest", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
