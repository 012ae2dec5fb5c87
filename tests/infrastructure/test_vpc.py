"""The VPC of every stage, by the rules of network_rules.py."""

import pytest

from scripts.packaging.transform import resolve
from tests.infrastructure import network_rules
from tests.infrastructure.network_wanted import Seen


@pytest.mark.parametrize("rule", network_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_network_keeps(rule, resources):
    assert list(rule(Seen(resources))) == []


def test_production_outlives_a_zone_and_others_save_money(resources, stage):
    assert list(network_rules.production_outlives_a_zone(Seen(resources), stage)) == []


def test_zones_can_be_chosen(assembled, transformed):
    """Lambda refuses subnets in some zones, and which letter such a zone has differs by account."""
    chosen = resolve(transformed, {**assembled.parameters, "ZoneA": "2", "ZoneB": "1"}, "us-east-1")["Resources"]
    zones = {name[-1]: chosen[name]["Properties"]["AvailabilityZone"] for name in ("PrivateSubnetA", "PrivateSubnetB")}
    assert zones == {"A": "us-east-1c", "B": "us-east-1b"}
    assert list(network_rules.both_zones_are_covered(Seen(chosen))) == []
