"""No resource waits for itself: CloudFormation finds a cycle only when it deploys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.packaging.problems import Problem
from scripts.packaging.references import resource_names


def dependencies(resources: Mapping[str, Any]) -> dict[str, set[str]]:
    """What each resource waits for: what it refers to, and its DependsOn."""
    graph = {}
    for name, resource in resources.items():
        depends = resource.get("DependsOn", [])
        waits_for = resource_names(resource) | set([depends] if isinstance(depends, str) else depends)
        graph[name] = {other for other in waits_for if other in resources}
    return graph


def check_cycles(transformed: Mapping[str, Any], owners: Mapping[tuple[str, str], str]) -> Iterator[Problem]:
    """One problem for each cycle, naming every resource on the way round."""
    for cycle in _cycles(dependencies(transformed["Resources"])):
        names = " -> ".join([*cycle, cycle[0]])
        what = f"wait for each other: {names}; break it with a resource of its own, a literal name or Fn::Sub of one"
        yield Problem(owners.get(("Resources", cycle[0]), "SAM"), cycle[0], what)


def _cycles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Depth first, without recursion: a template may chain hundreds of resources. Each edge back closes a cycle."""
    done: set[str] = set()
    for start in sorted(graph):
        path: list[str] = []
        waiting: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            path, waiting = [start], [(start, iter(sorted(graph[start])))]
        while waiting:
            name, others = waiting[-1]
            other = next(others, None)
            if other is None:
                done.add(name)
                path.pop()
                waiting.pop()
            elif other in path:
                yield path[path.index(other) :]
            elif other not in done:
                path.append(other)
                waiting.append((other, iter(sorted(graph[other]))))
