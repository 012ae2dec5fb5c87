"""Every function, and every way to it: a new one is held to the same without a new test."""

from __future__ import annotations

import re

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from chalicelib.adapters.schema import MIGRATIONS
from chalicelib.settings import Settings
from scripts.packaging.project import PROJECT
from tests.infrastructure.kinds import of_type
from tests.infrastructure.lambdas import alias_of, functions, references, settings_of

OUTSIDE_THE_VPC = {
    "Deliver",
    "Notify",  # whose webhooks must not be able to reach what is private
    "Rotate",
    "VerifyRelease",
}  # need nothing private: every byte of theirs would be billed by NAT
WITHOUT_ALIAS = {"Migrate", "VerifyRelease"}  # they come before the code that is shifted, not along with it


# --- every function ---


def test_every_entrance_of_the_app_is_a_function(resources):
    handlers = {function["Handler"] for function in functions(resources).values()}
    declared = set(re.findall(r"^def (\w+)\(", (PROJECT / "app.py").read_text(), re.MULTILINE))
    assert handlers == {f"app.{name}" for name in declared} | {"app.app"}


def test_every_function_runs_where_its_zip_was_made_for(resources):
    for name, properties in functions(resources).items():
        assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"]), name


def test_every_function_has_a_role_of_its_own(resources):
    roles = {name: next(references(function["Role"])) for name, function in functions(resources).items()}
    assert len(set(roles.values())) == len(roles)
    assert {resources[role]["Type"] for role in roles.values()} == {"AWS::IAM::Role"}


def test_every_function_is_traced(resources):
    untraced = [name for name, one in functions(resources).items() if one.get("TracingConfig") != {"Mode": "Active"}]
    assert untraced == []


def test_every_function_writes_to_the_group_of_its_name_which_ends_and_is_encrypted(resources, assembled):
    for name, properties in functions(resources).items():
        group = resources[properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert group["LogGroupName"] == f"/aws/lambda/{properties['FunctionName']}", name
        assert str(group["RetentionInDays"]) == assembled.parameters["LogRetentionDays"], name
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["LogsKey", "Arn"]}, name
        assert properties["LoggingConfig"]["LogFormat"] == "Text", f"{name} would wrap lines that are JSON in JSON"


def test_every_function_bears_the_stages_name(resources, assembled):
    names = [function["FunctionName"] for function in functions(resources).values()]
    assert len(set(names)) == len(names)
    assert all(name.startswith(assembled.parameters["NamePrefix"]) for name in names)


def test_all_but_four_functions_are_in_both_private_subnets_under_one_group(resources):
    for name, function in functions(resources).items():
        network = function.get("VpcConfig")
        if name in OUTSIDE_THE_VPC:
            assert network is None, name
        else:
            assert network == {
                "SubnetIds": [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}],
                "SecurityGroupIds": [{"Fn::GetAtt": ["LambdaSecurityGroup", "GroupId"]}],
            }, name


def test_every_function_has_settings_that_its_code_accepts(resources, stage):
    for name, function in functions(resources).items():
        settings = settings_of(function)
        assert settings.stage == stage, name
        assert settings.redis_url.startswith("rediss://"), name
        assert settings.redis_user, f"{name} would not log in to Redis"


def test_a_variable_that_no_setting_reads_is_not_set(resources):
    known = set(Settings.__dataclass_fields__)
    for name, function in functions(resources).items():
        unknown = {variable for variable in function["Environment"]["Variables"] if variable.lower() not in known}
        assert unknown == set(), name


def test_frames_are_posted_to_the_stage_that_sockets_are_on(resources):
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    url = resources["Deliver"]["Properties"]["Environment"]["Variables"]["CONNECTIONS_URL"]
    assert url == {"Fn::Sub": "https://${WebsocketAPI}.execute-api.us-east-1.amazonaws.com/" + stage["StageName"]}


def test_migrate_knows_the_database_by_the_names_that_it_has(resources):
    variables = resources["Migrate"]["Properties"]["Environment"]["Variables"]
    assert variables["DATABASE_NAME"] == resources["Database"]["Properties"]["DBName"]
    assert settings_of(functions(resources)["Migrate"]).database_sslmode == "verify-full"


# --- the alias ---


def test_every_function_has_a_live_alias_on_a_version(resources):
    aliases = of_type(resources, "AWS::Lambda::Alias")
    assert set(aliases) == {alias_of(name) for name in functions(resources).keys() - WITHOUT_ALIAS}
    for name in functions(resources).keys() - WITHOUT_ALIAS:
        properties = aliases[alias_of(name)]
        (version,) = references(properties["FunctionVersion"])
        assert (properties["Name"], properties["FunctionName"]) == ("live", {"Ref": name})
        assert resources[version]["Properties"]["FunctionName"] == {"Ref": name}


def test_nothing_calls_a_function_past_its_alias(resources):
    """Whatever names a function is a version, an alias or the setting of an alias, but for who calls one without."""
    own = {"AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig"}
    past = {
        (name, function)
        for name, resource in resources.items()
        if resource["Type"] not in own
        for function in set(references(resource)) & set(functions(resources))
    }
    assert past == {("DatabaseSchema", "Migrate"), ("CodeDeployRole", "VerifyRelease")}


def test_whoever_is_let_in_may_call_the_alias_only_and_is_bound_to_its_source(resources):
    for name, properties in of_type(resources, "AWS::Lambda::Permission").items():
        (alias,) = references(properties["FunctionName"])
        assert resources[alias]["Type"] == "AWS::Lambda::Alias", name
        assert properties.get("SourceArn") or properties.get("SourceAccount"), f"{name} lets in every account's"


# --- what calls by itself ---


def test_schedules_are_not_tried_again(resources):
    """In a minute the next call does the same on newer figures."""
    once = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    for name, rule in of_type(resources, "AWS::Events::Rule").items():
        (target,) = rule["Targets"]
        (alias,) = references(target["Arn"])
        assert target["RetryPolicy"] == once, name
        of_alias = [
            config
            for config in of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
            if alias_of(config["FunctionName"]["Ref"]) == alias
        ]
        assert [{key: config[key] for key in once} for config in of_alias] == [once], name
        assert of_alias[0]["Qualifier"] == "live"


def test_a_reserve_holds_all_that_its_queue_may_start(resources):
    """With less, Lambda would throttle the poller, and messages would end as dead letters unread."""
    for name, mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").items():
        alias = resources[mapping["FunctionName"]["Ref"]]["Properties"]
        function = functions(resources)[alias["FunctionName"]["Ref"]]
        reserve = function.get("ReservedConcurrentExecutions")
        bound = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        if reserve is not None:
            assert bound == reserve, name


def test_queues_cannot_take_the_whole_account(resources):
    for name, mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").items():
        assert mapping["ScalingConfig"]["MaximumConcurrency"] <= 50, name


def test_only_what_waits_may_feed_its_own_queue_for_ever(resources):
    """The next slot of a rate, the next timer of a rule, the next attempt at a receiver."""
    looping = {name for name, one in functions(resources).items() if one.get("RecursiveLoop") == "Allow"}
    assert looping == {"Tick", "Evaluate", "Notify"}
    assert settings_of(functions(resources)["Deliver"]).deliver_attempts < 16, (
        "Lambda ends a chain of sixteen as a loop"
    )


@pytest.mark.parametrize("region", ["eu-west-1", "ap-southeast-2"])
def test_a_function_posts_to_its_own_region(resolve_stage, region):
    url = resolve_stage("production", region)["Resources"]["Deliver"]["Properties"]["Environment"]["Variables"]
    assert f".execute-api.{region}." in url["CONNECTIONS_URL"]["Fn::Sub"]


# --- the database's schema ---


def test_the_schema_follows_the_newest_revision(resources):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert (
        resources["DatabaseSchema"]["Properties"]["Revision"] == ScriptDirectory.from_config(config).get_current_head()
    )


def test_cloudformation_waits_for_migrate_a_little_longer_than_it_can_take(resources):
    timeout = resources["Migrate"]["Properties"]["Timeout"]
    assert timeout < resources["DatabaseSchema"]["Properties"]["ServiceTimeout"] <= timeout + 60
    assert "NetworkReady" in resources["DatabaseSchema"]["DependsOn"]
