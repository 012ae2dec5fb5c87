"""The side that changes: observations through the real topic, at a steady rate."""

from __future__ import annotations

import time

import boto3
import gevent

from chalicelib.adapters.sns import SnsPublisher
from chalicelib.domain.observations import Observation
from chalicelib.errors import DefiStreamError
from loadtests.ledger import Ledger
from loadtests.market import Market
from loadtests.orders import Orders

EVERY_S = 0.5  # a source is polled, so changes come in bursts
WARM_UP = 3  # bursts before there are users: the first invocations start workers


class Publisher:
    """Publishes a market's opening, then bursts of moves until stopped. What the topic does not take is a failure."""

    def __init__(self, orders: Orders, ledger: Ledger) -> None:
        assert orders.publish is not None
        publish = orders.publish
        client = boto3.client(
            "sns",
            endpoint_url=publish.endpoint_url,
            region_name=publish.region,
            aws_access_key_id=publish.access_key,
            aws_secret_access_key=publish.secret_key,
        )
        self._sns = SnsPublisher(client, publish.topic_arn)
        self._market = Market(orders.topics, orders.seed)
        self._rate = publish.changes_per_s
        self._ledger = ledger
        self._running = True
        self._owed = 0.0

    def open(self) -> None:
        self._publish(self._market.opening())
        for _ in range(WARM_UP):
            self._publish(self._market.moves(1))

    def run(self) -> None:
        due = time.monotonic()
        while self._running:
            self._owed += self._rate * EVERY_S
            count, self._owed = int(self._owed), self._owed % 1
            if count:
                self._publish(self._market.moves(count))
            due += EVERY_S
            gevent.sleep(max(0.0, due - time.monotonic()))

    def stop(self) -> None:
        self._running = False

    def _publish(self, observations: list[Observation]) -> None:
        started = time.monotonic()
        try:
            self._sns.publish(observations)
        except DefiStreamError as error:
            self._ledger.row("SNS", "publish", started, error=error)
            return
        self._ledger.row("SNS", "publish", started)
        self._ledger.count("published", len(observations))
