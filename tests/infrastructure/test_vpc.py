"""The VPC of every stage, by the rules of network_rules.py."""

import pytest

from tests.infrastructure import network_rules
from tests.infrastructure.network_wanted import Seen


@pytest.mark.parametrize("rule", network_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_network_keeps(rule, resources):
    assert list(rule(Seen(resources))) == []


def test_production_outlives_a_zone_and_others_save_money(resources, stage):
    assert list(network_rules.production_outlives_a_zone(Seen(resources), stage)) == []
