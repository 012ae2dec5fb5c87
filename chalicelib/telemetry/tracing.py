"""X-Ray behind a few functions, so that the SDK (in maintenance since 2026) can be replaced in one place.

The SDK takes 200 ms to import: it is loaded only where Lambda traces the invocation.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

HEADER = "X-Amzn-Trace-Id"


def is_sampled() -> bool:
    """Whether Lambda traces the invocation that is under way."""
    return "Sampled=1" in _current()


def trace_id() -> str | None:
    """The id of the invocation's trace, sampled or not: Lambda gives every invocation one."""
    return _root(_current())


def header() -> str | None:
    """What a message that leaves now must carry, so that whoever is invoked by it is linked to us; None if untraced.

    Fields that are not ours (Lineage, by which AWS finds endless loops) go on unchanged.
    """
    if not is_sampled():
        return None
    from aws_xray_sdk.core import xray_recorder

    entity = xray_recorder.get_trace_entity()
    parts = [part for part in _current().split(";") if not part.startswith("Parent=")]
    return ";".join([*parts[:1], f"Parent={entity.id}", *parts[1:]]) if entity else _current()


def causes(headers: Iterable[str | None]) -> list[str]:
    """The distinct traces that messages came from, by their trace headers."""
    return list(dict.fromkeys(root for found in headers if found and (root := _root(found))))


@contextmanager
def subsegment(
    name: str, *, namespace: str = "local", aws: Mapping[str, str] | None = None, **annotations: Any
) -> Iterator[None]:
    """Time a part of a traced invocation; does nothing in one that is not traced.

    ``namespace`` "aws" and "remote" make it a node of the map. An error is told by its kind: its text may quote
    secrets.
    """
    if not is_sampled():
        yield
        return
    from aws_xray_sdk.core import xray_recorder

    part = xray_recorder.begin_subsegment(name, namespace=namespace)
    try:
        if part is not None and aws:
            part.set_aws(dict(aws))
        annotate(**annotations)
        yield
    except BaseException as error:
        if part is not None:
            ours = getattr(error, "http_status", 500) >= 500
            part.add_fault_flag() if ours else part.add_error_flag()
            part.put_annotation("error", type(error).__name__)
        raise
    finally:
        if part is not None:
            xray_recorder.end_subsegment()


def annotate(**values: Any) -> None:
    """Say something of the subsegment that is under way, to find its trace by; None is not said."""
    if not is_sampled():
        return
    from aws_xray_sdk.core import xray_recorder

    part = xray_recorder.current_subsegment()
    for key, value in values.items():
        if part is not None and value is not None:
            part.put_annotation(key, value if isinstance(value, bool | int | float) else str(value))


def _current() -> str:
    return os.environ.get("_X_AMZN_TRACE_ID", "")


def _root(text: str) -> str | None:
    return next((part[5:] for part in text.split(";") if part.startswith("Root=")), None)
