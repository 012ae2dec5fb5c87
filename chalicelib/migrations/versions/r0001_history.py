"""The role that functions log in as, and the schema of what it may see.

There is no downgrade here nor in any other revision: a release is taken back over the newer schema.
"""

from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    # A role belongs to the server, not to the database: it may be there. On RDS it logs in by IAM and has no password.
    op.execute("""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'defi_stream') THEN
                CREATE ROLE defi_stream LOGIN;
            END IF;
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
                GRANT rds_iam TO defi_stream;
            END IF;
        END $$
    """)
    # The owner is who migrates: functions change rows, never tables.
    op.execute("CREATE SCHEMA history")
    op.execute("GRANT USAGE ON SCHEMA history TO defi_stream")
    for what, rights in (("TABLES", "SELECT, INSERT, UPDATE, DELETE"), ("SEQUENCES", "USAGE")):
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA history GRANT {rights} ON {what} TO defi_stream")
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    op.execute("""
        DO $$ BEGIN
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        END $$
    """)
