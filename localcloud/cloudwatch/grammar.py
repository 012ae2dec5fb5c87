"""Tokens of the two small languages here: metric math and alarm rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localcloud.cloudwatch.errors import CloudWatchError


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is the name of the pattern's group; the last token of a text is of kind "end"."""

    kind: str
    text: str
    at: int


class Tokens:
    """The tokens of one text, read once from left to right."""

    def __init__(self, text: str, pattern: re.Pattern[str], error: type[CloudWatchError]) -> None:
        """Every character belongs to a named group of ``pattern`` or is white space. Raises ``error``."""
        self._text, self._error, self._next = text, error, 0
        self._tokens: list[Token] = []
        at = 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            match = pattern.match(text, at)
            if match is None:
                raise error(f"{text!r}: {text[at]!r} at {at + 1} is not understood")
            self._tokens.append(Token(match.lastgroup or "", match[0], at))
            at = match.end()
        self._tokens.append(Token("end", "", len(text)))

    @property
    def ahead(self) -> Token:
        return self._tokens[self._next]

    def take(self) -> Token:
        token = self.ahead
        self._next += token.kind != "end"
        return token

    def take_if(self, *texts: str) -> str | None:
        """The next token's text, upper case, if it is one of ``texts``."""
        text = self.ahead.text.upper()
        if self.ahead.kind in ("end", "text") or text not in texts:
            return None
        self.take()
        return text

    def expect(self, text: str) -> None:
        if self.take_if(text) is None:
            raise self.wrong(f"{text!r} is missing")

    def wrong(self, what: str) -> CloudWatchError:
        found = f"before {self.ahead.text!r}" if self.ahead.kind != "end" else "at the end"
        return self._error(f"{self._text!r}: {what} {found} (at {self.ahead.at + 1})")
