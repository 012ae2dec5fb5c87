"""Alembic's entrance: runs the revisions on the connection, and in the transaction, of adapters/schema.py."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
