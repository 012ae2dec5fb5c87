"""ministack with what it lacks: run by ministack's own interpreter, which has nothing of ours but this folder's.

With LOCALCLOUD_ACCOUNT (see settings.py) it is an account that a stage is deployed to; without, a set of AWS APIs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Last, so that nothing of ours shadows what ministack imports.
sys.path.append(str(Path(__file__).resolve().parents[3]))

from localcloud.account.ministack import (
    alarms,
    functions,
    handshakes,
    invocations,
    queues,
    rotation,
    servers,
    traces,
    transforms,
    unpacking,
    weights,
    workers,
)
from localcloud.account.ministack.settings import AccountSettings, from_environment
from localcloud.standins import register as register_stand_ins

Table = dict[str, dict[str, Any]]


def main() -> None:
    unpacking.install()
    workers.install()
    workers.name_errors()
    transforms.install()
    queues.hasten_queues()
    queues.tell_ages()
    handshakes.heed_unauthorized()
    rotation.begin_only()
    traces.carry_trace_header()
    from ministack.app import main as serve
    from ministack.services.cloudformation import provisioners

    table: Table = provisioners._RESOURCE_HANDLERS
    alarms.register(table)
    settings = from_environment()
    if settings is not None:
        be_account(table, settings)
    register_stand_ins(table)
    rotation.register(table)
    instances = table[servers.DATABASE]
    instances["create"] = servers.with_master_secret(
        instances["create"], table["AWS::SecretsManager::Secret"]["create"]
    )
    serve()


def be_account(table: Table, settings: AccountSettings) -> None:
    """Weighted aliases, metrics and alarms, CodeDeploy, real databases, and functions that find them."""
    import ministack.app as app
    from ministack.core.responses import get_account_id, get_region
    from ministack.core.router import SERVICE_PATTERNS

    from localcloud.account.ministack import schedules, sockets, updates
    from localcloud.account.ministack.codedeploy import resources, service
    from localcloud.account.ministack.measures import Measures
    from localcloud.account.ministack.operation import Operation
    from localcloud.account.ministack.records import MinistackRecords
    from localcloud.account.ministack.watch import Watch

    clock, here = settings.clock, settings.surroundings
    servers.register(table, servers.asking(settings.servers))
    functions.install(here)
    weights.install()
    sockets.install()
    schedules.install(clock)
    measures = Measures(clock)
    invocations.install(measures.told)
    watch = Watch(
        MinistackRecords(),
        measures,
        clock,
        account=get_account_id(),
        region=get_region(),
        patience=settings.patience,
    )
    codedeploy = service.CodeDeploy(clock=clock, functions=functions.MinistackFunctions(), alarm_state=watch.state)
    resources.register(table, codedeploy)
    SERVICE_PATTERNS[service.NAME] = {"target_prefixes": [service.TARGET]}
    app.SERVICE_HANDLERS[service.NAME] = codedeploy.handle
    updates.Updates(
        lambda rollback, told: Operation(
            rollback=rollback, codedeploy=codedeploy, alarm_state=watch.state, clock=clock, told=told
        )
    ).install(table)
    watch.start()


if __name__ == "__main__":
    main()
