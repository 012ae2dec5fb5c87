"""ports.Catalogue and ports.IngestStore."""

from chalicelib.ports import FeedState

ETH = "price:ethereum"


def test_a_topic_is_listed_with_its_newest_value(store):
    store.sequence(ETH, "100", "101")
    found, following = store.catalogue.topics(ETH, cursor=0, limit=10)
    assert [(topic, value) for topic, value, _ in found] == [(ETH, "101")]
    assert following == 0


def test_a_topic_that_is_not_there_is_not_listed(store):
    assert store.catalogue.topics(ETH, cursor=0, limit=10) == ([], 0)
    assert store.catalogue.topics("price:*", cursor=0, limit=10) == ([], 0)


def test_pages_cover_a_wildcard_completely(store):
    topics = {f"price:c{n}" for n in range(600)}
    for topic in topics:
        store.sequence(topic, "1")
    store.sequence("tvl:chain:Base", "1")
    listed, cursor = set(), 0
    while True:
        found, cursor = store.catalogue.topics("price:*", cursor=cursor, limit=100)
        listed |= {topic for topic, _, _ in found}
        if not cursor:
            break
    assert listed == topics


def test_the_lease_of_ingest_is_one_owners_until_given_back(store):
    assert store.ingest.acquire("a", 60)
    assert not store.ingest.acquire("b", 60)
    assert not store.ingest.acquire("a", 60)
    store.ingest.release("b")
    assert not store.ingest.acquire("b", 60)
    store.ingest.release("a")
    assert store.ingest.acquire("b", 60)


def test_the_state_of_a_feed_comes_back_as_it_was_saved(store):
    now = store.clock()
    state = FeedState(etags={"https://a/b": 'W/"1"'}, next_poll=now, last_success=now, count=3, total=1.5)
    assert store.ingest.feed_state("chains") == FeedState()
    store.ingest.save_feed_state("chains", state)
    assert store.ingest.feed_state("chains") == state
    assert store.ingest.feed_state("prices") == FeedState()


def test_the_last_seen_tokens_come_back_in_the_order_asked_for(store):
    store.ingest.save_last_seen({"a": "1", "b": "2"})
    store.ingest.save_last_seen({"b": "3"})
    store.ingest.save_last_seen({})
    assert store.ingest.last_seen(["b", "none", "a"]) == ["3", None, "1"]
    assert store.ingest.last_seen([]) == []
