"""Where each property of a resource came from."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from scripts.packaging.assemble import Assembled
from scripts.packaging.merge import leaves
from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.transform import transform

SAM = "SAM (AWS::Serverless)"


def explain(made: Assembled, logical_id: str) -> list[dict[str, Any]]:
    """One row per property: "property", "value", "from". Ids that only SAM makes are explained too.

    Raises PackagingError for an id that the template does not have, with those that look like it.
    """
    if logical_id in made.template["Resources"]:
        return list(_rows(made, logical_id))
    transformed = transform(made.template, made.parameters)["Resources"]
    if logical_id in transformed:
        rows = leaves(transformed[logical_id], ())
        return [_row(location, value, _maker(made, logical_id)) for location, value in rows]
    raise PackagingError([Problem("template", logical_id, _not_found(made, logical_id, sorted(transformed)))])


def _not_found(made: Assembled, name: str, known: list[str]) -> str:
    elsewhere = [f"{owner} has it among its {section}" for (section, own), owner in made.owners.items() if own == name]
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    nearest = f"there is {', '.join(close)}" if close else f"none of the {len(known)} has a name like it"
    return "; ".join(["there is no such resource", *(elsewhere or [nearest])])


def _rows(made: Assembled, logical_id: str) -> Iterator[dict[str, Any]]:
    location = ("Resources", logical_id)
    resource = made.template["Resources"][logical_id]
    own = list(leaves(resource, location))
    for leaf, value in own:
        yield _row(leaf[2:], value, made.origins.get(leaf, made.owners.get(location, "")))
    kind = resource["Type"].removeprefix("AWS::Serverless::")
    shared = ("Globals", kind)
    written = {leaf[3:] for leaf, _ in own}
    for leaf, value in leaves(made.template.get("Globals", {}).get(kind, {}), shared):
        if leaf[2:] not in written:  # the resource's own value wins
            yield _row(("Properties", *leaf[2:]), value, f"{made.origins[leaf]}, Globals.{kind}")


def _maker(made: Assembled, logical_id: str) -> str:
    """The function or API of whose id SAM made this one."""
    sources = [
        name
        for name, resource in made.template["Resources"].items()
        if logical_id.startswith(name) and resource["Type"].startswith("AWS::Serverless::")
    ]
    return f"{SAM} from {max(sources, key=len)}" if sources else SAM


def _row(location: tuple[str | int, ...], value: Any, origin: str) -> dict[str, Any]:
    return {"property": ".".join(map(str, location)), "value": value, "from": origin}


def as_text(rows: list[dict[str, Any]]) -> str:
    """The rows as aligned columns, values cut to what fits."""
    cells = [(row["property"], _short(row["value"]), row["from"]) for row in rows]
    widths = [max(len(cell[column]) for cell in cells) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in cells)


def _short(value: Any, width: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= width else text[: width - 3] + "..."
