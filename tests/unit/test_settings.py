"""Settings are read once, and everything that is wrong is said at once."""

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import _OPTIONAL, _REQUIRED, DEFAULT_THRESHOLDS, DEFAULT_TIERS, FILTER_RUNGS, RATES, from_env

ENV = {name: name.lower() for name in _REQUIRED}


def test_what_is_required_is_read_under_its_name():
    settings = from_env(ENV)
    assert (settings.region, settings.redis_url, settings.stage) == ("aws_region", "redis_url", "stage")


def test_what_is_optional_has_a_default_and_is_converted():
    settings = from_env(
        {**ENV, "COINS": "bitcoin, dai,,", "SOURCE_TIMEOUT_S": "2.5", "LOG_LEVEL": "debug", "LOG_SAMPLE_RATE": "0.01"}
    )
    assert (settings.coins, settings.source_timeout_s, settings.log_level) == (("bitcoin", "dai"), 2.5, "DEBUG")
    assert (settings.log_sample_rate, from_env(ENV).log_sample_rate) == (0.01, 0.0)
    assert from_env(ENV).posts_per_job == from_env({**ENV, "POSTS_PER_JOB": ""}).posts_per_job == 500
    assert from_env({**ENV, "YIELD_MIN_TVL_USD": "5e6"}).yield_min_tvl_usd == Decimal(5_000_000)


def test_one_error_names_every_bad_variable():
    env = {**ENV, "REDIS_URL": "", "POSTS_PER_JOB": "many", "DELIVER_ATTEMPTS": "0", "LOG_LEVEL": "LOUD"}
    del env["STAGE"]
    with pytest.raises(SettingsError) as caught:
        from_env(env)
    for name in ("STAGE", "REDIS_URL", "POSTS_PER_JOB", "DELIVER_ATTEMPTS", "LOG_LEVEL"):
        assert name in str(caught.value)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x"])
def test_a_time_is_a_number_above_zero(value):
    with pytest.raises(SettingsError):
        from_env({**ENV, "SOURCE_TIMEOUT_S": value})


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "often"])
def test_a_share_is_a_number_from_0_to_1(value):
    with pytest.raises(SettingsError):
        from_env({**ENV, "LOG_SAMPLE_RATE": value})


def test_a_switch_is_off_unless_it_is_on():
    assert not from_env(ENV).webhooks_to_private_addresses
    assert not from_env({**ENV, "WEBHOOKS_TO_PRIVATE_ADDRESSES": "off"}).webhooks_to_private_addresses
    assert from_env({**ENV, "WEBHOOKS_TO_PRIVATE_ADDRESSES": "on"}).webhooks_to_private_addresses
    with pytest.raises(SettingsError, match="must be on or off"):
        from_env({**ENV, "WEBHOOKS_TO_PRIVATE_ADDRESSES": "true"})


def test_every_variable_is_a_setting():
    settings = from_env(ENV)
    names = {"region" if name == "AWS_REGION" else name.lower() for name in (*_REQUIRED, *_OPTIONAL)}
    assert [name for name in names if not hasattr(settings, name)] == []


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        from_env(ENV).stage = "other"


def test_ids_are_remembered_for_longer_than_a_message_lives():
    assert from_env(ENV).applied_seconds > 4 * 3600


def test_tiers_thresholds_and_rungs_agree_with_the_protocol():
    assert set(DEFAULT_TIERS) == {"free", "pro", "enterprise"}
    assert all(tier.fastest_rate in RATES for tier in DEFAULT_TIERS.values())
    assert set(DEFAULT_THRESHOLDS) == {"price", "tvl", "peg", "yield", "feed", "alerts"}
    assert sorted(FILTER_RUNGS, key=Decimal) == list(FILTER_RUNGS)


def test_a_login_to_redis_is_whole_and_over_tls():
    """A user alone signs for nothing, and a token in the clear is a password in the clear."""
    whole = {**ENV, "REDIS_URL": "rediss://redis:6379/0", "REDIS_USER": "functions", "REDIS_GROUP": "stream"}
    assert (from_env(whole).redis_user, from_env(whole).redis_group) == ("functions", "stream")
    for wrong in ({"REDIS_USER": ""}, {"REDIS_GROUP": ""}, {"REDIS_URL": "redis://redis:6379/0"}):
        with pytest.raises(SettingsError, match="REDIS_"):
            from_env({**whole, **wrong})


@pytest.mark.parametrize(
    "pair", [("ORIGIN_SECRET_A_ID", "ORIGIN_SECRET_B_ID"), ("DISTRIBUTION_ID", "ORIGIN_WEB_ACL_ARN")]
)
def test_what_guards_the_origins_comes_in_pairs(pair):
    """One origin secret alone could not be rotated without refusing callers."""
    assert from_env({**ENV, **dict.fromkeys(pair, "x")})
    for name in pair:
        with pytest.raises(SettingsError, match=" and ".join(pair)):
            from_env({**ENV, name: "x"})


def test_origins_are_guarded_by_both_secrets_or_not_at_all():
    both = {"ORIGIN_SECRET_A_ID": "arn:a", "ORIGIN_SECRET_B_ID": "arn:b"}
    assert from_env({**ENV, **both}).origin_secret_ids == ("arn:a", "arn:b")
    assert from_env(ENV).origin_secret_ids == ()


def test_what_leads_to_the_database_comes_together():
    env = {**ENV, "DATABASE_HOST": "db", "DATABASE_NAME": "defi_stream", "DATABASE_SECRET_ID": "owner"}
    assert (from_env(env).database_port, from_env(env).database_sslmode) == (5432, "verify-full")
    assert from_env(ENV).database_host == ""
    with pytest.raises(SettingsError, match=r"DATABASE_NAME is missing; DATABASE_SECRET_ID is missing"):
        from_env({**ENV, "DATABASE_HOST": "db"})
    with pytest.raises(SettingsError, match=r"DATABASE_SSLMODE='prefer' is wrong"):
        from_env({**env, "DATABASE_SSLMODE": "prefer"})  # it would go on without TLS


def test_functions_that_do_not_own_the_database_log_in_as_a_user_of_their_own():
    env = {**ENV, "DATABASE_HOST": "db", "DATABASE_NAME": "defi_stream", "DATABASE_USER": "defi_stream"}
    assert from_env(env).database_user == "defi_stream"
    with pytest.raises(SettingsError, match=r"DATABASE_HOST is missing"):
        from_env({**ENV, "DATABASE_NAME": "defi_stream", "DATABASE_USER": "defi_stream"})


def test_all_of_history_or_at_least_two_months_of_it_are_kept():
    """The month that has just begun holds too little to be all there is."""
    assert from_env({**ENV, "HISTORY_MONTHS": "0"}).history_months == 0
    for months in ("1", "-3", "x"):
        with pytest.raises(SettingsError, match="HISTORY_MONTHS"):
            from_env({**ENV, "HISTORY_MONTHS": months})
