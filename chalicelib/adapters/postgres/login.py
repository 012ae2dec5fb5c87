"""How functions log in to PostgreSQL: as a user without a password, by a token that IAM makes of their role."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from chalicelib.errors import StoreDownError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

# Lambda's certificate store has the public authorities; RDS's are its own. Without them `verify-full` fails and
# `require` would encrypt to whoever answers, so they travel in the zip: 130 kB, 60 compressed.
ROOTS = Path(__file__).with_name("rds.pem")
LIFE_S = 900  # of a token; it is looked at only when a connection is made
# From a server that died nothing comes back, neither for what is sent to it nor later: after a failover a connection
# that is lost must be noticed and replaced before the API's 20 s are over.
BOUNDS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5_000,  # ms
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


def tls(sslmode: str) -> dict[str, Any]:
    """libpq's options for one of the settings' modes."""
    return {"sslmode": sslmode} | ({"sslrootcert": str(ROOTS)} if sslmode == "verify-full" else {})


class IamToken:
    """A new token for every connection.

    Signed here, since a client of RDS takes a tenth of a second to make. Raises StoreDownError without credentials.
    """

    def __init__(
        self, *, host: str, port: int, user: str, region: str, credentials: Callable[[], ReadOnlyCredentials]
    ) -> None:
        self._url = f"https://{host}:{port}/"
        self._user, self._region = user, region
        self._credentials = credentials

    def __call__(self) -> str:
        try:
            credentials = self._credentials()
        except BotoCoreError as error:
            raise StoreDownError(f"no AWS credentials to log in to PostgreSQL with: {error}") from error
        request = AWSRequest("GET", self._url, params={"Action": "connect", "DBUser": self._user})
        SigV4QueryAuth(credentials, "rds-db", self._region, expires=LIFE_S).add_auth(request)
        return str(request.url).removeprefix("https://")
