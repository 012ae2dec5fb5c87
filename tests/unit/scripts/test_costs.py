"""The cost model, on small templates of its own."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from scripts import cost_report
from scripts.costs import prices as price_table
from scripts.costs.lines import Charge, priced
from scripts.costs.model import compare, estimate
from scripts.costs.prices import EVIDENCE, MONTH_HOURS, MONTH_SECONDS, Price, UnpricedError
from scripts.costs.resources import FREE, STANDING, USED, standing
from scripts.costs.template import Template
from scripts.costs.traffic import STAGES, Traffic, flows, pushes
from scripts.costs.usage import usage

PRICES = price_table.load()
TRAFFIC = Traffic(connections=Decimal(10_000), updates_per_second=Decimal(5))


def function(handler, memory=1024):
    properties = {"Handler": f"app.{handler}", "MemorySize": memory, "Architectures": ["arm64"]}
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def reader(function_id, concurrency=10):
    properties = {"FunctionName": {"Ref": function_id}, "ScalingConfig": {"MaximumConcurrency": concurrency}}
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}


def deliver_only(concurrency=10):
    return Template({"Deliver": function("deliver"), "Source": reader("Deliver", concurrency)})


def monthly(resources):
    charges, _ = standing(resources)
    return sum((line.monthly_usd for line in priced(charges, PRICES)), Decimal(0))


def resource(kind, **properties):
    return {"It": {"Type": kind, "Properties": properties}}


# --- prices ---


def test_every_price_says_where_and_when_it_was_read():
    for price in PRICES.prices.values():
        assert price.evidence in EVIDENCE
        assert len(price.source) > 5
        assert price.date >= date(2025, 11, 23)
        assert all(usd > 0 for _, usd in price.tiers)


def test_a_price_that_nobody_looked_up_says_so():
    assert {p.name for p in PRICES.prices.values() if "memory" in p.source} == {
        p.name for p in PRICES.prices.values() if p.evidence == "memory"
    }


def test_a_missing_price_is_named():
    with pytest.raises(UnpricedError, match="quantum-hour"):
        PRICES["quantum-hour"]


@pytest.mark.parametrize(
    ("quantity", "usd"), [("0", "0"), ("10", "10"), ("15", "12.5"), ("100", "55"), ("110", "55.5")]
)
def test_each_unit_costs_what_its_tier_says(quantity, usd):
    """Ten at a dollar, ninety at fifty cents, the others at five."""
    tiers = ((Decimal(10), Decimal(1)), (Decimal(100), Decimal("0.5")), (None, Decimal("0.05")))
    price = Price("it", "unit", tiers, "a page", date(2026, 1, 1), "price-list")
    assert price.cost(Decimal(quantity)) == Decimal(usd)


def test_a_tier_counts_once_for_all_charges_of_its_kind():
    """A billion messages of two functions reach the second tier together."""
    half = Charge("API Gateway", "messages", Decimal(750_000_000), "websocket-message")
    (line,) = priced([half, half], PRICES)
    assert line.monthly_usd == Decimal(1000) + Decimal(400)


# --- what exists ---


def test_an_interface_endpoint_costs_in_each_of_its_zones():
    two = monthly(resource("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"]))
    assert two == 2 * MONTH_HOURS * Decimal("0.01")
    assert monthly(resource("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway")) == 0


def database(**changed):
    properties = {
        "DBInstanceClass": "db.t4g.medium",
        "Engine": "postgres",
        "StorageType": "gp3",
        "AllocatedStorage": 30,
    }
    return resource("AWS::RDS::DBInstance", **{**properties, **changed})


def test_a_database_in_two_zones_costs_twice_as_much():
    assert monthly(database(MultiAZ=True)) == 2 * monthly(database(MultiAZ=False))


def test_the_secret_that_a_database_makes_for_itself_is_counted():
    assert monthly(database(ManageMasterUserPassword=True)) - monthly(database()) == Decimal("0.40")


def test_a_size_without_a_price_is_an_error():
    with pytest.raises(UnpricedError, match=r"db\.x99\.huge"):
        monthly(database(DBInstanceClass="db.x99.huge"))


@pytest.mark.parametrize(
    ("shape", "nodes"), [({"NumCacheClusters": 2}, 2), ({"NumNodeGroups": 3, "ReplicasPerNodeGroup": 1}, 6), ({}, 1)]
)
def test_a_cache_costs_by_the_node(shape, nodes):
    cache = resource("AWS::ElastiCache::ReplicationGroup", CacheNodeType="cache.t4g.small", Engine="valkey", **shape)
    assert monthly(cache) == nodes * MONTH_HOURS * Decimal("0.0256")


def test_an_alarm_costs_by_the_metric_and_by_its_resolution():
    stat = {"MetricStat": {"Period": 60}}
    two = {"Metrics": [stat, stat, {"Expression": "m1/m2"}]}
    assert monthly(resource("AWS::CloudWatch::Alarm", **two)) == Decimal("0.20")
    assert monthly(resource("AWS::CloudWatch::Alarm", Period=60)) == Decimal("0.10")
    assert monthly(resource("AWS::CloudWatch::Alarm", Period=10)) == Decimal("0.30")


def test_a_type_that_the_model_does_not_know_is_an_error_and_never_free():
    with pytest.raises(UnpricedError, match=r"It \(AWS::Quantum::Computer\)"):
        standing(resource("AWS::Quantum::Computer"))


def test_a_type_is_in_one_table_only():
    tables = [set(STANDING), set(USED), set(FREE)]
    assert sum(map(len, tables)) == len(set.union(*tables))


def test_what_is_free_is_listed():
    _, free = standing({**resource("AWS::EC2::Subnet"), "Schema": {"Type": "Custom::DatabaseSchema"}})
    assert free == {"AWS::EC2::Subnet": ["It"], "Custom::DatabaseSchema": ["Schema"]}


# --- what is used ---


def test_a_function_of_which_nothing_is_assumed_is_an_error():
    with pytest.raises(UnpricedError, match="Mystery"):
        list(usage(Template({"Mystery": function("mystery")}), STAGES["dev"]))


def test_a_queue_of_which_nothing_is_assumed_is_an_error():
    with pytest.raises(UnpricedError, match="the queue of Poll"):
        list(usage(Template({"Poll": function("poll"), "Source": reader("Poll")}), STAGES["dev"]))


def test_a_reader_is_found_through_its_alias():
    alias = {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Deliver"}}}
    template = Template({"Deliver": function("deliver"), "DeliverLive": alias, "Source": reader("DeliverLive")})
    assert list(template.readers) == ["Deliver"]


def test_more_memory_costs_more():
    small, large = (
        sum(
            charge.quantity
            for charge in usage(Template({"Poll": function("poll", memory)}), STAGES["dev"])
            if charge.what == "compute, arm64"
        )
        for memory in (512, 1024)
    )
    assert large == 2 * small


def test_what_viewers_get_goes_through_cloudfront_if_there_is_one():
    edge = {"Edge": {"Type": "AWS::CloudFront::Distribution", "Properties": {}}}
    without, behind = ({charge.price for charge in usage(Template(r), STAGES["dev"])} for r in ({}, edge))
    assert "internet-gb" in without - behind
    assert "cloudfront-gb" in behind - without


def test_nothing_connected_costs_nothing_to_push():
    nobody = replace(TRAFFIC, connections=Decimal(0))
    assert all(load.monthly_usd == 0 for load in compare(deliver_only(), nobody, PRICES))


# --- loads ---


def test_alone_every_update_is_a_message():
    alone = pushes(replace(TRAFFIC, rate_s=Decimal(0)))
    assert alone.posts_per_second == 50_000


@pytest.mark.parametrize("rate_s", [1, 5, 15, 60])
def test_coalesced_a_socket_gets_one_message_an_interval(rate_s):
    assert pushes(replace(TRAFFIC, rate_s=Decimal(rate_s))).posts_per_second == Decimal(10_000) / rate_s


def test_a_rate_faster_than_the_updates_changes_nothing():
    slow = replace(TRAFFIC, updates_per_second=Decimal("0.1"))
    assert pushes(replace(slow, rate_s=Decimal(5))) == pushes(replace(slow, rate_s=Decimal(0)))


def test_a_frame_carries_each_topic_once_at_most():
    """However long the interval, the newest values of 25 topics are 25 updates."""
    frames = [pushes(replace(TRAFFIC, rate_s=Decimal(rate))).frame_bytes for rate in (1, 5, 60, 6000)]
    assert frames == sorted(frames)
    assert frames[-1] <= 80 + 25 * 300


def test_a_message_is_billed_by_32_kilobytes():
    wide = replace(TRAFFIC, topics=Decimal(1000), rate_s=Decimal(60))
    assert pushes(wide).units_per_post == 3


def test_a_message_a_second_to_ten_thousand_sockets_costs_21_thousand_dollars():
    every_second = compare(deliver_only(), TRAFFIC, PRICES)[1]
    messages = next(line for line in every_second.lines if line.price == "websocket-message")
    assert messages.quantity >= 10_000 * MONTH_SECONDS
    assert 21_000 < messages.monthly_usd < 21_500


def test_every_slower_rate_is_cheaper():
    totals = [load.monthly_usd for load in compare(deliver_only(), TRAFFIC, PRICES)]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > 15 * totals[2]


def test_a_load_that_cannot_be_done_is_marked():
    warnings = [load.warning for load in compare(deliver_only(), TRAFFIC, PRICES)]
    assert warnings[0].startswith("5.0 times the account's quota")
    assert warnings[1].startswith("1.0 times the account's quota")
    assert warnings[2:] == ["", "", ""]


def test_a_load_that_deliver_cannot_keep_up_with_is_marked():
    every_5_s = compare(deliver_only(concurrency=2), TRAFFIC, PRICES)[2]
    assert "its queue grows" in every_5_s.warning


def test_the_pace_of_deliver_is_its_stages():
    slower = function("deliver")
    slower["Properties"]["Environment"] = {"Variables": {"DELIVER_POSTS_PER_S": "100"}}
    template = Template({"Deliver": slower, "Source": reader("Deliver")})
    assert compare(template, TRAFFIC, PRICES)[2].capacity == 1000
    assert compare(deliver_only(), TRAFFIC, PRICES)[2].capacity == 7000


def test_a_longer_life_of_data_keys_saves_requests_to_kms():
    def asked(**properties):
        queue = resource("AWS::SQS::Queue", KmsMasterKeyId="key", **properties)
        return sum(charge.quantity for charge in usage(Template(queue), STAGES["dev"]) if charge.service == "KMS")

    assert asked() == 12 * asked(KmsDataKeyReusePeriodSeconds=3600)


def test_a_client_that_hears_nothing_pings():
    silent = Traffic(connections=Decimal(100), updates_per_second=Decimal("0.001"))
    chatty = replace(silent, updates_per_second=Decimal(1))
    pings = [flows(traffic, pushes(traffic)).commands for traffic in (silent, chatty)]
    assert pings[0] - pings[1] == 100 * MONTH_SECONDS / 120


# --- the command ---


@pytest.fixture
def command(monkeypatch, capsys):
    monkeypatch.setattr(cost_report, "template_of", lambda stage: deliver_only())

    def run(*arguments):
        code = cost_report.main(arguments)
        return code, capsys.readouterr()

    return run


def test_the_estimate_ends_in_the_sum_of_its_lines(command):
    code, out = command("--estimate", "dev", "--json")
    told = json.loads(out.out)["estimate"]
    exact = estimate("dev", deliver_only(), STAGES["dev"], PRICES)
    assert code == 0
    assert Decimal(told["monthly_usd"]) == exact.monthly_usd.quantize(Decimal("0.01"))
    assert sum(line.monthly_usd for line in exact.lines) == exact.monthly_usd == sum(exact.by_service().values())


def test_a_load_is_compared_at_every_rate(command):
    _, out = command("--connections", "10,000", "--updates-per-second", "5", "--json")
    assert [load["rate_s"] for load in json.loads(out.out)["load"]] == [0, 1, 5, 15, 60]


def test_the_text_says_what_is_assumed_and_what_is_left_out(command):
    _, out = command("--estimate", "dev", "--connections", "7")
    assert "7 sockets open" in out.out
    assert "free tiers" in out.out
    assert "every 5 s" in out.out


def test_what_is_not_priced_is_said_and_fails(command, monkeypatch):
    monkeypatch.setattr(cost_report, "template_of", lambda stage: Template(resource("AWS::Quantum::Computer")))
    code, out = command("--estimate", "dev")
    assert code == 1
    assert "AWS::Quantum::Computer" in out.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--estimate", "moon"],
        ["--connections", "many"],
        ["--connections", "5", "--topics", "0.5"],
        ["--connections", "-1"],
        ["--connections", "5", "--free"],
        ["--connections", "nan"],
    ],
)
def test_a_command_that_makes_no_sense_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cost_report.parse(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
