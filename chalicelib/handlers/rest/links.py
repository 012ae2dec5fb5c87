"""``/v1/confirm`` and ``/v1/unsubscribe``: where the links in e-mails lead. Pages for people, who have no key here.

To look at one changes nothing: mail systems follow links by themselves. What the button sends, or a mail program for
its own button (RFC 8058), does it.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from chalice import Blueprint, Response

from chalicelib.errors import BadEndpointError, WrongTypeError
from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.protocol.rest_alerts import TokenQuery

if TYPE_CHECKING:
    from chalicelib.ports.endpoints import Endpoint

routes = Blueprint(__name__)

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{title}: DeFi Stream</title>
<style>
  body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1.25rem; }}
  h1 {{ font-size: 1.4rem; }}
  b {{ overflow-wrap: anywhere; }}
  button {{ font: inherit; padding: .5rem 1.25rem; border-radius: .4rem; border: 0; background: #1a56db; color: #fff; }}
  button:focus-visible {{ outline: 3px solid #76a9fa; outline-offset: 2px; }}
</style>
<main>
<h1>{title}</h1>
<p>{text}</p>
{form}
</main>
</html>
"""
_BAD = "This link is not good"
_FORM = '<form method="post"><button autofocus>{button}</button></form>'


# Not counted as requests of an address: the servers of a large mail provider unsubscribe many people from few.
@routes.route("/confirm", methods=["GET", "POST", "OPTIONS"], content_types=[])
def confirm() -> Response:
    """The page of an e-mail's link that confirms its address."""
    request = routes.current_request
    return answered(request, "confirm", _confirm if request.method == "POST" else _ask_to_confirm, counted=False)


@routes.route("/unsubscribe", methods=["GET", "POST", "OPTIONS"], content_types=[])
def unsubscribe() -> Response:
    """The page of an e-mail's link by which its address is written to no more."""
    request = routes.current_request
    work = _unsubscribe if request.method == "POST" else _ask_to_unsubscribe
    return answered(request, "unsubscribe", work, counted=False)


def _ask_to_confirm(asked: Asked) -> Reply:
    return _page(
        asked,
        lambda token: asked.container.endpoints.confirm_target(token),
        "Confirm this address",
        "Shall alerts of DeFi Stream be sent to <b>{}</b>?",
        "Yes, send them",
    )


def _confirm(asked: Asked) -> Reply:
    return _page(
        asked,
        lambda token: asked.container.endpoints.confirm(token),
        "Confirmed",
        "Alerts will be sent to <b>{}</b>. Each of them has a link that ends it.",
    )


def _ask_to_unsubscribe(asked: Asked) -> Reply:
    return _page(
        asked,
        lambda token: asked.container.endpoints.unsubscribe_target(token),
        "Unsubscribe",
        "Shall no more alerts be sent to <b>{}</b>?",
        "Send no more",
    )


def _unsubscribe(asked: Asked) -> Reply:
    return _page(
        asked,
        lambda token: asked.container.endpoints.unsubscribe(token),
        "Unsubscribed",
        "No more alerts will be sent to <b>{}</b>.",
    )


def _page(asked: Asked, work: Callable[[str], Endpoint], title: str, text: str, button: str = "") -> Reply:
    """A page about the address that a token is of; for people a link that is over is a page too."""
    try:
        endpoint = work(asked.query(TokenQuery).token)
    except BadEndpointError:
        return _shown(
            _BAD, "It has ended, or its address is known here no longer.", status=BadEndpointError.http_status
        )
    except WrongTypeError:
        return _shown(
            _BAD, "A part of it is missing: open it whole, as it is in the mail.", status=WrongTypeError.http_status
        )
    return _shown(title, text.format(escape(endpoint.address)), button)


def _shown(title: str, text: str, button: str = "", *, status: int = 200) -> Reply:
    form = _FORM.format(button=button) if button else ""
    return Reply(_PAGE.format(title=title, text=text, form=form), status=status, headers=_HEADERS)
