"""The project's folder, and the stages that it knows. Apart from the rest, which takes a second to import."""

from __future__ import annotations

import json
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def stages(project: Path) -> list[str]:
    """The stages that ``.chalice/config.json`` knows, in its order."""
    return list(json.loads((project / ".chalice/config.json").read_text(encoding="utf-8"))["stages"])
