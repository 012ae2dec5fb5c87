"""Log groups, saved queries, sampling rules and groups of traces, on the merged template of every stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.packaging.assemble import assemble
from tests.infrastructure.insights import events_of, fields_of, flat_names
from tests.infrastructure.kinds import of_type
from tests.infrastructure.lambdas import functions

CODE = Path(__file__).resolve().parents[2] / "chalicelib"


@pytest.fixture
def queries(resources):
    return of_type(resources, "AWS::Logs::QueryDefinition")


def test_every_function_is_in_every_query(resources, queries):
    groups = {one["LoggingConfig"]["LogGroup"]["Ref"] for one in functions(resources).values()}
    for query in queries.values():
        assert {group["Ref"] for group in query["LogGroupNames"]} == groups, query["Name"]


def test_there_is_a_query_for_each_question_of_an_engineer_on_call(queries):
    names = {query["Name"].rpartition("/")[2] for query in queries.values()}
    assert names == {
        "errors by function",
        "slowest invocations",
        "one connection's life",
        "one change's way through all functions",
        "dead letters",
        "cold starts",
    }


def test_queries_ask_for_events_that_the_code_writes(queries):
    code = "\n".join(path.read_text() for path in CODE.rglob("*.py"))
    asked = set().union(*(events_of(query["QueryString"]) for query in queries.values()))
    assert asked
    assert [event for event in sorted(asked) if f'"{event}"' not in code] == []


def test_logs_are_kept_as_long_as_the_stage_says(resources, assembled):
    default = assembled.template["Parameters"]["LogRetentionDays"]["Default"]
    days = int(assembled.parameters.get("LogRetentionDays", default))
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert groups
    assert {name: group["RetentionInDays"] for name, group in groups.items()} == dict.fromkeys(groups, days)


def test_only_production_samples_details(resources, stage):
    rates = {one["Environment"]["Variables"]["LOG_SAMPLE_RATE"] for one in functions(resources).values()}
    assert rates == {0.01 if stage == "production" else 0}


def test_sampling_rules_name_the_rest_stage_that_exists(resources):
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] is True
    rules = [rule["SamplingRule"] for rule in of_type(resources, "AWS::XRay::SamplingRule").values()]
    assert {rule["ServiceName"] for rule in rules} == {f"{api['Name']}/{stage['StageName']}"}


def test_the_rule_for_health_comes_before_the_one_for_everything(resources):
    rules = [rule["SamplingRule"] for rule in of_type(resources, "AWS::XRay::SamplingRule").values()]
    first, last = sorted(rules, key=lambda rule: rule["Priority"])
    assert (first["URLPath"], first["FixedRate"], first["ReservoirSize"]) == ("*/v1/health", 0, 0)
    assert (last["URLPath"], last["ReservoirSize"]) == ("*", 1)


def test_a_stage_is_traced_as_much_as_it_is_worth(resources, stage):
    rule = resources["RestSampling"]["Properties"]["SamplingRule"]
    assert rule["FixedRate"] == (1 if stage == "dev" else 0.05)


def test_names_fit_into_what_x_ray_takes(resources):
    rules = [rule["SamplingRule"]["RuleName"] for rule in of_type(resources, "AWS::XRay::SamplingRule").values()]
    groups = [group["GroupName"] for group in of_type(resources, "AWS::XRay::Group").values()]
    assert [name for name in rules + groups if not 1 <= len(name) <= 32] == []


def test_groups_see_their_own_stage_only(resources, stage):
    names = {one["FunctionName"] for one in functions(resources).values()}
    for group in of_type(resources, "AWS::XRay::Group").values():
        expression = group["FilterExpression"]
        asked = {part.partition('"')[0] for part in expression.split('service("')[1:]}
        assert asked <= names, expression
        assert asked or f'annotation.stage = "{stage}"' in expression


def test_the_rules_can_be_read_with_the_parameters_alone():
    """The laptop's Lambda samples by them, without the rest of the template."""
    made = assemble("dev")
    rule = made.template["Resources"]["RestSampling"]["Properties"]["SamplingRule"]
    assert rule["FixedRate"] == {"Ref": "TracedShare"}
    assert float(made.parameters["TracedShare"]) == 1


def test_rules_and_groups_are_tagged_as_x_ray_wants_it(resources):
    for kind in ("AWS::XRay::Group", "AWS::XRay::SamplingRule"):
        for properties in of_type(resources, kind).values():
            assert {tag["Key"] for tag in properties["Tags"]} == {"Environment", "Service", "Version"}


# --- the reader of queries itself ---


def test_fields_are_told_from_words_functions_texts_and_what_is_computed():
    query = '# note\nfilter event in ["a_b"] and x.0 = 1 | stats latest(why) as last, count(*) as n by fn | sort n desc'
    assert fields_of(query) == {"event", "x.0", "why", "fn"}
    assert events_of(query) == {"a_b"}


def test_names_in_a_line_are_those_that_insights_finds():
    assert flat_names({"a": {"b": 1}, "c": ["x"]}) == {"a", "a.b", "c", "c.0"}
