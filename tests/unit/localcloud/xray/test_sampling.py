"""Which requests are traced is decided as X-Ray decides it."""

import pytest

from localcloud.xray.sampling import DEFAULT, EVERYTHING, NOTHING, Rule, Sampler

ARN = "arn:aws:lambda:us-east-1:000000000000:function:process"


def share(sampler, of, service="process"):
    return sum(sampler.decide(service=service, arn=ARN) for _ in range(of))


def chances(*values):
    """Random numbers that are not."""
    return iter(values * 100).__next__


def test_the_default_takes_one_a_second_and_five_percent_of_the_others():
    time = [100.0]
    sampler = Sampler([], now=lambda: time[0], chance=chances(*(n / 100 for n in range(100))))
    assert share(sampler, 101) == 1 + 5
    time[0] += 1
    assert share(sampler, 101) == 1 + 5


@pytest.mark.parametrize(("rule", "expected"), [(EVERYTHING, 50), (NOTHING, 0)])
def test_all_or_nothing_can_be_traced(rule, expected):
    assert share(Sampler([rule]), 50) == expected


def test_the_first_rule_that_matches_decides():
    rules = [
        Rule("late", priority=20, rate=0.0, reservoir=0),
        Rule("quiet", priority=5, rate=0.0, reservoir=0, service="sweep"),
        Rule("functions", priority=10, rate=1.0, reservoir=0, kind="AWS::Lambda::*", arn="arn:aws:lambda:*:function:*"),
    ]
    sampler = Sampler(rules)
    assert (share(sampler, 10, "process"), share(sampler, 10, "sweep")) == (10, 0)
    assert [rule.name for rule in sampler.rules] == ["quiet", "functions", "late", "Default"]


@pytest.mark.parametrize("field", ["host", "method", "path"])
def test_a_rule_for_http_does_not_match_an_invocation(field):
    rule = Rule("http", priority=1, rate=1.0, reservoir=0, **{field: "x*"})
    assert share(Sampler([rule, NOTHING]), 10) == 0


def test_a_client_gets_the_targets_of_the_rules_that_it_reports():
    sampler = Sampler([Rule("mine", priority=1, rate=0.5, reservoir=7)], now=lambda: 100.9)
    assert sampler.targets(["mine", "gone"]) == [
        {"RuleName": "mine", "FixedRate": 0.5, "ReservoirQuota": 7, "ReservoirQuotaTTL": 110, "Interval": 10}
    ]
    assert [rule["SamplingRule"]["RuleName"] for rule in map(Rule.record, sampler.rules)] == ["mine", DEFAULT.name]
