"""The composition root: the only place that knows concrete classes.

Everything is built on first use, so that a cold start imports and connects only what its function needs: the modules
of this package, each a concern, import nothing but one another until then.
"""

from __future__ import annotations

import os
from functools import cache

from chalicelib.container.clients import utc_now
from chalicelib.container.history import History
from chalicelib.container.notifications import Notifications
from chalicelib.container.operations import RECORDED, Operations, custom_resources, deployments
from chalicelib.container.rest import Rest
from chalicelib.container.stream import Stream
from chalicelib.settings import from_env

__all__ = ["RECORDED", "Container", "container", "custom_resources", "deployments", "utc_now"]


class Container(Stream, Rest, History, Notifications, Operations):
    """One of each thing, for one process: what the handlers call, and below it what those share."""


@cache
def container() -> Container:
    """The process's container. Raises SettingsError on first use if a variable is wrong."""
    return Container(from_env(os.environ))
