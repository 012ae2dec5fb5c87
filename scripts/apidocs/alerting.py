"""What the REST API can be asked for about alerts, and the ways to tell them."""

from __future__ import annotations

from chalicelib.protocol import alerts
from chalicelib.protocol import rest_alerts as rest
from scripts.apidocs.operation import Operation, Part

RULE = Part("Of a rule.", "^ru_[A-Za-z0-9_-]{1,60}$", "ru_0pQ1mPfGf7Z6dW9kq0n2s4")
ENDPOINT = Part("Of an endpoint.", "^en_[A-Za-z0-9_-]{1,60}$", "en_Yt1mPfGf7Z6dW9kq")
DELIVERY = Part("Of a delivery: its `webhook-id`.", "^[A-Za-z0-9_-]{1,64}$", "nt_0pQ1mPfGf7Z6dW9kq0n2s4A")

EXAMPLE_RULE = {
    "name": "USDC loses its peg",
    "when": {"topic": "peg:usd-coin", "is": "below", "value": "0.98", "margin": "0.002"},
    "for": "5m",
    "cooldown": "1h",
    "notify": [{"channel": "socket"}],
}

RULES = (
    Operation(
        "GET",
        "/v1/alerts",
        "listRules",
        "Your rules, and where each is in its life",
        "Up to 50 a page, in the order of their ids.",
        {200: (rest.RulesPage,)},
        parameters=rest.PageQuery,
        needs_key=True,
    ),
    Operation(
        "POST",
        "/v1/alerts",
        "createRule",
        "Make a rule",
        "It is judged by the newest figures at once. What is wrong with it is told with a `pointer`. What "
        "rules can say is in docs/alerts.md.",
        {201: (alerts.RuleAnswer,)},
        body=alerts.RuleBody,
        example=EXAMPLE_RULE,
        problems=(403, 409, 413, 415, 422),
        is_versioned=True,
        takes_key=True,
        is_done_once=True,
        needs_key=True,
    ),
    Operation(
        "POST",
        "/v1/alerts/dry-run",
        "tryRule",
        "When a rule would have fired",
        "Over history, by default of the last seven days. Nothing is kept, and nobody is told.",
        {200: (alerts.DryRunAnswer,)},
        body=alerts.DryRunBody,
        example={"rule": EXAMPLE_RULE, "from": "2026-11-16T00:00:00Z", "to": "2026-11-23T00:00:00Z"},
        problems=(413, 415, 422),
        takes_key=True,
        needs_key=True,
    ),
    Operation(
        "GET",
        "/v1/alerts/{id}",
        "readRule",
        "A rule",
        "Its ETag is its version.",
        {200: (alerts.RuleAnswer,)},
        in_path={"id": RULE},
        problems=(404,),
        is_versioned=True,
        needs_key=True,
    ),
    Operation(
        "PUT",
        "/v1/alerts/{id}",
        "replaceRule",
        "Change a rule",
        "The whole of it. With `If-Match`, its ETag when you read it, only if nobody has changed it since. It begins "
        "its life anew: an alert that is on is resolved.",
        {200: (alerts.RuleAnswer,)},
        in_path={"id": RULE},
        body=alerts.RuleBody,
        example=EXAMPLE_RULE,
        problems=(404, 409, 413, 415, 422),
        is_versioned=True,
        needs_key=True,
    ),
    Operation(
        "DELETE",
        "/v1/alerts/{id}",
        "deleteRule",
        "Delete a rule",
        "An alert that is on is resolved.",
        {204: ()},
        in_path={"id": RULE},
        problems=(404,),
        needs_key=True,
    ),
    Operation(
        "POST",
        "/v1/alerts/{id}/acknowledge",
        "acknowledgeAlert",
        "An alert was seen",
        "No later step of the rule is told of it. To say so again changes nothing. The socket's `ack` does the same.",
        {200: (alerts.RuleAnswer,)},
        in_path={"id": RULE},
        body=rest.AcknowledgeBody,
        example={"alert": "al_Yt1mPfGf7Z6dW9kq0n2s4A"},
        problems=(404, 413, 415, 422),
        is_versioned=True,
        takes_key=True,
        needs_key=True,
    ),
    Operation(
        "GET",
        "/v1/alerts/{id}/history",
        "listAlerts",
        "What a rule has told",
        "Every alert each time that it came to another state, for 90 days.",
        {200: (rest.HistoryPage,)},
        parameters=rest.PageQuery,
        in_path={"id": RULE},
        problems=(404,),
        needs_key=True,
    ),
    Operation(
        "GET",
        "/v1/alerts/{id}/deliveries",
        "listDeliveries",
        "What became of telling webhooks and e-mail addresses",
        "Every try, for 90 days.",
        {200: (rest.DeliveriesPage,)},
        parameters=rest.PageQuery,
        in_path={"id": RULE},
        problems=(404,),
        needs_key=True,
    ),
    Operation(
        "POST",
        "/v1/alerts/{id}/deliveries/{delivery}/replay",
        "replayDelivery",
        "Deliver once more",
        "With the same `webhook-id` and the same body, from the first try on.",
        {202: (rest.ReplayedBody,)},
        in_path={"id": RULE, "delivery": DELIVERY},
        problems=(404, 409, 422),
        takes_key=True,
        is_done_once=True,
        needs_key=True,
    ),
)


def _done_to_endpoint(action: str, name: str, summary: str, description: str, status: int = 200) -> Operation:
    return Operation(
        "POST",
        f"/v1/endpoints/{{id}}/{action}",
        name,
        summary,
        description,
        {status: (rest.EndpointBody,)},
        in_path={"id": ENDPOINT},
        problems=(404, 409, 422),
        takes_key=True,
        is_done_once=True,
        needs_key=True,
    )


ENDPOINTS = (
    Operation(
        "GET",
        "/v1/endpoints",
        "listEndpoints",
        "Your webhooks and e-mail addresses",
        "All of them: there are at most 20.",
        {200: (rest.EndpointsList,)},
        needs_key=True,
    ),
    Operation(
        "POST",
        "/v1/endpoints",
        "createEndpoint",
        "Add a webhook or an e-mail address",
        "It is verified at once: a webhook has to answer a signed ping with 2xx, an address gets a link. A webhook's "
        "`secret` is in this answer and in no other. See docs/webhooks.md for how to receive.",
        {201: (rest.EndpointBody,)},
        body=rest.NewEndpoint,
        example={"kind": "webhook", "url": "https://example.com/hooks/defi"},
        problems=(403, 409, 413, 415, 422),
        takes_key=True,
        is_done_once=True,
        needs_key=True,
    ),
    Operation(
        "GET",
        "/v1/endpoints/{id}",
        "readEndpoint",
        "An endpoint",
        "Whether it was verified, is disabled, and why it was not reached last.",
        {200: (rest.EndpointBody,)},
        in_path={"id": ENDPOINT},
        problems=(404,),
        needs_key=True,
    ),
    Operation(
        "DELETE",
        "/v1/endpoints/{id}",
        "deleteEndpoint",
        "Delete an endpoint",
        "It is told nothing more; what is on its way may still arrive.",
        {204: ()},
        in_path={"id": ENDPOINT},
        problems=(404,),
        needs_key=True,
    ),
    _done_to_endpoint("verify", "verifyEndpoint", "Verify it once more", "Not within a minute of the last time.", 202),
    _done_to_endpoint(
        "rotate",
        "rotateSecret",
        "Another secret",
        "Of a webhook. Requests are signed with both for 24 hours; the new one is in this answer and in no other.",
    ),
    _done_to_endpoint(
        "enable",
        "enableEndpoint",
        "Tell it alerts again",
        "One that was disabled since it could not be reached. One that unsubscribed has to be verified again.",
    ),
)

LINKS = tuple(
    Operation(
        method,
        f"/v1/{word}",
        name,
        summary,
        description,
        {200: (), 400: (), 422: ()},
        parameters=rest.TokenQuery,
        is_counted=False,
        is_page=True,
    )
    for method, word, name, summary, description in (
        ("GET", "confirm", "askToConfirm", "Where an e-mail's link leads", "A page with a button. Nothing changes."),
        ("POST", "confirm", "confirmAddress", "An address is confirmed", "From then on it is told alerts."),
        (
            "GET",
            "unsubscribe",
            "askToUnsubscribe",
            "Where an e-mail's link leads",
            "A page with a button. Nothing changes.",
        ),
        (
            "POST",
            "unsubscribe",
            "unsubscribe",
            "An address is written to no more",
            "Mail programs send it too (RFC 8058).",
        ),
    )
)

ALERTING = (*RULES, *ENDPOINTS, *LINKS)
