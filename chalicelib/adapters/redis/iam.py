"""Logging in to ElastiCache by IAM: no password is stored anywhere, a role that may ``elasticache:Connect`` signs one.

The form is AWS's (ElastiCache user guide, "Authenticating with IAM"): the password is a presigned URL without its
scheme, good for 15 minutes. It is looked at only when a connection is opened; ElastiCache ends one after 12 hours,
and the next command opens another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

LIFE_S = 900
KEEP_S = 600.0  # a token is never handed out with less than five minutes to live


class IamCredentials(CredentialProvider):
    """User and token for a new connection.

    Guarantees: a token has at least five minutes left and was signed by the credentials of now; Lambda's come and go.
    Raises AuthenticationError, which is a RedisError, if there are none.
    """

    def __init__(
        self,
        *,
        user: str,
        group: str,
        region: str,
        credentials: Callable[[], ReadOnlyCredentials],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._user = user
        self._url = f"http://{group.lower()}/"  # ElastiCache keeps names in lower case, and the host is signed
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._signed_at = 0.0
        self._signed_by: ReadOnlyCredentials | None = None
        self._token = ""

    def get_credentials(self) -> tuple[str, str]:
        try:
            credentials = self._credentials()
        except BotoCoreError as error:
            raise AuthenticationError(f"no AWS credentials to sign in to Redis with: {error}") from error
        age_s = self._clock() - self._signed_at
        if credentials != self._signed_by or not 0 <= age_s < KEEP_S:
            self._token = self._sign(credentials)
            self._signed_by, self._signed_at = credentials, self._clock()
        return self._user, self._token

    def _sign(self, credentials: ReadOnlyCredentials) -> str:
        request = AWSRequest("GET", self._url, params={"Action": "connect", "User": self._user})
        SigV4QueryAuth(credentials, "elasticache", self._region, expires=LIFE_S).add_auth(request)
        return str(request.url).removeprefix("http://")
