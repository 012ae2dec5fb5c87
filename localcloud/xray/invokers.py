"""Who calls a function that no trace led to, told by the event it is given.

X-Ray draws one node "Client" for all of them; here a schedule is not a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLIENTS = "Clients"
INVOKED_BY = "invoked_by"  # in the metadata of a segment under "localcloud"

# The members that tell an event's kind, asked in this order: AWS has no one field that would.
_KINDS = (
    ("Schedule", {"source", "detail-type"}),
    ("CloudFormation", {"RequestType", "ResponseURL"}),
    ("Secrets Manager", {"SecretId", "Step"}),
    (CLIENTS, {"requestContext"}),
)


def invoker(event: Any) -> str:
    """The node from which the call comes; an event of no known kind was sent by hand or by a program: "Operator"."""
    members = event.keys() if isinstance(event, Mapping) else set()
    return next((name for name, wanted in _KINDS if wanted <= members), "Operator")
