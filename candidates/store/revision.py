"""Whose database it is, and how old. Whoever adds a revision in migrations/versions raises REVISION."""

REVISION = "0005"
VERSION_TABLE = "harness_version"  # holds the revision; a database without it is somebody else's
