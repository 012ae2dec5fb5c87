"""What a local account is told by whoever starts it, in one variable of its environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from localcloud.account.clock import Clock
from localcloud.account.environment import Surroundings

VARIABLE = "LOCALCLOUD_ACCOUNT"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """``servers`` is the path of the Unix socket over which databases are asked for; ``patience`` is by what thresholds
    of alarms on time are multiplied."""

    surroundings: Surroundings
    servers: str
    minute_s: float
    patience: float = 1.0

    @property
    def clock(self) -> Clock:
        return Clock(minute_s=self.minute_s)

    def environment(self) -> dict[str, str]:
        here = self.surroundings
        told = {"aws_url": here.aws_url, "feed_url": here.feed_url, "servers": self.servers}
        told |= {"minute_s": self.minute_s, "patience": self.patience}
        return {VARIABLE: json.dumps(told)}


def from_environment() -> AccountSettings | None:
    """None if it is to be no account."""
    if VARIABLE not in os.environ:
        return None
    told = json.loads(os.environ[VARIABLE])
    return AccountSettings(
        surroundings=Surroundings(aws_url=told["aws_url"], feed_url=told["feed_url"]),
        servers=str(told["servers"]),
        minute_s=float(told["minute_s"]),
        patience=float(told["patience"]),
    )
