"""Every error that the product raises on purpose.

DefiStreamError
├── MalformedError          1000  the client sent something that is not the protocol: fix, do not retry
│   ├── NotJsonError        1001
│   ├── TooLargeError       1002
│   ├── UnknownActionError  1003
│   ├── WrongTypeError      1004
│   └── UnsupportedMediaError 1005
├── RefusedError            2000  understood and refused: fix, do not retry
│   ├── TooManyTopicsError  2001
│   ├── BadFilterError      2002
│   ├── UnknownTopicError   2003
│   ├── NotAllowedError     2004
│   ├── RateTooFastError    2005
│   ├── BadQueryError       2006
│   ├── QueryTooSlowError   2007
│   ├── KeyReusedError      2008
│   ├── BadRuleError        2009
│   ├── UnknownAlertError   2010
│   ├── VersionConflictError 2011
│   ├── TooManyRulesError   2012
│   ├── BadEndpointError    2013
│   ├── UnknownEndpointError 2014
│   └── TooManyEndpointsError 2015
├── LimitError              3000  wait ``retry_after`` seconds
│   ├── CommandRateError    3001
│   ├── TooManyConnectionsError 3002
│   ├── TooManyQueriesError 3003
│   ├── TooManyRequestsError 3004
│   └── InProgressError     3005
├── AuthenticationError     4000  get a new token
│   ├── ExpiredError        4001
│   ├── RevokedError        4002
│   └── TokenUsedError      4003
├── TemporaryError          5000  ours: retry with backoff
│   └── StoreDownError      5001
├── SettingsError           a deployment's variables are wrong: names every bad one
├── RotationError           a secret cannot be rotated, or not yet: the reason is for the operator
├── SchemaError             the database's schema could not be changed, and was not
├── SourceError             DefiLlama answered with something that cannot be used
└── PoisonError             a queue record that no retry can cure

The protocol's bands are PROTOCOL's: 1000 malformed, 2000 refused, 3000 limits, 4000 authentication, 5000
temporary. An error carries ``code``, ``name``, ``temporary``, ``http_status`` and, for limits,
``retry_after`` in seconds.
"""

from __future__ import annotations


class DefiStreamError(Exception):
    """Root of the tree; ``str(error)`` is fit to be shown to the client that caused it."""

    code = 5000
    name = "internal"
    temporary = False
    http_status = 500

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MalformedError(DefiStreamError):
    code, name, http_status = 1000, "malformed", 400


class NotJsonError(MalformedError):
    code, name = 1001, "not_json"


class TooLargeError(MalformedError):
    code, name, http_status = 1002, "too_large", 413


class UnknownActionError(MalformedError):
    code, name = 1003, "unknown_action"


class WrongTypeError(MalformedError):
    code, name = 1004, "wrong_type"


class UnsupportedMediaError(MalformedError):
    code, name, http_status = 1005, "unsupported_media", 415


class RefusedError(DefiStreamError):
    """``pointer`` is the JSON Pointer (RFC 6901) of what is wrong in what was sent; "" is the whole of it, None: the
    message says it all."""

    code, name, http_status = 2000, "refused", 422
    pointer: str | None = None

    def __init__(self, message: str, *, pointer: str | None = None) -> None:
        super().__init__(message)
        if pointer is not None:
            self.pointer = pointer


class TooManyTopicsError(RefusedError):
    code, name = 2001, "too_many_topics"


class BadFilterError(RefusedError):
    code, name = 2002, "bad_filter"


class UnknownTopicError(RefusedError):
    code, name, http_status = 2003, "unknown_topic", 404


class NotAllowedError(RefusedError):
    code, name, http_status = 2004, "not_allowed", 403


class RateTooFastError(RefusedError):
    code, name, http_status = 2005, "rate_too_fast", 403


class BadQueryError(RefusedError):
    code, name, pointer = 2006, "bad_query", ""


class QueryTooSlowError(RefusedError):
    code, name = 2007, "query_too_slow"


class KeyReusedError(RefusedError):
    code, name = 2008, "key_reused"


class BadRuleError(RefusedError):
    code, name, pointer = 2009, "bad_rule", ""


class UnknownAlertError(RefusedError):
    code, name, http_status = 2010, "unknown_alert", 404


class VersionConflictError(RefusedError):
    code, name, http_status = 2011, "version_conflict", 409


class TooManyRulesError(RefusedError):
    code, name, http_status = 2012, "too_many_rules", 403


class BadEndpointError(RefusedError):
    code, name, pointer = 2013, "bad_endpoint", ""


class UnknownEndpointError(RefusedError):
    code, name, http_status = 2014, "unknown_endpoint", 404


class TooManyEndpointsError(RefusedError):
    code, name, http_status = 2015, "too_many_endpoints", 403


class LimitError(DefiStreamError):
    code, name, temporary, http_status = 3000, "limit", True, 429


class CommandRateError(LimitError):
    code, name = 3001, "too_many_commands"


class TooManyConnectionsError(LimitError):
    code, name = 3002, "too_many_connections"


class TooManyQueriesError(LimitError):
    code, name = 3003, "too_many_queries"


class TooManyRequestsError(LimitError):
    code, name = 3004, "too_many_requests"


class InProgressError(LimitError):
    code, name, http_status = 3005, "in_progress", 409


class AuthenticationError(DefiStreamError):
    code, name, http_status = 4000, "not_authenticated", 401


class ExpiredError(AuthenticationError):
    code, name = 4001, "expired"


class RevokedError(AuthenticationError):
    code, name = 4002, "revoked"


class TokenUsedError(AuthenticationError):
    code, name = 4003, "token_used"


class TemporaryError(DefiStreamError):
    code, name, temporary, http_status = 5000, "temporary", True, 503


class StoreDownError(TemporaryError):
    code, name = 5001, "store_down"


class SettingsError(DefiStreamError):
    name = "settings"


class RotationError(DefiStreamError):
    name = "rotation"


class SchemaError(DefiStreamError):
    name = "schema"


class SourceError(DefiStreamError):
    name = "source"

    def __init__(self, message: str, *, temporary: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.temporary = temporary


class PoisonError(DefiStreamError):
    name = "poison"
