"""The token with which a function logs in to PostgreSQL."""

import boto3
import botocore.auth
import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from chalicelib.adapters.postgres.login import ROOTS, IamToken, tls
from chalicelib.errors import StoreDownError

HOST, PORT, USER, REGION = "db.example.eu-west-1.rds.amazonaws.com", 5432, "defi_stream", "eu-west-1"


def token(credentials):
    return IamToken(host=HOST, port=PORT, user=USER, region=REGION, credentials=credentials)


@pytest.mark.parametrize("session_token", [None, "a session/token+of=="])
def test_the_token_is_the_one_that_boto3_makes(session_token, monkeypatch):
    """The same second gives the same bytes."""
    moment = botocore.auth.get_current_datetime()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: moment)
    key, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    client = boto3.client(
        "rds",
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=session_token,
    )
    made = client.generate_db_auth_token(DBHostname=HOST, Port=PORT, DBUsername=USER)
    assert token(lambda: ReadOnlyCredentials(key, secret, session_token))() == made


def test_without_credentials_it_is_the_store_that_is_down():
    def none():
        raise NoCredentialsError

    with pytest.raises(StoreDownError, match="no AWS credentials"):
        token(none)()


def test_whoever_must_prove_who_he_is_must_do_so_by_rdss_roots():
    assert tls("verify-full") == {"sslmode": "verify-full", "sslrootcert": str(ROOTS)}
    assert tls("disable") == {"sslmode": "disable"}
