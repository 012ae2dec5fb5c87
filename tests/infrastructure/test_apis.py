"""The WebSocket API and the REST API: who is let in, what is answered, logged and throttled."""

from __future__ import annotations

import json
import re

from tests.infrastructure.kinds import of_type
from tests.infrastructure.lambdas import alias_of, functions, references, settings_of

ACCOUNT_QUOTA = 10_000  # requests a second of all APIs and of @connections


# --- the WebSocket API ---


def test_connecting_needs_the_authorizer_and_the_authorizer_needs_no_certain_header(resources):
    (name,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer")
    properties = resources[name]["Properties"]
    assert (properties["AuthorizerType"], properties["IdentitySource"]) == ("REQUEST", [])
    assert list(references(properties["AuthorizerUri"])) == [alias_of("Authorize")]
    routes = {route["RouteKey"]: route for route in of_type(resources, "AWS::ApiGatewayV2::Route").values()}
    assert routes.keys() == {"$connect", "$default", "$disconnect"}
    assert routes["$connect"]["AuthorizationType"] == "CUSTOM"
    assert routes["$connect"]["AuthorizerId"] == {"Ref": name}


def test_api_gateway_may_call_the_authorizer_as_this_authorizer_only(resources):
    (name,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer")
    sources = {
        permission["SourceArn"]["Fn::Sub"].partition(":123456789012:")[2]
        for permission in of_type(resources, "AWS::Lambda::Permission").values()
        if permission["FunctionName"] == {"Ref": alias_of("Authorize")}
    }
    assert sources == {f"${{WebsocketAPI}}/authorizers/${{{name}}}"}


def test_replies_to_commands_go_back_to_the_client(resources):
    (response,) = of_type(resources, "AWS::ApiGatewayV2::RouteResponse").values()
    (route,) = references(response["RouteId"])
    assert resources[route]["Properties"]["RouteKey"] == "$default"
    assert resources[route]["Properties"]["RouteResponseSelectionExpression"] == "$default"
    assert response["RouteResponseKey"] == "$default"


def test_each_route_may_call_its_own_function_on_the_one_stage(resources):
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        integration = next(one for one in references(route["Target"]) if one in resources)
        (alias,) = references(resources[integration]["Properties"]["IntegrationUri"])
        (permission,) = (
            one
            for one in of_type(resources, "AWS::Lambda::Permission").values()
            if one["FunctionName"] == {"Ref": alias}
        )
        ends = f"${{WebsocketAPI}}/{stage['StageName']}/{route['RouteKey']}"
        assert permission["SourceArn"]["Fn::Sub"].endswith(ends)


# --- both APIs ---


def test_every_stage_logs_one_line_of_json_a_request(resources):
    (sockets,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    (rest,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    for logging in (sockets["AccessLogSettings"], rest["AccessLogSetting"]):
        assert "\n" not in logging["Format"]
        fields = json.loads(logging["Format"])
        assert {"requestId", "status", "ip", "error"} <= fields.keys()
        assert not re.search(r"header|querystring|authorizer\.(token|claims)|body", logging["Format"], re.IGNORECASE)
        (group,) = references(logging["DestinationArn"])
        assert resources[group]["Type"] == "AWS::Logs::LogGroup"


def test_no_stage_logs_what_is_in_a_request(resources):
    (sockets,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    (rest,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    for settings in (sockets["DefaultRouteSettings"], *rest["MethodSettings"]):
        assert settings["DataTraceEnabled"] is False
        assert settings["LoggingLevel"] == "OFF"


def test_a_stage_waits_for_the_role_that_it_logs_with(resources):
    (account,) = of_type(resources, "AWS::ApiGateway::Account")
    for kind in ("AWS::ApiGatewayV2::Stage", "AWS::ApiGateway::RestApi"):
        (resource,) = of_type(resources, kind).values()
        assert account in references(resource["Description"])


def test_both_apis_are_throttled_and_leave_deliver_its_share_of_the_quota(resources):
    (sockets,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    (rest,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    (everything,) = rest["MethodSettings"]
    assert (everything["ResourcePath"], everything["HttpMethod"]) == ("/*", "*")
    taken = sockets["DefaultRouteSettings"]["ThrottlingRateLimit"] + everything["ThrottlingRateLimit"]
    assert 0 < taken <= 0.3 * ACCOUNT_QUOTA
    mapping = next(
        one
        for one in of_type(resources, "AWS::Lambda::EventSourceMapping").values()
        if one["FunctionName"] == {"Ref": alias_of("Deliver")}
    )
    workers = mapping["ScalingConfig"]["MaximumConcurrency"]
    assert workers * settings_of(functions(resources)["Deliver"]).deliver_posts_per_s <= 0.7 * ACCOUNT_QUOTA


def test_the_rest_api_is_regional_strict_and_as_new_as_cloudfront_can_speak_to(resources):
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    properties = api
    assert properties["EndpointConfiguration"]["Types"] == ["REGIONAL"]
    assert properties["SecurityPolicy"] == "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
    assert properties["EndpointAccessMode"] == "STRICT"


def test_the_rest_api_has_one_stage_and_it_is_traced(resources):
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert (stage["StageName"], stage["TracingEnabled"]) == ("api", True)
