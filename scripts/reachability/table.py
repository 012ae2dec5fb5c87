"""The matrix as text. Functions at the same place share a row: what one of them reaches they all do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scripts.reachability.layers import Passage, acls_alone, groups_alone
from scripts.reachability.matrix import Matrix, Node
from scripts.reachability.ports import NONE, text

NOT_HERE = ""
_LEGEND = """\
Numbers are TCP ports; UDP and ICMP are named where they pass; - is closed. In brackets: what gets through only from
some places, or to somebody who chooses the port that he sends from. A cell is empty where the way does not touch the
VPC; functions outside reach AWS and the internet without it."""


def lines(matrix: Matrix) -> Iterator[str]:
    """The table, who is behind its names, and by which way each open cell goes."""
    together = _together(matrix)
    targets = {label: nodes[0].name for label, nodes in together.items() if _is_met(matrix, nodes[0].name)}
    rows = [
        [label, *(_cell(matrix, nodes[0].name, target) for target in targets.values())]
        for label, nodes in together.items()
        if any(matrix.concerns(nodes[0].name, target) for target in targets.values())
    ]
    yield from _table([["from \\ to", *targets], *rows])
    yield ""
    yield from (f"{label}: {', '.join(node.name for node in nodes)}" for label, nodes in together.items() if nodes[1:])
    yield from _ways(matrix, together, targets)
    yield ""
    yield _LEGEND
    yield ""
    yield from _layer("Security groups alone", groups_alone(matrix, "tcp"))
    yield ""
    yield from _layer("Network ACLs alone, one direction at a time", acls_alone(matrix, "tcp"))


def _is_met(matrix: Matrix, target: str) -> bool:
    return any(matrix.concerns(source, target) for source in matrix.nodes)


def _together(matrix: Matrix) -> dict[str, list[Node]]:
    found: dict[tuple[object, ...], list[Node]] = {}
    for node in sorted(matrix.nodes.values(), key=lambda node: node.kind != "function"):
        key = (node.hosts, "function") if node.kind == "function" else (node.name,)
        found.setdefault(key, []).append(node)
    return {_label(nodes): nodes for nodes in found.values()}


def _label(nodes: Sequence[Node]) -> str:
    if nodes[0].kind != "function" or not nodes[1:]:
        return nodes[0].name
    where = "inside" if nodes[0].hosts else "outside"
    return f"{nodes[0].name} and {len(nodes) - 1} more {where}"


def _cell(matrix: Matrix, source: str, target: str) -> str:
    if not matrix.concerns(source, target):
        return NOT_HERE
    tcp = matrix.cell(source, target)
    others = [(name, matrix.cell(source, target, name)) for name in ("udp", "icmp")]
    return " ".join([str(tcp), *(f"{name} {text(cell.possible)}" for name, cell in others if cell.possible != NONE)])


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)


def _ways(matrix: Matrix, together: dict[str, list[Node]], targets: dict[str, str]) -> Iterator[str]:
    """Only of what leaves the VPC or goes through an endpoint: inside there is one way."""
    for label, (source, *_) in together.items():
        met = {told: name for told, name in targets.items() if matrix.concerns(source.name, name)}
        ways = {told: sorted(matrix.cell(source.name, name).by) for told, name in met.items()}
        left = [f"{told} by {', '.join(by)}" for told, by in ways.items() if by not in ([], ["the VPC"])]
        if left:
            yield f"{label} -> {'; '.join(left)}"


def _layer(title: str, passages: Iterable[Passage]) -> Iterator[str]:
    """Only what is open, by source and ports."""
    opened: dict[tuple[str, str], list[str]] = {}
    for passage in passages:
        if passage.cell.possible:
            opened.setdefault((passage.source, str(passage.cell)), []).append(passage.target)
    yield f"{title}:"
    yield from (f"  {source} -> {', '.join(targets)}: {told}" for (source, told), targets in opened.items())
