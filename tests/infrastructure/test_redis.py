"""Redis as the template makes it, and what the functions' user may do there, tried on a real one."""

from __future__ import annotations

import re

import pytest
import redis
from redis.exceptions import NoPermissionError

from tests.functions_user import access_string, as_functions_user
from tests.infrastructure.kinds import of_type, resources_with


def test_redis_speaks_tls_only_and_forgets_nothing_under_pressure(resources):
    for cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").values():
        assert cache["Engine"] == "valkey"
        assert cache["TransitEncryptionEnabled"] is cache["AtRestEncryptionEnabled"] is True
        assert cache["TransitEncryptionMode"] == "required"
        parameters = resources[cache["CacheParameterGroupName"]["Ref"]]["Properties"]
        assert parameters["Properties"]["maxmemory-policy"] == "noeviction"
        assert parameters["CacheParameterGroupFamily"] == f"valkey{cache['EngineVersion'].partition('.')[0]}"


def test_elasticache_takes_the_names_that_tokens_are_signed_for(assembled, transformed):
    """Lower case and 40 characters at most, with the longest prefix too."""
    longest = assembled.template["Parameters"]["NamePrefix"]["MaxLength"]
    resources = resources_with(assembled, transformed, NamePrefix="p" * (longest - 1) + "-")
    named = (
        ("AWS::ElastiCache::ReplicationGroup", "ReplicationGroupId"),
        ("AWS::ElastiCache::User", "UserId"),
        ("AWS::ElastiCache::UserGroup", "UserGroupId"),
    )
    for kind, where in named:
        for properties in of_type(resources, kind).values():
            assert re.fullmatch(r"[a-z](-?[a-z0-9])*", properties[where]), properties[where]
            assert len(properties[where]) <= 40, properties[where]


def test_redis_takes_one_user_by_iam_and_nobody_without_a_name(resources):
    (cache,) = of_type(resources, "AWS::ElastiCache::ReplicationGroup").values()
    (group,) = cache["UserGroupIds"]
    users = [resources[user["Ref"]]["Properties"] for user in resources[group["Ref"]]["Properties"]["UserIds"]]
    unnamed, ours = sorted(users, key=lambda user: user["UserName"] != "default")
    assert unnamed["UserName"] == "default"
    assert unnamed["AccessString"].split() == ["off", "~*", "-@all"]
    assert ours["AuthenticationMode"] == {"Type": "iam"}
    assert ours["UserId"] == ours["UserName"], "IAM wants the same"
    assert not {"Passwords", "NoPasswordRequired"} & ours.keys()


def test_slow_scripts_are_seen(resources):
    for cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup").values():
        (log,) = (log for log in cache["LogDeliveryConfigurations"] if log["LogType"] == "slow-log")
        assert log["LogFormat"] == "json"
        assert log["DestinationDetails"]["CloudWatchLogsDetails"]["LogGroup"]["Ref"] in resources


DANGEROUS = (
    *("FLUSHALL", "FLUSHDB", "KEYS *", "SWAPDB 0 1", "SAVE", "MIGRATE h 1 k 0 1"),
    *(
        "CONFIG GET *",
        "CONFIG SET maxmemory 1",
        "ACL LIST",
        "CLIENT LIST",
        "MODULE LIST",
        "FUNCTION LIST",
        "SLOWLOG GET",
    ),
    *("MONITOR", "SCRIPT FLUSH", "REPLICAOF NO ONE", "SHUTDOWN"),
)


@pytest.mark.parametrize("command", DANGEROUS)
def test_the_functions_user_can_neither_see_nor_change_the_server(redis_url, command):
    """That it can do all that the code asks of it is shown by the contract tests, which run as this user."""
    with redis.Redis.from_url(as_functions_user(redis_url)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())


def test_a_script_can_do_no_more_than_its_user(redis_url):
    with (
        redis.Redis.from_url(as_functions_user(redis_url)) as client,
        pytest.raises(redis.ResponseError, match="ACL failure"),
    ):
        client.eval("return redis.call('FLUSHALL')", 0)


def test_the_access_string_begins_with_nothing_allowed():
    words = access_string().split()
    assert words[:3] == ["on", "~*", "-@all"]
    assert "-@dangerous" in words
    assert {word for word in words if word.startswith("+@")} == {"+@read", "+@write", "+@connection"}
