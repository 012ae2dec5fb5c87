"""${message}.

Code of the release before must work with it, since a canary runs both. If still older code does too, say so, that a
rollback may go back to it:  oldest_code = "r000N", the revision that such code was written for. If not even that does:
oldest_code = "${up_revision}", and there is no rollback past this one.
"""

from alembic import op

revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}


def upgrade() -> None:
    op.execute("")
