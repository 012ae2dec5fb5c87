"""The statements that record observations. Nothing of an observation is ever part of their text."""

from __future__ import annotations

# A topic's name is its last segment. Sorted, as everywhere: two workers that meet new topics must not wait crosswise.
ADD_TOPICS = """
INSERT INTO history.entities (topic, kind, name, category, chains, source, first_seen, last_seen)
SELECT topic, kind, name, category, string_to_array(chains, chr(31)), source, seen_at, seen_at
FROM unnest(
    %(topics)s::text[], %(kinds)s::text[], %(names)s::text[], %(categories)s::text[], %(chains)s::text[],
    %(sources)s::text[], %(times)s::timestamptz[]
) AS given (topic, kind, name, category, chains, source, seen_at)
ORDER BY topic COLLATE "C"
ON CONFLICT (topic) DO NOTHING
"""

FIND_TOPICS = "SELECT topic, id FROM history.entities WHERE topic = ANY(%s)"

# A statement of its own: the next one must see what whoever held these rows before has written.
LOCK_TOPICS = "SELECT id FROM history.entities WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"

# ``new``: what is not known by its id. Where a source gives no time, a repeated poll gives the same id a little later
# (an hour covers it); the look-up is a scalar subquery, which is never planned as a join over all months.
#
# A candle is merged, not computed again: nothing recorded is ever changed or taken back, and every part of it (first
# and last by time, extremes, sum, count) comes out the same in whatever order its observations are added.
RECORD = """
WITH given AS (
    SELECT * FROM unnest(
        %(entity_ids)s::int[], %(times)s::timestamptz[], %(ids)s::text[], %(values)s::text[]::numeric[],
        %(confidences)s::text[]::numeric[], %(sources)s::text[], %(categories)s::text[], %(chains)s::text[],
        %(fine)s::boolean[]
    ) AS given (entity_id, observed_at, id, value, confidence, source, category, chains, fine)
), inserted AS (
    INSERT INTO history.observations (entity_id, observed_at, id, value, confidence, source)
    SELECT entity_id, observed_at, id, value, confidence, source FROM given
    WHERE (
        SELECT true FROM history.observations AS known
        WHERE known.entity_id = given.entity_id AND known.id = given.id
          AND known.observed_at BETWEEN given.observed_at - INTERVAL '1 hour' AND given.observed_at + INTERVAL '1 hour'
        LIMIT 1
    ) IS NULL
    RETURNING entity_id, id
), new AS (
    SELECT given.* FROM given JOIN inserted USING (entity_id, id)
), merged AS (
    INSERT INTO history.candles AS kept
        (entity_id, interval, start, open, high, low, close, sum, samples, first_at, last_at)
    SELECT
        entity_id, minutes, date_bin(make_interval(mins => minutes), observed_at, '2000-01-01 00:00Z') AS start,
        (array_agg(value ORDER BY observed_at, value))[1], max(value), min(value),
        (array_agg(value ORDER BY observed_at DESC, value DESC))[1], sum(value), count(*), min(observed_at),
        max(observed_at)
    FROM new CROSS JOIN (VALUES (1), (5), (60), (1440)) AS intervals (minutes)
    WHERE fine OR minutes >= 60
    GROUP BY entity_id, minutes, start
    ON CONFLICT (entity_id, interval, start) DO UPDATE SET
        open = CASE WHEN (excluded.first_at, excluded.open) < (kept.first_at, kept.open)
                    THEN excluded.open ELSE kept.open END,
        high = greatest(kept.high, excluded.high),
        low = least(kept.low, excluded.low),
        close = CASE WHEN (excluded.last_at, excluded.close) > (kept.last_at, kept.close)
                     THEN excluded.close ELSE kept.close END,
        sum = kept.sum + excluded.sum,
        samples = kept.samples + excluded.samples,
        first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at)
), ranked AS (
    SELECT *,
        row_number() OVER newest_first AS place,
        lead(value) OVER newest_first AS previous_value,
        lead(observed_at) OVER newest_first AS previous_at,
        min(observed_at) OVER (PARTITION BY entity_id) AS first_at
    FROM new
    WINDOW newest_first AS (PARTITION BY entity_id ORDER BY observed_at DESC, value DESC, id COLLATE "C" DESC)
), newest AS (
    INSERT INTO history.latest AS kept
        (entity_id, observed_at, id, value, confidence, previous_value, previous_at)
    SELECT entity_id, observed_at, id, value, confidence, previous_value, previous_at FROM ranked WHERE place = 1
    ON CONFLICT (entity_id) DO UPDATE SET (observed_at, id, value, confidence, previous_value, previous_at) = (
        SELECT
            best.observed_at, best.id, best.value, best.confidence,
            lead(best.value) OVER newest_first, lead(best.observed_at) OVER newest_first
        FROM (VALUES
            (excluded.observed_at, excluded.id, excluded.value, excluded.confidence),
            (excluded.previous_at, NULL, excluded.previous_value, NULL),
            (kept.observed_at, kept.id, kept.value, kept.confidence),
            (kept.previous_at, NULL, kept.previous_value, NULL)
        ) AS best (observed_at, id, value, confidence)
        WHERE best.observed_at IS NOT NULL
        WINDOW newest_first AS (ORDER BY best.observed_at DESC, best.value DESC, best.id COLLATE "C" DESC NULLS LAST)
        ORDER BY best.observed_at DESC, best.value DESC, best.id COLLATE "C" DESC NULLS LAST
        LIMIT 1
    )
    WHERE kept.previous_at IS NULL OR (excluded.observed_at, excluded.value) >= (kept.previous_at, kept.previous_value)
), described AS (
    UPDATE history.entities AS entity SET
        first_seen = least(entity.first_seen, ranked.first_at),
        last_seen = greatest(entity.last_seen, ranked.observed_at),
        category = CASE WHEN ranked.observed_at >= entity.last_seen THEN ranked.category ELSE entity.category END,
        chains = CASE WHEN ranked.observed_at >= entity.last_seen
                      THEN string_to_array(ranked.chains, chr(31)) ELSE entity.chains END,
        source = CASE WHEN ranked.observed_at >= entity.last_seen THEN ranked.source ELSE entity.source END
    FROM ranked
    WHERE ranked.place = 1 AND entity.id = ranked.entity_id
      AND (ranked.observed_at >= entity.last_seen OR ranked.first_at < entity.first_seen)
)
SELECT count(*) FROM inserted
"""
