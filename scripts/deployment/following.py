"""A change of a stage to its end, whoever began it, and the record that says how it ended."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from scripts.artifacts import Artifacts
from scripts.deployment import records
from scripts.deployment.account import Clients
from scripts.deployment.aliases import Aliases
from scripts.deployment.console import Console
from scripts.deployment.errors import RolledBackError, StackError, StillGoingError
from scripts.deployment.options import Result
from scripts.deployment.proposing import VERSION
from scripts.deployment.records import Record
from scripts.deployment.release import Release
from scripts.deployment.shifting import Shifts
from scripts.deployment.stack import Stack, StackEvent, StackState

SCHEMA = "Custom::DatabaseSchema"


class Following:
    """Changes of one stack."""

    def __init__(self, account: Clients, artifacts: Artifacts, stack: Stack, *, console: Console) -> None:
        self._account = account
        self._artifacts = artifacts
        self._stack = stack
        self._console = console

    def aliases(self) -> Aliases:
        return Aliases(self._account.client("lambda"), self._stack.resources())

    def follow(self, record: Record | None, past: set[str], *, release: Release | None) -> Result:
        """Until the change is over; ``past`` are events of before. Raises RolledBackError, StackError if it failed,
        StillGoingError if it goes on and cannot be seen."""
        keeper = _Keeper(record, release)
        functions, codedeploy = self._account.client("lambda"), self._account.client("codedeploy")
        shifts = Shifts(self._stack, functions, codedeploy, self._console.step)

        def on_event(event: StackEvent) -> None:
            self._console.event(event)
            keeper.event(event, self._stack.name)
            shifts.event(event)

        try:
            state = self._stack.follow(past, on_event, on_look=shifts.look)
        except StillGoingError as error:
            raise type(error)(
                f"{error}\nCloudFormation goes on by itself; the same command again follows it"
            ) from error
        except RolledBackError as error:
            self._keep(keeper.record, records.ROLLED_BACK, reason=str(error))
            self._withdraw()
            raise
        except StackError as error:
            self._keep(keeper.record, records.FAILED, reason=str(error))
            raise
        kept = self._keep(keeper.applied(), records.DEPLOYED)
        return Result(outcome=records.DEPLOYED, record=kept, outputs=state.outputs)

    def settle(self, record: Record, state: StackState | None) -> Result | None:
        """Of a change that ended while nobody looked; None if it did not take."""
        took = state is not None and state.parameters.get(VERSION) == record.version
        if not took or state is None:
            self._console.step(f"release {record.version}, begun {record.started}, was never made or was taken back")
            self._keep(record, records.ROLLED_BACK, reason="seen later")
            self._withdraw()
            return None
        self._console.step(f"release {record.version}, begun {record.started}, is deployed by now")
        keeper = _Keeper(record, self.release_of(record))
        return Result(
            outcome=records.DEPLOYED, record=self._keep(keeper.applied(), records.DEPLOYED), outputs=state.outputs
        )

    def release_of(self, record: Record | None) -> Release | None:
        return self._artifacts.release(record.version) if record else None

    def _keep(self, record: Record | None, outcome: str, *, reason: str = "") -> Record | None:
        if record is None:
            return None
        after = self.aliases().serving() if self._stack.state() else {}
        ended = record.ended(outcome, reason=reason, after=after)
        self._artifacts.keep(ended)
        return ended

    def _withdraw(self) -> None:
        """The versions of a release that was taken back, so that it can be tried again."""
        if self._stack.state() is None:
            return
        try:
            gone = self.aliases().withdraw(self._stack.resources())
        except (BotoCoreError, ClientError) as error:
            self._console.step(
                f"versions that were published and taken back could not be deleted: {error}\n"
                f"Until they are, the same release again fails where Lambda finds nothing new to publish"
            )
            return
        if gone:
            self._console.step(f"versions of functions that were published and taken back, deleted: {len(gone)}")


class _Keeper:
    """Knows whether the release's schema was applied, which no taking back undoes."""

    def __init__(self, record: Record | None, release: Release | None) -> None:
        self.record = record
        self._release = release
        self._goes_back = False

    def event(self, event: StackEvent, stack: str) -> None:
        self._goes_back |= event.logical_id == stack and "ROLLBACK" in event.status
        if event.type == SCHEMA and event.status.endswith("_COMPLETE") and not self._goes_back:
            self.applied()

    def applied(self) -> Record | None:
        if self.record is not None and self._release is not None:
            self.record = self.record.migrated(self._release)
        return self.record
