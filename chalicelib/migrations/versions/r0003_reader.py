"""A role of its own for who only reads: the REST API's functions, which may be many at once.

So they cannot take the connections that record, maintain and migrate need (shares.py has how many they may have), and
what they send can change nothing, whatever it is.
"""

from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    # As in r0001: a role belongs to the server and may be there; on RDS it logs in by IAM.
    op.execute("""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'defi_stream_reader') THEN
                CREATE ROLE defi_stream_reader LOGIN;
            END IF;
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
                GRANT rds_iam TO defi_stream_reader;
            END IF;
        END $$
    """)
    op.execute("GRANT USAGE ON SCHEMA history TO defi_stream_reader")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA history TO defi_stream_reader")
    op.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA history GRANT SELECT ON TABLES TO defi_stream_reader")
