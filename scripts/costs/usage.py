"""What traffic costs: the flows of a month on the template's own functions, queues, edge and stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.protocol.envelopes import MAX_RECORDS
from scripts.costs.backups import backups
from scripts.costs.lines import Charge
from scripts.costs.observability import observability
from scripts.costs.prices import MONTH_MINUTES, MONTH_SECONDS, UnpricedError
from scripts.costs.provisioned import provisioned
from scripts.costs.template import Properties, Template, handler_of
from scripts.costs.traffic import POSTS_PER_SECOND, Flows, Pushes, Traffic, ceiling, flows, pushes

GB = Decimal(1024**3)
QUEUE_UNIT_BYTES = Decimal(64 * 1024)  # SQS and SNS bill a message by these
RECORD_BYTES = Decimal(200)  # an observation on a queue
ANSWER_BYTES = Decimal(2_000)  # of the REST API, or to a command
PAGE_BYTES = Decimal(150_000)
PAGE_FILES = Decimal(8)
POLLERS = Decimal(5)  # long polls of 20 s that Lambda keeps open on a queue, also on an empty one
POLL_S = Decimal(20)
DATA_KEY_S = Decimal(300)  # for which a queue uses a data key before it asks KMS again, unless it says so itself
KEY_USERS = Decimal(3)  # who ask for the key of a queue, topic or table: its producers and consumers
SECRET_S = Decimal(300)  # for which a function keeps a secret's two values, the current and the previous
SECRETS_READ = {"authorize": 3, "app": 1}  # the token key, and both origin headers
ENVIRONMENTS = Decimal(3)  # of a function that are warm at a time
SILENT_LEAVERS = Decimal("0.1")  # of the connections end without a $disconnect


@dataclass(frozen=True, slots=True)
class Work:
    """A function's month: invocations, and the seconds that one takes."""

    invocations: Decimal
    seconds: Decimal


def _deliver(flow: Flows) -> Work:
    """At its pace, one job an invocation: the dearest way."""
    posts = flow.posts / flow.jobs if flow.jobs else Decimal(0)
    return Work(flow.jobs, Decimal("0.05") + posts / flow.pace)


# By handler. process and tick are measured (23 ms a batch of 100 for 1,000 subscribers); the others are set high.
FUNCTIONS: Mapping[str, Callable[[Flows], Work]] = {
    "authorize": lambda flow: Work(flow.connects, Decimal("0.05")),
    "connect": lambda flow: Work(flow.connects, Decimal("0.03")),
    "message": lambda flow: Work(flow.commands, Decimal("0.03")),
    "disconnect": lambda flow: Work(flow.connects, Decimal("0.03")),
    "poll": lambda _: Work(MONTH_MINUTES, Decimal(5)),
    "sweep": lambda _: Work(MONTH_MINUTES, Decimal("0.2")),
    "process": lambda flow: Work(flow.observation_messages, Decimal("0.05")),
    "record": lambda flow: Work(flow.observation_messages, Decimal("0.1")),
    "evaluate": lambda flow: Work(flow.observation_messages + flow.alerts, Decimal("0.1")),
    "notify": lambda flow: Work(flow.alerts, Decimal(1)),  # it waits for the receiver
    "maintain": lambda _: Work(Decimal(30), Decimal(5)),
    "tick": lambda flow: Work(flow.ticks, Decimal("0.05")),
    "deliver": _deliver,
    "prune": lambda flow: Work(flow.connects * SILENT_LEAVERS, Decimal("0.05")),
    "app": lambda flow: Work(flow.requests, Decimal("0.05")),  # the REST API
    "rotate": lambda _: Work(Decimal(12), Decimal(30)),
    "migrate": lambda _: Work(Decimal(30), Decimal(10)),
    "verify_release": lambda _: Work(Decimal(30 * 12), Decimal(10)),  # every aliased function of a deployment a day
}

# Messages a month and the bytes of one, by the handler that reads the queue.
QUEUES: Mapping[str, Callable[[Flows, Pushes], tuple[Decimal, Decimal]]] = {
    "process": lambda flow, _: (flow.observation_messages, MAX_RECORDS * RECORD_BYTES),
    "record": lambda flow, _: (flow.observation_messages, MAX_RECORDS * RECORD_BYTES),
    "evaluate": lambda flow, _: (flow.observation_messages + flow.alerts, MAX_RECORDS * RECORD_BYTES),
    "notify": lambda flow, _: (flow.alerts, Decimal(1000)),
    "tick": lambda flow, _: (flow.ticks, Decimal(200)),
    "deliver": lambda flow, push: (flow.jobs, push.job_bytes),
    "prune": lambda flow, _: (flow.connects * SILENT_LEAVERS, Decimal(500)),
}


def usage(template: Template, traffic: Traffic) -> Iterator[Charge]:
    """Charges for a month of ``traffic``. Raises UnpricedError for a function or queue that nothing is assumed of."""
    push = pushes(traffic)
    flow = flows(traffic, push, delivery_pace(template))
    _raise_for_unknown(template)
    yield from _sockets(flow, push, traffic)
    for name, properties in template.functions.items():
        yield from _function(name, properties, flow, traffic)
    yield from provisioned(template)
    yield from _queues(template, flow, push)
    yield from _edge(template, flow, push)
    yield from _network(template, flow, push, traffic)
    yield from _stores(template, flow, traffic)
    yield from backups(template, flow, traffic)
    yield from _keys_and_secrets(template)
    runs = {name: FUNCTIONS[handler_of(body)](flow).invocations for name, body in template.functions.items()}
    yield from observability(template, runs, flow, traffic)


def push_usage(template: Template, traffic: Traffic) -> Iterator[Charge]:
    """Of that, what sockets and pushes cost: what a load adds."""
    push = pushes(traffic)
    flow = flows(traffic, push, delivery_pace(template))
    yield from _sockets(flow, push, traffic)
    for name, properties in template.functions.items():
        if handler_of(properties) in ("deliver", "tick"):
            yield from _function(name, properties, flow, traffic)
    yield _messages("deliver", flow, push)
    yield _messages("tick", flow, push)
    yield _bytes_out(template, flow.posts * push.frame_bytes)


def delivery_pace(template: Template) -> Decimal:
    """Posts a second of one worker of deliver, as its environment says."""
    for properties in template.functions.values():
        if handler_of(properties) == "deliver":
            variables = properties.get("Environment", {}).get("Variables", {})
            return Decimal(str(variables.get("DELIVER_POSTS_PER_S", POSTS_PER_SECOND)))
    return POSTS_PER_SECOND


def _raise_for_unknown(template: Template) -> None:
    handlers = {name: handler_of(properties) for name, properties in template.functions.items()}
    unknown = [name for name, handler in handlers.items() if handler not in FUNCTIONS]
    unknown += [f"the queue of {name}" for name in template.readers if handlers.get(name) not in QUEUES]
    if unknown:
        raise UnpricedError(f"scripts/costs/usage.py assumes nothing of {', '.join(unknown)}")


def _sockets(flow: Flows, push: Pushes, traffic: Traffic) -> Iterator[Charge]:
    minutes = traffic.connections * MONTH_MINUTES
    yield Charge("API Gateway", "WebSocket connection minutes", minutes, "websocket-connection-minute")
    messages = flow.posts * push.units_per_post + 2 * flow.commands  # a command and its reply
    yield Charge("API Gateway", "WebSocket messages", messages, "websocket-message")


def _function(name: str, properties: Properties, flow: Flows, traffic: Traffic) -> Iterator[Charge]:
    work = FUNCTIONS[handler_of(properties)](flow)
    (architecture,) = properties.get("Architectures", ["x86_64"])
    memory_gb = Decimal(str(properties.get("MemorySize", 128))) / 1024
    seconds = work.invocations * (work.seconds + traffic.cold_starts)
    yield Charge("Lambda", "requests", work.invocations, "lambda-request", name)
    yield Charge("Lambda", f"compute, {architecture}", seconds * memory_gb, f"lambda-{architecture}-gb-second", name)


def _messages(reader: str, flow: Flows, push: Pushes) -> Charge:
    """Each message is sent, received and deleted; the first two are billed by 64 KB."""
    messages, size = QUEUES[reader](flow, push)
    requests = messages * (2 * ceiling(size / QUEUE_UNIT_BYTES) + 1)
    return Charge("SQS", f"requests of the queue of {reader}", requests, "sqs-request")


def _queues(template: Template, flow: Flows, push: Pushes) -> Iterator[Charge]:
    for name in template.readers:
        yield _messages(handler_of(template.functions[name]), flow, push)
    empty = len(template.readers) * POLLERS * MONTH_SECONDS / POLL_S
    yield Charge("SQS", "empty polls by Lambda", empty, "sqs-request")
    yield Charge("SNS", "publishes", flow.observation_messages, "sns-publish")


def _bytes_out(template: Template, count: Decimal) -> Charge:
    if template.has("AWS::CloudFront::Distribution"):
        return Charge("CloudFront", "GB to viewers", count / GB, "cloudfront-gb")
    return Charge("Data transfer", "GB to the internet", count / GB, "internet-gb")


def _edge(template: Template, flow: Flows, push: Pushes) -> Iterator[Charge]:
    viewed = flow.connects + flow.requests + flow.page_views * PAGE_FILES
    yield Charge("API Gateway", "REST requests", flow.requests, "rest-request")
    if template.has("AWS::CloudFront::Distribution"):
        yield Charge("CloudFront", "HTTPS requests", viewed, "cloudfront-request")
    for name, acl in template.of_type("AWS::WAFv2::WebACL").items():
        yield Charge("WAF", "requests", viewed if acl["Scope"] == "CLOUDFRONT" else flow.requests, "waf-request", name)
    answers = (flow.requests + flow.commands) * ANSWER_BYTES + flow.page_views * PAGE_BYTES
    yield _bytes_out(template, answers + flow.posts * push.frame_bytes)


def _network(template: Template, flow: Flows, push: Pushes, traffic: Traffic) -> Iterator[Charge]:
    if template.has("AWS::EC2::NatGateway"):
        yield Charge("VPC", "GB through NAT", traffic.source_gb, "nat-gateway-gb")
    sent = flow.jobs * push.job_bytes + flow.observation_messages * MAX_RECORDS * RECORD_BYTES
    yield Charge("VPC", "GB through interface endpoints", sent / GB, "interface-endpoint-gb")


def _stores(template: Template, flow: Flows, traffic: Traffic) -> Iterator[Charge]:
    yield Charge("DynamoDB", "reads", flow.connects + flow.requests, "dynamodb-read")
    yield Charge("DynamoDB", "storage", traffic.table_gb, "dynamodb-gb")
    if any("PointInTimeRecoverySpecification" in table for table in template.of_type("AWS::DynamoDB::Table").values()):
        yield Charge("DynamoDB", "point-in-time recovery", traffic.table_gb, "dynamodb-pitr-gb")
    yield Charge("S3", "storage", traffic.raw_gb, "s3-gb")
    yield Charge("S3", "writes", flow.observation_messages, "s3-put")
    yield Charge("S3", "reads", flow.page_views * PAGE_FILES, "s3-get")


def _keys_and_secrets(template: Template) -> Iterator[Charge]:
    read = sum(SECRETS_READ.get(handler_of(properties), 0) for properties in template.functions.values())
    reads = 2 * read * ENVIRONMENTS * MONTH_SECONDS / SECRET_S
    yield Charge("Secrets Manager", "reads", reads, "secret-request")
    periods = [body.get("KmsDataKeyReusePeriodSeconds", DATA_KEY_S) for body in _encrypted(template)]
    asked = sum((KEY_USERS * MONTH_SECONDS / Decimal(str(period)) for period in periods), Decimal(0))
    yield Charge("KMS", "requests", asked + reads, "kms-request")


def _encrypted(template: Template) -> list[Properties]:
    """What asks for a data key of ours again and again."""
    messaging = [*template.of_type("AWS::SQS::Queue").values(), *template.of_type("AWS::SNS::Topic").values()]
    tables = template.of_type("AWS::DynamoDB::Table").values()
    return [*(body for body in messaging if body.get("KmsMasterKeyId")), *tables]
