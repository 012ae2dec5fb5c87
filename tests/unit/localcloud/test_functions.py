"""What the Chalice app declares becomes the laptop's functions."""

import json

import pytest

from localcloud.functions import AppError, FunctionSpec, read_functions

APP = """
from chalice import Blueprint, Chalice, Cron, Rate

print("noise at import")
app = Chalice(app_name="sample")
routes = Blueprint(__name__)


@routes.route("/topics/{name}", methods=["GET", "PUT"])
def topic(name):
    return {}


@routes.route("/tokens", methods=["POST"])
def tokens():
    return {}


app.register_blueprint(routes, url_prefix="/v1")


@app.lambda_function()
def authorize(event, context):
    return {}


@app.on_ws_connect()
def connect(event):
    pass


@app.on_ws_message()
def message(event):
    pass


@app.on_ws_disconnect()
def disconnect(event):
    pass


@app.schedule(Rate(1, unit=Rate.MINUTES))
def poll(event):
    pass


@app.schedule(Cron(0, 3, "*", "*", "?", "*"))
def nightly(event):
    pass


@app.schedule("rate(5 minutes)")
def literal(event):
    pass


@app.on_sqs_message(queue="events", batch_size=10)
def process(event):
    pass


@app.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:1:bulk",
    batch_size=500,
    maximum_batching_window_in_seconds=2,
    maximum_concurrency=5,
)
def bulk(event):
    pass
"""
CONFIG = {
    "version": "2.0",
    "app_name": "sample",
    "lambda_timeout": 20,
    "lambda_functions": {"nightly": {"lambda_timeout": 21}, "process": {"lambda_timeout": 22}},
    "stages": {
        "dev": {
            "lambda_memory_size": 256,
            "lambda_functions": {"process": {"lambda_timeout": 30, "lambda_memory_size": 512}},
        },
        "production": {"lambda_timeout": 40},
    },
}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


async def read(project, stage="dev", **options):
    return {spec.name: spec for spec in await read_functions(project, stage=stage, **options)}


async def test_every_kind_of_handler_is_found(project):
    specs = await read(project)
    assert specs["process"] == FunctionSpec("process", "app.process", 30, 512, queue="events", batch_size=10)
    assert specs["bulk"] == FunctionSpec(
        "bulk",
        "app.bulk",
        20,
        256,
        queue="arn:aws:sqs:us-east-1:1:bulk",
        batch_size=500,
        window_s=2,
        maximum_concurrency=5,
    )
    assert specs["poll"].schedule == "rate(1 minute)"
    assert specs["nightly"].schedule == "cron(0 3 * * ? *)"
    assert specs["literal"].schedule == "rate(5 minutes)"
    assert {spec.route: spec.handler for spec in specs.values() if spec.route} == {
        "$connect": "app.connect",
        "$default": "app.message",
        "$disconnect": "app.disconnect",
    }
    assert specs["authorize"].handler == "app.authorize"
    assert specs["api_handler"].handler == "app.app"
    assert specs["api_handler"].routes == ("POST /v1/tokens", "GET /v1/topics/{name}", "PUT /v1/topics/{name}")


async def test_limits_are_looked_up_as_chalice_does(project):
    """The stage's own settings beat a function's at the top level."""
    dev, production = await read(project), await read(project, "production")
    assert [dev[name].timeout_s for name in ("process", "nightly", "poll")] == [30, 21, 20]
    assert [production[name].timeout_s for name in ("process", "nightly", "poll")] == [40, 40, 40]
    assert production["process"].memory_mb == 128


async def test_limits_agree_with_chalice_itself(project):
    from chalice.config import Config

    for stage in ("dev", "production"):
        for name, spec in (await read(project, stage)).items():
            chalice = Config(stage, name, config_from_disk=CONFIG)
            assert spec.timeout_s == (chalice.lambda_timeout or 60)
            assert spec.memory_mb == (chalice.lambda_memory_size or 128)


async def test_timeouts_can_be_overridden(project):
    specs = await read(project, timeouts={"process": 1.5})
    assert (specs["process"].timeout_s, specs["poll"].timeout_s) == (1.5, 20)


async def test_without_configuration_chalices_defaults_hold(project):
    (project / ".chalice" / "config.json").unlink()
    assert {(spec.timeout_s, spec.memory_mb) for spec in (await read(project)).values()} == {(60, 128)}


async def test_an_app_without_routes_has_no_rest_function(tmp_path):
    (tmp_path / "app.py").write_text("from chalice import Chalice\napp = Chalice(app_name='bare')\n")
    assert await read(tmp_path) == {}


async def test_an_app_that_cannot_be_imported_says_why(tmp_path):
    (tmp_path / "app.py").write_text("1 / 0\n")
    with pytest.raises(AppError, match="ZeroDivisionError"):
        await read_functions(tmp_path, stage="dev")
