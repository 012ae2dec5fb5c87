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
    settings = from_env({**ENV, "COINS": "bitcoin, dai,,", "SOURCE_TIMEOUT_S": "2.5", "LOG_LEVEL": "debug"})
    assert (settings.coins, settings.source_timeout_s, settings.log_level) == (("bitcoin", "dai"), 2.5, "DEBUG")
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
