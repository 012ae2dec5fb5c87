"""What ministack's CloudFormation lacks, put in its place, and ministack itself: run by ministack's own interpreter.

A stand-in records the resource and answers its ``Ref`` and attributes with well-formed values; nothing works behind
it. It proves that the template is processed, not that the resource does anything, so whoever deploys lists them by
name. A type that is neither ministack's nor in this table is refused by ministack before anything is created.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StandIn:
    """``ref`` is the physical id. ``{id}`` is the resource's own 17 hexadecimal digits, ``{name}`` its logical id."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


# By type. What is not here because ministack makes it is none of ours; what it starts to make is to be taken out.
STAND_INS: Mapping[str, StandIn] = {
    "AWS::ApiGatewayV2::Deployment": StandIn("{id}", {"DeploymentId": "{id}"}),
    "AWS::ApiGatewayV2::RouteResponse": StandIn("{id}", {"RouteResponseId": "{id}"}),
    "AWS::Budgets::Budget": StandIn("{name}-{id}"),
    "AWS::CloudWatch::CompositeAlarm": StandIn("{name}-{id}", {"Arn": "arn:aws:cloudwatch:::alarm:{name}"}),
    "AWS::EC2::EIP": StandIn("198.51.100.1", {"AllocationId": "eipalloc-{id}", "PublicIp": "198.51.100.1"}),
    "AWS::EC2::FlowLog": StandIn("fl-{id}", {"Id": "fl-{id}"}),
    "AWS::EC2::NatGateway": StandIn("nat-{id}", {"NatGatewayId": "nat-{id}"}),
    "AWS::EC2::NetworkAcl": StandIn("acl-{id}", {"Id": "acl-{id}"}),
    "AWS::EC2::NetworkAclEntry": StandIn("{name}-{id}", {"Id": "{name}-{id}"}),
    "AWS::EC2::SecurityGroupEgress": StandIn("sgr-{id}", {"Id": "sgr-{id}"}),
    "AWS::EC2::SecurityGroupIngress": StandIn("sgr-{id}", {"Id": "sgr-{id}"}),
    "AWS::EC2::SubnetNetworkAclAssociation": StandIn("aclassoc-{id}", {"AssociationId": "aclassoc-{id}"}),
    "AWS::IAM::OIDCProvider": StandIn(
        "arn:aws:iam::000000000000:oidc-provider/{name}", {"Arn": "arn:aws:iam::000000000000:oidc-provider/{name}"}
    ),
    "AWS::Logs::Delivery": StandIn("{id}", {"Arn": "arn:aws:logs:::delivery:{id}", "DeliveryId": "{id}"}),
    "AWS::Logs::DeliveryDestination": StandIn("{name}", {"Arn": "arn:aws:logs:::delivery-destination:{name}"}),
    "AWS::Logs::DeliverySource": StandIn("{name}", {"Arn": "arn:aws:logs:::delivery-source:{name}"}),
    "AWS::Logs::QueryDefinition": StandIn("{id}", {"QueryDefinitionId": "{id}"}),
    "AWS::SecretsManager::RotationSchedule": StandIn("{name}-{id}", {"Id": "{name}-{id}"}),
    "AWS::WAFv2::IPSet": StandIn("{name}|{id}", {"Arn": "arn:aws:wafv2:::ipset/{name}/{id}", "Id": "{id}"}),
    "AWS::WAFv2::LoggingConfiguration": StandIn("{name}-{id}"),
    "AWS::WAFv2::WebACLAssociation": StandIn("{name}-{id}"),
    "AWS::XRay::Group": StandIn("{name}", {"GroupARN": "arn:aws:xray:::group/{name}/{id}"}),
    "AWS::XRay::SamplingRule": StandIn("{name}", {"RuleARN": "arn:aws:xray:::sampling-rule/{name}"}),
}


def made(stand_in: StandIn, stack: str, logical_id: str) -> tuple[str, dict[str, str]]:
    """Physical id and attributes: always the same for one resource of one stack."""
    digits = hashlib.sha256(f"{stack}/{logical_id}".encode()).hexdigest()[:17]
    attributes = {name: value.format(id=digits, name=logical_id) for name, value in stand_in.attributes.items()}
    return stand_in.ref.format(id=digits, name=logical_id), attributes


def _handlers(stand_in: StandIn) -> dict[str, Any]:
    return {
        "create": lambda logical_id, props, stack: made(stand_in, stack, logical_id),
        "update": lambda physical_id, old, new, stack, logical_id: made(stand_in, stack, logical_id),
        "update_with_logical_id": True,
        "delete": lambda physical_id, props: None,
    }


def register(table: dict[str, dict[str, Any]]) -> None:
    """Put the stand-ins into ministack's table of resource types. Raises SystemExit for one that it makes itself."""
    superfluous = sorted(STAND_INS.keys() & table.keys())
    if superfluous:
        raise SystemExit(f"ministack makes these itself, so their stand-ins must go: {', '.join(superfluous)}")
    table.update({name: _handlers(stand_in) for name, stand_in in STAND_INS.items()})


Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, str]]]


def with_math_alarms(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Handlers of AWS::CloudWatch::Alarm that only record an alarm on metric math, which ministack refuses.

    What localcloud evaluates it reads from the template, not from ministack.
    """

    def recorded(props: dict[str, Any]) -> tuple[str, dict[str, str]]:
        return props["AlarmName"], {"Arn": f"arn:aws:cloudwatch:::alarm:{props['AlarmName']}"}

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        return recorded(props) if "Metrics" in props else alarm["create"](logical_id, props, stack)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str = "") -> Any:
        return recorded(new) if "Metrics" in new else alarm["update"](physical_id, old, new, stack, logical_id)

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        if "Metrics" not in props:
            alarm["delete"](physical_id, props)

    return {**alarm, "create": create, "update": update, "delete": delete}


def with_master_secret(create: Create, keep: Create) -> Create:
    """RDS instances that have the secret which RDS itself would keep for ``ManageMasterUserPassword``.

    ``keep`` makes a secret as for AWS::SecretsManager::Secret.
    """

    def create_both(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        physical_id, attributes = create(logical_id, props, stack)
        if str(props.get("ManageMasterUserPassword")).lower() == "true":
            # Any password does: the laptop's PostgreSQL trusts its own machine.
            login = {"username": props.get("MasterUsername"), "password": "unused"}
            secret = {"Name": f"rds!db-{physical_id}", "SecretString": json.dumps(login)}
            attributes["MasterUserSecret.SecretArn"] = keep(f"{logical_id}MasterSecret", secret, stack)[1]["Arn"]
        return physical_id, attributes

    return create_both


def hasten_queues() -> None:
    """Let SQS look for messages every 3 ms, not ten times a second: AWS wakes a long poll at once, and two hops of that
    would be most of the delay that we measure."""
    import asyncio
    import types

    import ministack.services.sqs as sqs

    quick = types.SimpleNamespace(**{name: getattr(asyncio, name) for name in dir(asyncio) if name[:2] != "__"})
    quick.sleep = lambda seconds: asyncio.sleep(min(seconds, 0.003))
    sqs.asyncio = quick


class _UnauthorizedError(Exception):
    """An authorizer of a WebSocket API failed with the one text that means 401."""


def heed_unauthorized() -> None:
    """Answer 401 to a handshake whose authorizer raised "Unauthorized", as API Gateway does; ministack's answer to any
    failure of an authorizer is 500."""
    import ministack.services.apigateway as apigateway
    import ministack.services.lambda_svc as functions

    execute, authorize = functions._execute_function_with_config_scope, apigateway._authorize_ws_connect

    def executed(record: Any, event: dict[str, Any]) -> Any:
        result = execute(record, event)
        failed = isinstance(result, dict) and result.get("error") and result.get("body")
        if event.get("type") == "REQUEST" and isinstance(failed, dict) and failed.get("errorMessage") == "Unauthorized":
            raise _UnauthorizedError
        return result

    async def authorized(*arguments: Any) -> Any:
        try:
            return await authorize(*arguments)
        except _UnauthorizedError:
            return (401, "Unauthorized"), None

    functions._execute_function_with_config_scope = executed
    apigateway._authorize_ws_connect = authorized


TRACE_HEADER = "x-amzn-trace-id"


def carry_trace_header() -> None:
    """Put the trace header of a request into the messages that come of it, as SNS and SQS do; ministack keeps it only
    where a sender names it as a system attribute, which goes before the header."""
    from contextvars import ContextVar

    import ministack.services.sns as sns
    import ministack.services.sqs as sqs

    current: ContextVar[str | None] = ContextVar("trace_header", default=None)

    def heard(handle: Callable[..., Any]) -> Callable[..., Any]:
        async def handled(method: str, path: str, headers: dict[str, str], *rest: Any) -> Any:
            lowered = {name.lower(): value for name, value in headers.items()}
            token = current.set(lowered.get(TRACE_HEADER))
            try:
                return await handle(method, path, headers, *rest)
            finally:
                current.reset(token)

        return handled

    def marked(attributes: dict[str, Any]) -> dict[str, Any]:
        if header := current.get():
            attributes.setdefault("AWSTraceHeader", header)
        return attributes

    attributes_of, complete = sqs._build_send_sys_attrs, sqs._ensure_msg_fields

    def completed(message: dict[str, Any]) -> None:
        new = "sys" not in message  # not one that is only looked at
        complete(message)
        if new:
            marked(message["sys"])

    sqs._build_send_sys_attrs = lambda now, given: marked(attributes_of(now, given))
    sqs._ensure_msg_fields = completed
    for service in (sns, sqs):
        service.handle_request = heard(service.handle_request)


def tell_ages() -> None:
    """Tell the age of a queue's oldest message as an attribute, in seconds: SQS tells it to CloudWatch alone."""
    import time

    import ministack.services.sqs as sqs

    refresh = sqs._refresh_counts

    def refreshed(queue: dict[str, Any]) -> None:
        refresh(queue)
        now = time.time()
        oldest = min((message.get("sent_at", now) for message in queue["messages"]), default=now)
        queue["attributes"]["ApproximateAgeOfOldestMessage"] = str(max(0, int(now - oldest)))

    sqs._refresh_counts = refreshed


def main() -> None:
    hasten_queues()
    heed_unauthorized()
    carry_trace_header()
    tell_ages()
    from ministack.app import main as serve
    from ministack.services.cloudformation import provisioners

    table = provisioners._RESOURCE_HANDLERS
    register(table)
    table["AWS::CloudWatch::Alarm"] = with_math_alarms(table["AWS::CloudWatch::Alarm"])
    instances = table["AWS::RDS::DBInstance"]
    instances["create"] = with_master_secret(instances["create"], table["AWS::SecretsManager::Secret"]["create"])
    serve()


if __name__ == "__main__":
    main()
