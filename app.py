"""Every entrance of the system: one line a handler.

WebSocket, queue and schedule handlers are declared here and not on a Blueprint, which breaks the first
kind (the packaged handler fails with TypeError) and skips the middleware of the others; REST routes live
on Blueprints under chalicelib/handlers/rest.
"""

from typing import Any

from chalice import Chalice, Cron, Rate

from chalicelib.container import container, custom_resources, deployments
from chalicelib.handlers import authorizer, migration, queues, rotation, schedules, verification, websocket
from chalicelib.handlers.rest import (
    alerts,
    documents,
    endpoints,
    health,
    history,
    links,
    query,
    snapshot,
    tokens,
    topics,
)

app = Chalice(app_name="defi-stream")
app.experimental_feature_flags.update(["WEBSOCKETS"])  # without it `chalice package` refuses the $connect handler
for part in (health, tokens, topics, snapshot, history, query, alerts, endpoints, links, documents):
    app.register_blueprint(part.routes, url_prefix="/v1")


@app.lambda_function()
def authorize(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return authorizer.authorize(event, container().authorize_connection)


@app.on_ws_connect()
def connect(event: Any) -> dict[str, Any]:
    return websocket.connect(event, container().sessions)


@app.on_ws_message()
def message(event: Any) -> dict[str, Any]:
    return websocket.message(event, container().commands)


@app.on_ws_disconnect()
def disconnect(event: Any) -> dict[str, Any]:
    return websocket.disconnect(event, container().sessions)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def poll(event: Any) -> dict[str, Any]:
    return schedules.poll(event, container().ingest)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Any) -> dict[str, Any]:
    here = container()
    return schedules.sweep(event, here.conflation, here.sessions, here.keep_index, here.timers, here.census)


@app.schedule(Cron(20, 2, "*", "*", "?", "*"))  # after the backup has begun, at the quietest hour
def maintain(event: Any) -> dict[str, Any]:
    return schedules.maintain(event, container().keep_months)


@app.on_sqs_message(queue="events", batch_size=10)  # more than 10 would need a window of a second
def process(event: Any) -> dict[str, Any]:
    return queues.process(event, container().process)


@app.on_sqs_message(queue="ticks", batch_size=10)
def tick(event: Any) -> dict[str, Any]:
    return queues.tick(event, container().conflation)


@app.on_sqs_message(queue="deliveries", batch_size=10, maximum_concurrency=10)  # 7,000 posts/s: 70 % of the quota
def deliver(event: Any) -> dict[str, Any]:
    return queues.deliver(event, container().deliver)


@app.on_sqs_message(queue="gone", batch_size=10)
def prune(event: Any) -> dict[str, Any]:
    return queues.prune(event, container().sessions)


@app.on_sqs_message(queue="history", batch_size=10)
def record(event: Any) -> dict[str, Any]:
    return queues.record(event, container().record_history)


@app.on_sqs_message(queue="alerts", batch_size=10)
def evaluate(event: Any) -> dict[str, Any]:
    return queues.evaluate(event, container().evaluate)


@app.on_sqs_message(queue="notifications", batch_size=10)
def notify(event: Any) -> dict[str, Any]:
    return queues.notify(event, container().notify)


@app.lambda_function()
def rotate(event: dict[str, Any], context: Any) -> None:
    rotation.rotate(event, context, container().rotate_secret)


@app.lambda_function()
def migrate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return migration.migrate(event, context, lambda: container().migrate_schema, custom_resources())


@app.lambda_function()
def verify_release(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return verification.verify_release(event, context, lambda: container().verify_release, deployments())
