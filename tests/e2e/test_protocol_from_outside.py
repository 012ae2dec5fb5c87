"""The whole platform on the recorded feed, judged by a client that knows only the protocol's page."""

from __future__ import annotations

from localcloud.testing import LocalCloud
from tests.e2e import outside


async def test_the_chain_of_every_topic_is_complete_for_each_kind_of_subscription() -> None:
    """Realtime (killed and resumed half-way), every five seconds, and filtered: nothing missing, nothing late."""
    async with LocalCloud(feed="recorded", speed=7200.0) as cloud:
        verdicts = await outside.check(cloud.ws_url, cloud.key, ["price:*", "tvl:protocol:*"], seconds=20)

    for name, verdict in verdicts.items():
        assert not verdict.problems, (name, verdict)
    assert verdicts["realtime"].resumed == verdicts["realtime"].recovered > 0
