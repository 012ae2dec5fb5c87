"""Chalice's own template for a stage, made in process: no zip, no network, no credentials, no region.

What ``chalice package`` does, with two differences: the runtime is Lambda's and not that of the Python which happens
to run this, and the zip is left to scripts/packaging/archive.py.
"""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

from chalice.config import Config
from chalice.deploy import models
from chalice.deploy.appgraph import ApplicationGraphBuilder, DependencyBuilder
from chalice.deploy.deployer import BaseDeployStep, BuildStage, InjectDefaults, SwaggerBuilder
from chalice.deploy.swagger import CFNSwaggerGenerator
from chalice.deploy.validate import validate_configuration
from chalice.package import PackageOptions, ResourceBuilder, SAMTemplateGenerator

from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.project import stages

SOURCE = "Chalice (app.py, .chalice/config.json)"
PYTHON_VERSION = "3.13"  # the runtime of every function; the wheels in the zip are for it


class _LambdaConfig(Config):
    """Chalice takes the runtime from the Python that runs it (chalice/config.py, lambda_python_version)."""

    @property
    def lambda_python_version(self) -> str:
        return f"python{PYTHON_VERSION}"


class _Principals(PackageOptions):
    """Chalice asks botocore for a region's principals; those of the services used here are the same in all."""

    def __init__(self) -> None:
        pass

    def service_principal(self, service: str) -> str:
        return f"{service}.amazonaws.com"


class _NoZip(BaseDeployStep):
    """Takes the place of Chalice's packager, which would run pip."""

    def handle_deploymentpackage(self, config: Config, resource: models.DeploymentPackage) -> None:
        resource.filename = "set-by-the-packager"


def chalice_template(project: Path, stage: str) -> dict[str, Any]:
    """Chalice's SAM template as plain JSON data. Raises PackagingError for an unknown stage."""
    known = stages(project)
    if stage not in known:
        raise PackagingError([Problem(".chalice/config.json", stage, f"is no stage; there are {', '.join(known)}")])
    config = _LambdaConfig(
        chalice_stage=stage,
        user_provided_params={"chalice_app": importlib.import_module("app").app},
        config_from_disk=json.loads((project / ".chalice/config.json").read_text(encoding="utf-8")),
        default_params={
            "project_dir": str(project),
            "api_gateway_stage": "api",
            "api_gateway_endpoint_type": "EDGE",
            "autogen_policy": True,
        },
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are currently running python", category=UserWarning)
        validate_configuration(config)  # the warning: that the Python which runs this is not Lambda's
    steps = [InjectDefaults(), _NoZip(), SwaggerBuilder(CFNSwaggerGenerator())]
    builder = ResourceBuilder(ApplicationGraphBuilder(), DependencyBuilder(), BuildStage(steps))
    template = SAMTemplateGenerator(config, _Principals()).generate(builder.construct_resources(config, stage))
    return dict(json.loads(json.dumps(template)))
