"""The e-mails: each as text and as HTML that says the same, in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from chalicelib.ports.endpoints import Endpoint, Mail
from chalicelib.protocol.signals import AlertBody

_HEADLINES = {"firing": "Firing", "acknowledged": "Acknowledged", "resolved": "Resolved"}
_COLOURS = {"firing": "#c2361f", "acknowledged": "#9a6700", "resolved": "#1a7f4b"}
_NEUTRAL = "#2f5fd0"
SUBJECT_LENGTH = 150

# Mail programs know tables and inline styles for certain; who knows the style sheet gets the dark colours too.
_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
@media (prefers-color-scheme: dark) {{
.page {{ background: #14171c !important }}
.card {{ background: #1d2128 !important; border-color: #343b46 !important }}
.ink, .ink td {{ color: #e8eaee !important }}
.faint, .faint a, .ink td.faint {{ color: #9aa3b0 !important }}
}}
</style></head>
<body class="page" style="margin:0;background:#f3f4f6">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f4f6">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px;\
background:#ffffff;border:1px solid #dfe3e8;border-radius:10px;font-family:system-ui,-apple-system,'Segoe UI',\
Roboto,Helvetica,Arial,sans-serif">
<tr><td style="padding:24px 28px">
<p style="margin:0 0 10px"><span style="display:inline-block;padding:3px 10px;border-radius:99px;\
background:{colour};color:#ffffff;font-size:13px;font-weight:600">{badge}</span></p>
<h1 class="ink" style="margin:0 0 14px;font-size:20px;line-height:1.3;color:#1c2430">{title}</h1>
{body}
</td></tr></table>
<p class="faint" style="max-width:560px;margin:14px auto 0;font:12px/1.5 system-ui,Arial,sans-serif;color:#667080">\
{footer}</p>
</td></tr></table>
</body></html>
"""


def alert_mail(alert: AlertBody, *, to: str, unsubscribe: str) -> Mail:
    """``unsubscribe``: the URL of the link, and of the header by which mail programs show a button."""
    headline = _HEADLINES[alert.state]
    facts = [("Condition", alert.condition), ("Topic", alert.topic)]
    if alert.value is not None:
        facts.append(("Value", alert.value))
    facts.append(("Fired", _time(alert.fired_at)))
    if alert.state != "firing":
        facts.append((headline, _time(alert.at)))
    reason = "You get this since a rule of yours tells this address. "
    return Mail(
        to=to,
        subject=_one_line(f"{headline}: {alert.name}")[:SUBJECT_LENGTH],
        text=_text(f"{headline}: {alert.name}", _aligned(facts), f"{reason}To unsubscribe this address: {unsubscribe}"),
        html=_html(
            badge=headline,
            colour=_COLOURS[alert.state],
            title=alert.name,
            body=_table(facts),
            footer=f'{escape(reason)}<a href="{escape(unsubscribe)}">Unsubscribe this address</a>',
        ),
        unsubscribe=unsubscribe,
    )


def confirm_mail(endpoint: Endpoint, *, link: str) -> Mail:
    """Asks whoever reads an address whether alerts may come to it."""
    title = "Confirm this address for alerts"
    asked = "Somebody, you most likely, wants alerts about DeFi figures to be sent to this address."
    footer = "The link is good for two days. If it was not you, do nothing: you will hear nothing more."
    button = (
        f'<p class="ink" style="margin:0 0 18px;font-size:15px;line-height:1.5;color:#1c2430">{asked}</p>'
        f'<p style="margin:0"><a href="{escape(link)}" style="display:inline-block;padding:11px 20px;border-radius:7px;'
        f'background:{_NEUTRAL};color:#ffffff;font-size:15px;font-weight:600;text-decoration:none">Confirm</a></p>'
    )
    return Mail(
        to=endpoint.address,
        subject=title,
        text=_text(title, f"{asked}\n\nTo confirm, open {link}", footer),
        html=_html(badge="Alerts", colour=_NEUTRAL, title=title, body=button, footer=escape(footer)),
    )


def notice_mail(url: str, reason: str, *, to: str, unsubscribe: str) -> Mail:
    """A webhook of this user was disabled."""
    title = "A webhook of yours was disabled"
    facts = [("Webhook", url), ("Why", reason)]
    next_step = (
        "Nothing is sent to it until you enable it again: POST /v1/endpoints/{id}/enable, or the page of alerts."
    )
    line = (
        f'<p class="ink" style="margin:14px 0 0;font-size:15px;line-height:1.5;color:#1c2430">{escape(next_step)}</p>'
    )
    return Mail(
        to=to,
        subject=title,
        text=_text(title, f"{_aligned(facts)}\n\n{next_step}", f"To unsubscribe this address: {unsubscribe}"),
        html=_html(
            badge="Disabled",
            colour=_COLOURS["firing"],
            title=title,
            body=_table(facts) + line,
            footer=f'<a href="{escape(unsubscribe)}">Unsubscribe this address</a>',
        ),
        unsubscribe=unsubscribe,
    )


def _text(title: str, body: str, footer: str) -> str:
    return f"{_one_line(title)}\n\n{body}\n\n--\n{footer}\n"


def _html(*, badge: str, colour: str, title: str, body: str, footer: str) -> str:
    """``body`` and ``footer`` are HTML already."""
    return _PAGE.format(badge=escape(badge), colour=colour, title=escape(title), body=body, footer=footer)


def _aligned(facts: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name:<{width}}  {_one_line(value)}" for name, value in facts)


def _table(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><td class="faint" valign="top" style="padding:5px 16px 5px 0;color:#667080;white-space:nowrap">'
        f'{escape(name)}</td><td style="padding:5px 0;color:#1c2430;word-break:break-word">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return (
        '<table role="presentation" class="ink" cellpadding="0" cellspacing="0" '
        f'style="font-size:15px;line-height:1.45">{rows}</table>'
    )


def _time(text: str) -> str:
    """RFC 3339 in UTC, for people."""
    return text.replace("T", " ").removesuffix("Z").removesuffix("+00:00").partition(".")[0] + " UTC"


def _one_line(text: str) -> str:
    """A name is a user's: no line end of theirs gets into a header or between the lines of a text."""
    return "".join(each if each.isprintable() else " " for each in text)
