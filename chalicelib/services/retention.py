"""The months of history: made before they are needed, taken away when they are old."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from chalicelib.domain.months import first_kept, month_start
from chalicelib.errors import DefiStreamError
from chalicelib.ports import MonthlyTable, Months

log = structlog.get_logger()

AHEAD = 2  # months beyond this one that have a place already: maintenance may fail for weeks


@dataclass(frozen=True, slots=True)
class RetentionReport:
    retired: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


class KeepMonths:
    """Guarantees: this month and the next two have their tables; what is older than is kept can be seen no longer, and
    is deleted for good only after the grace, in which a mistaken setting can be mended (docs/history.md).
    """

    def __init__(
        self, *, months: Months, now: Callable[[], datetime], kept: Mapping[MonthlyTable, int], grace: timedelta
    ) -> None:
        """``kept``: how many months of each table, this one included; 0 is all."""
        self._months = months
        self._now = now
        self._kept = kept
        self._grace = grace

    def rehearse(self) -> None:
        """Make the tables alone, which harms nobody however often it is done."""
        now = self._now()
        self._months.open([month_start(now, ahead) for ahead in range(AHEAD + 1)])

    def run(self) -> RetentionReport:
        """Raises the last error, after everything else is done: a reader may hold a table for longer than we wait."""
        self.rehearse()
        report = RetentionReport()
        failed: DefiStreamError | None = None
        for table, months in self._kept.items():
            try:
                if months:
                    report.retired.extend(self._months.retire(table, first_kept(self._now(), months)))
            except DefiStreamError as error:
                log.error("months_not_retired", table=table, reason=str(error))
                failed = error
        report.dropped.extend(self._months.drop_retired(self._grace))
        log.info("months_kept", retired=report.retired, dropped=report.dropped)
        if failed:
            raise failed
        return report
