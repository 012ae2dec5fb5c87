"""What operates the stack: rotation of secrets, migration of the schema, verification of a release."""

from __future__ import annotations

import os
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.container.clients import Clients

if TYPE_CHECKING:
    from chalicelib.adapters.edge import CloudFrontEdge
    from chalicelib.ports import CustomResources, Deployments
    from chalicelib.services.rotation import RotateSecret
    from chalicelib.services.schema import MigrateSchema
    from chalicelib.services.verification import VerifyRelease

RECORDED = Path(__file__).parents[1] / "recorded_events"


class Operations(Clients):
    """The services that AWS itself calls, when something about the stack changes."""

    @cached_property
    def rotate_secret(self) -> RotateSecret:
        from chalicelib.adapters.secrets import SecretsManagerVersions
        from chalicelib.services.rotation import RotateSecret, origin_secrets

        return RotateSecret(
            versions=SecretsManagerVersions(self._patient_client("secretsmanager")),
            edge=lambda: self.edge,
            token_secret_id=self.settings.token_secret_id,
            origin_secrets=origin_secrets(self.settings.origin_secret_ids),
        )

    @cached_property
    def edge(self) -> CloudFrontEdge:
        from chalicelib.adapters.edge import CloudFrontEdge

        return CloudFrontEdge(
            cloudfront=self._patient_client("cloudfront"),
            wafv2=self._patient_client("wafv2"),
            distribution_id=self.settings.distribution_id,
            web_acl_arn=self.settings.origin_web_acl_arn,
        )

    @cached_property
    def migrate_schema(self) -> MigrateSchema:
        from chalicelib.adapters.postgres.owner import Postgres
        from chalicelib.adapters.schema import AlembicSchema
        from chalicelib.services.schema import MigrateSchema

        settings = self.settings
        self._need("database_host", "database_secret_id")
        postgres = Postgres(
            host=settings.database_host,
            port=settings.database_port,
            name=settings.database_name,
            sslmode=settings.database_sslmode,
            secrets=self.secrets,
            secret_id=settings.database_secret_id,
        )
        return MigrateSchema(schema=AlembicSchema(postgres))

    @cached_property
    def verify_release(self) -> VerifyRelease:
        from chalicelib.adapters.functions import LambdaFunctions
        from chalicelib.services.verification import VerifyRelease

        return VerifyRelease(
            deployments=deployments(),
            functions=LambdaFunctions(self._invoking_client()),
            recorded=self._recorded,
            name_prefix=self.settings.name_prefix,
        )

    def _recorded(self, name: str) -> Any:
        """An event of chalicelib/recorded_events, about this stage's own token key where it is about a secret."""
        import json

        text = (RECORDED / f"{name}.json").read_text(encoding="utf-8")
        return json.loads(text.replace("TOKEN_SECRET_ID", self.settings.token_secret_id))


def custom_resources() -> CustomResources:
    """Needs no settings: CloudFormation must be told when they are wrong."""
    from chalicelib.adapters.cloudformation import CloudFormation

    return CloudFormation()


@cache
def deployments() -> Deployments:
    """Needs no settings: CodeDeploy must be told when they are wrong."""
    import boto3
    from botocore.config import Config

    from chalicelib.adapters.codedeploy import CodeDeploy

    quick = Config(connect_timeout=1, read_timeout=2.5, retries={"mode": "standard", "total_max_attempts": 2})
    return CodeDeploy(boto3.client("codedeploy", region_name=os.environ.get("AWS_REGION"), config=quick))
