"""Proof that the rules of the network can fail: whatever is opened is seen, and nothing in it is superfluous."""

import pytest

from tests.infrastructure.network_mutations import mutated, openings, removals
from tests.infrastructure.network_rules import breaches

NETWORK = ("AWS::EC2::", "AWS::Lambda::Function", "AWS::RDS::", "AWS::ElastiCache::", "AWS::Logs::")


@pytest.fixture(scope="module", params=["staging", "production"])  # dev's network is staging's, as the first test shows
def part(request, resolve_stage):
    """A stage, and what of its template the network's rules read: the rest only makes copies slower."""
    resources = resolve_stage(request.param)["Resources"]
    return request.param, {name: r for name, r in resources.items() if r["Type"].startswith(NETWORK)}


def unseen(part, mutations):
    """Names of the mutations that no rule notices, and how many there were."""
    stage, resources = part
    changed = [(name, copy) for name, change in mutations(resources) if (copy := mutated(resources, change))]
    return [name for name, copy in changed if next(breaches(copy, stage), None) is None], len(changed)


def test_what_is_mutated_is_in_order(part):
    stage, resources = part
    assert list(breaches(resources, stage)) == []


def test_whatever_is_opened_breaks_a_rule(part):
    missed, tried = unseen(part, openings)
    assert missed == []
    assert tried > 400


def test_nothing_in_the_network_is_superfluous(part):
    missed, tried = unseen(part, removals)
    assert missed == []
    assert tried > 35
