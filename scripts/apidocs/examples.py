"""An example of each message on the socket. A test decodes them as the server and a client would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chalicelib.protocol import commands
from scripts.apidocs import frames

EXPIRES = "2026-11-23T02:02:03Z"
WATCHED = "price:ethereum"
RULE, ALERT = "ru_7kQ2mVx9", "al_Jd83kfLq0ZbN4tYw1cRs7A"

MESSAGES: Mapping[type[Struct], Mapping[str, Any]] = {
    commands.Subscribe: {
        "action": "subscribe",
        "id": 1,
        "topics": [WATCHED, "tvl:protocol:*"],
        "rate": "5s",
        "filter": {"min_change_pct": "0.5"},
        "since": {WATCHED: {"epoch": "k3q9", "offset": 120}},
    },
    frames.SubscribeReply: {
        "type": "reply",
        "id": 1,
        "ok": True,
        "result": {
            "topics": {WATCHED: {"epoch": "k3q9", "offset": 123, "recovered": True}, "tvl:protocol:*": {"matched": 58}},
            "rejected": [],
            "session_expires": EXPIRES,
        },
    },
    commands.Unsubscribe: {"action": "unsubscribe", "id": 2, "topics": [WATCHED]},
    frames.UnsubscribeReply: {
        "type": "reply",
        "id": 2,
        "ok": True,
        "result": {"topics": [WATCHED], "session_expires": EXPIRES},
    },
    commands.List: {"action": "list", "id": 3},
    frames.ListReply: {
        "type": "reply",
        "id": 3,
        "ok": True,
        "result": {
            "topics": {"tvl:protocol:*": {"rate": "5s", "filter": {"min_change_pct": "0.5"}}},
            "next": None,
            "session_expires": EXPIRES,
        },
    },
    commands.Ping: {"action": "ping", "id": 4},
    frames.PingReply: {
        "type": "reply",
        "id": 4,
        "ok": True,
        "result": {"at": "2026-11-23T01:02:03.456Z", "session_expires": EXPIRES},
    },
    commands.Refresh: {"action": "refresh", "id": 5, "token": "eyJhbGciOi…"},
    frames.RefreshReply: {"type": "reply", "id": 5, "ok": True, "result": {"session_expires": EXPIRES}},
    commands.Ack: {"action": "ack", "id": 6, "rule": RULE, "alert": ALERT},
    frames.AckReply: {
        "type": "reply",
        "id": 6,
        "ok": True,
        "result": {"rule": RULE, "alert": ALERT, "state": "acknowledged", "session_expires": EXPIRES},
    },
    frames.ErrorReply: {
        "type": "reply",
        "id": 1,
        "ok": False,
        "error": {
            "code": 2003,
            "name": "unknown_topic",
            "message": "no topic 'prize:ethereum'",
            "temporary": False,
            "retry_after": None,
        },
    },
    frames.Updates: {
        "type": "updates",
        "sent_at": "2026-11-23T01:02:03.456Z",
        "updates": [
            {
                "topic": WATCHED,
                "epoch": "k3q9",
                "offset": 124,
                "prev": 123,
                "value": "3021.22",
                "previous": "3010.01",
                "change_pct": "0.3724",
                "observed_at": "2026-11-23T01:02:00Z",
                "published_at": "2026-11-23T01:02:03.401Z",
                "source": "defillama",
                "confidence": "0.99",
                "snapshot": False,
            },
            {
                "topic": "alerts:alice",
                "epoch": "m2x7",
                "offset": 8,
                "prev": 7,
                "value": "0.9611",
                "previous": None,
                "change_pct": None,
                "observed_at": "2026-11-23T01:02:00Z",
                "published_at": "2026-11-23T01:02:03.420Z",
                "source": "rules",
                "confidence": None,
                "snapshot": False,
                "alert": {
                    "id": ALERT,
                    "rule": RULE,
                    "name": "USDC loses its peg",
                    "state": "firing",
                    "topic": "peg:usd-coin",
                    "value": "0.9611",
                    "condition": "value < 0.98 for 5m",
                    "fired_at": "2026-11-23T01:02:00Z",
                    "at": "2026-11-23T01:02:00Z",
                },
            },
        ],
    },
    frames.Notice: {
        "type": "notice",
        "name": "resubscribe",
        "at": "2026-11-23T01:02:03Z",
        "message": "the server lost this session: subscribe again with since",
    },
}
