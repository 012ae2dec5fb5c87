"""The user as whom functions come to Redis in production, on a Redis of the tests."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis
from chalice.package import YAMLTemplateSerializer

DATA = Path(__file__).resolve().parents[1] / "cfn" / "data.yaml"
NAME = "functions"


def access_string() -> str:
    """What the template lets it do, in Redis's own words."""
    template = YAMLTemplateSerializer().load_template(DATA.read_text(), DATA.name)
    return str(template["Resources"]["RedisUser"]["Properties"]["AccessString"])


def as_functions_user(url: str) -> str:
    """``url``, which must be an admin's, with this user, who may do there what the template says and nothing else."""
    with redis.Redis.from_url(url) as admin:
        admin.execute_command("ACL", "SETUSER", NAME, "reset", "nopass", *access_string().split())
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{NAME}:any@{parts.netloc}"))
