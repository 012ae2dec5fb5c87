"""What the vault holds at the end of a month of its plan, and what trying it out costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from scripts.costs.lines import Charge
from scripts.costs.prices import UnpricedError
from scripts.costs.template import Properties, Template
from scripts.costs.traffic import Flows, Traffic

PLAN, TEST = "AWS::Backup::BackupPlan", "AWS::Backup::RestoreTestingSelection"
TESTS = "AWS::Backup::RestoreTestingPlan"
ONCE_A_MONTH = re.compile(r"cron\(\d+ \d+ \d+ \* \? \*\)")
USED = Decimal("0.5")  # of a database's disk
CHANGED = Decimal("0.05")  # of that from one night to the next: a snapshot holds what is new
LEAST_OBJECT_GB = Decimal(128) / 1024 / 1024  # as which a smaller one is billed
TEST_HOURS = Decimal(2)  # of a restored database: being made, an hour to look into it, being deleted


def backups(template: Template, flow: Flows, traffic: Traffic) -> Iterator[Charge]:
    """Nothing without a plan. Tables are copied whole each night; snapshots are free up to the size of the disk."""
    days = sum(
        (
            Decimal(str(rule["Lifecycle"]["DeleteAfterDays"]))
            for plan in template.of_type(PLAN).values()
            for rule in plan["BackupPlan"]["BackupPlanRule"]
        ),
        Decimal(0),
    )
    if not days:
        return
    disks = [Decimal(str(one["AllocatedStorage"])) for one in template.of_type("AWS::RDS::DBInstance").values()]
    beyond = max(sum(disks, Decimal(0)) * (USED * (1 + CHANGED * days) - 1), Decimal(0))
    yield Charge("AWS Backup", "snapshots above the disk's size", beyond, "backup-rds-gb")
    yield Charge("AWS Backup", "tables, nights", traffic.table_gb * days, "backup-dynamodb-gb")
    if "RawBackupSelection" in template.resources:
        objects = max(traffic.raw_gb, flow.observation_messages * LEAST_OBJECT_GB)
        yield Charge("AWS Backup", "raw observations, of the first month", objects, "backup-s3-gb")
    for name, test in template.of_type(TEST).items():
        times = tests_a_month(template, test)
        points = len(test["ProtectedResourceArns"]) * times
        yield Charge("AWS Backup", "restore tests", points, "backup-restore-test", name)
        size = test.get("RestoreMetadataOverrides", {}).get("dbInstanceClass")
        if size:
            yield Charge("RDS", f"restore tests, {size}", times * TEST_HOURS, f"rds-postgres-{size}-hour", name)


def tests_a_month(template: Template, test: Properties) -> Decimal:
    """How often a selection's plan tries it. Raises UnpricedError for a schedule other than a day of each month."""
    schedule = str(template.of_type(TESTS)[test["RestoreTestingPlanName"]["Ref"]]["ScheduleExpression"])
    if not ONCE_A_MONTH.fullmatch(schedule):
        raise UnpricedError(f"restore tests by {schedule}: only a day of each month is priced")
    return Decimal(1)
