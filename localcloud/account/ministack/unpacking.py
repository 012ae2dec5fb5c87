"""A function's zip unpacked and compiled once, for all its workers.

ministack unpacks it anew for each worker, and each compiles all of it again: seconds of a core at every cold start,
of which a release has one for each function.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import types
import zipfile
from pathlib import Path
from typing import Any

_CODE = "code"  # the name of a worker's folder
_CACHE = "__pycache__"


class Unpacked:
    """Zips by their content, each in a folder of its own that nobody changes but Python's cache."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._folders: dict[str, Path] = {}

    def folder(self, archive: zipfile.ZipFile) -> Path:
        """Where it is unpacked; the first to ask unpacks it."""
        digest = hashlib.sha256(Path(archive.filename or "").read_bytes()).hexdigest()
        with self._lock:
            if digest not in self._folders:
                made = Path(tempfile.mkdtemp(prefix="code-", dir=self._directory))
                zipfile.ZipFile.extractall(archive, made)
                (made / _CACHE).mkdir(exist_ok=True)
                self._folders[digest] = made
            return self._folders[digest]


def linked(source: Path, target: Path) -> None:
    """Everything of ``source`` under ``target`` too; what Python compiles there is kept in ``source``."""
    for entry in source.iterdir():
        (target / entry.name).symlink_to(entry)


def install() -> None:
    import ministack.core.lambda_runtime as runtime

    unpacked = Unpacked(Path(tempfile.gettempdir()))

    class Shared(zipfile.ZipFile):
        def extractall(self, path: Any = None, *rest: Any, **named: Any) -> None:
            if path and Path(path).name == _CODE:
                linked(unpacked.folder(self), Path(path))
            else:
                super().extractall(path, *rest, **named)

    own = {name: getattr(zipfile, name) for name in dir(zipfile) if not name.startswith("__")}
    runtime.zipfile = types.SimpleNamespace(**{**own, "ZipFile": Shared})
