"""What was observed: topics, observations by month, candles, the newest of each topic; how months come and go.

Functions change rows, never tables; months must come and go all the same. So the three procedures at the end belong to
the owner, may be called by functions, and refuse whatever is not a month's beginning or end.
"""

from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    for statement in (ENTITIES, OBSERVATIONS, CANDLES, LATEST, VIEWS):
        op.execute(statement)
    for statement in (RETIRED, OPEN_MONTHS, RETIRE_MONTHS, DROP_RETIRED):
        op.execute(statement)
    for called in ("open_months(date[])", "retire_months(text, date)", "drop_retired(interval)"):
        op.execute(f"REVOKE ALL ON FUNCTION history.{called} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION history.{called} TO defi_stream")
    op.execute("REVOKE INSERT, UPDATE, DELETE ON history.retired FROM defi_stream")


# Rows are locked by whoever records the topic, so this is what keeps two of them apart. Room is left on each page,
# since every new observation changes its topic's row.
ENTITIES = """
    CREATE TABLE history.entities (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text COLLATE "C" NOT NULL UNIQUE, -- so that a prefix of it is a range of its index in every locale
        kind text NOT NULL,
        name text NOT NULL,
        category text,
        chains text[] NOT NULL DEFAULT '{}',
        source text,
        first_seen timestamptz NOT NULL,
        last_seen timestamptz NOT NULL,
        attributes jsonb NOT NULL DEFAULT '{}'
    ) WITH (fillfactor = 70);
    CREATE INDEX entities_of_kind ON history.entities (kind, id)
"""

# No foreign key: a topic is never deleted, and a look for it per row is a tenth of an insert's time.
OBSERVATIONS = """
    CREATE TABLE history.observations (
        entity_id int NOT NULL,
        observed_at timestamptz NOT NULL,
        id text NOT NULL,
        value numeric NOT NULL,
        confidence numeric,
        source text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (entity_id, observed_at, id)
    ) PARTITION BY RANGE (observed_at);
    CREATE INDEX observations_at ON history.observations USING brin (observed_at) WITH (pages_per_range = 32)
"""

CANDLES = """
    CREATE TABLE history.candles (
        entity_id int NOT NULL,
        interval smallint NOT NULL,
        start timestamptz NOT NULL,
        open numeric NOT NULL,
        high numeric NOT NULL,
        low numeric NOT NULL,
        close numeric NOT NULL,
        sum numeric NOT NULL,
        samples int NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        PRIMARY KEY (entity_id, interval, start)
    ) PARTITION BY LIST (interval);
    CREATE TABLE history.candles_1 PARTITION OF history.candles FOR VALUES IN (1) PARTITION BY RANGE (start);
    CREATE TABLE history.candles_5 PARTITION OF history.candles FOR VALUES IN (5) PARTITION BY RANGE (start);
    CREATE TABLE history.candles_60 PARTITION OF history.candles FOR VALUES IN (60) WITH (fillfactor = 80);
    CREATE TABLE history.candles_1440 PARTITION OF history.candles FOR VALUES IN (1440) WITH (fillfactor = 80);
    CREATE INDEX candles_1_start ON history.candles_1 USING brin (start) WITH (pages_per_range = 32);
    CREATE INDEX candles_5_start ON history.candles_5 USING brin (start) WITH (pages_per_range = 32);
    CREATE INDEX candles_60_start ON history.candles_60 (start, entity_id);
    CREATE INDEX candles_1440_start ON history.candles_1440 (start, entity_id)
"""

LATEST = """
    CREATE TABLE history.latest (
        entity_id int PRIMARY KEY,
        observed_at timestamptz NOT NULL,
        id text NOT NULL,
        value numeric NOT NULL,
        confidence numeric,
        previous_value numeric,
        previous_at timestamptz
    ) WITH (fillfactor = 70)
"""

VIEWS = """
    CREATE VIEW history.protocols AS
        SELECT entity.id AS entity_id, entity.topic, entity.name, entity.category, entity.chains,
               newest.value AS tvl, newest.previous_value AS previous_tvl, newest.observed_at AS updated
        FROM history.entities entity JOIN history.latest newest ON newest.entity_id = entity.id
        WHERE entity.kind = 'tvl' AND starts_with(entity.topic, 'tvl:protocol:');
    CREATE VIEW history.chains AS
        SELECT entity.id AS entity_id, entity.topic, coalesce(entity.chains[1], entity.name) AS chain,
               newest.value AS tvl, newest.previous_value AS previous_tvl, newest.observed_at AS updated
        FROM history.entities entity JOIN history.latest newest ON newest.entity_id = entity.id
        WHERE entity.kind = 'tvl' AND starts_with(entity.topic, 'tvl:chain:')
"""

RETIRED = """
    CREATE TABLE history.retired (
        name text PRIMARY KEY,
        retired_at timestamptz NOT NULL DEFAULT now()
    )
"""

# A table is made beside its parent and attached, which lets reading and writing go on; CREATE … PARTITION OF would not.
OPEN_MONTHS = """
    CREATE FUNCTION history.open_months(wanted date[])
    RETURNS TABLE (month date, has_observations boolean, has_fine_candles boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
    DECLARE
        asked date;
        parent text;
        child text;
    BEGIN
        PERFORM pg_advisory_xact_lock(1836020340);
        FOR asked IN SELECT DISTINCT date_trunc('month', day)::date FROM unnest(wanted) AS day ORDER BY 1 LOOP
            IF asked < DATE '2009-01-01' OR asked > now() + INTERVAL '1 year' THEN
                RAISE EXCEPTION 'no month of ours: %', asked USING ERRCODE = 'invalid_parameter_value';
            END IF;
            FOREACH parent IN ARRAY ARRAY['observations', 'candles_1', 'candles_5'] LOOP
                child := parent || to_char(asked, '_YYYY_MM');
                CONTINUE WHEN to_regclass('history.' || child) IS NOT NULL;
                CONTINUE WHEN EXISTS (SELECT FROM history.retired AS gone WHERE gone.name = child);
                EXECUTE format(
                    'CREATE TABLE history.%I (LIKE history.%I INCLUDING DEFAULTS) WITH (fillfactor = %s)',
                    child, parent, CASE parent WHEN 'observations' THEN 100 ELSE 80 END
                );
                EXECUTE format(
                    'ALTER TABLE history.%I ATTACH PARTITION history.%I FOR VALUES FROM (%L) TO (%L)',
                    parent, child, asked::timestamptz, (asked + INTERVAL '1 month')::timestamptz
                );
            END LOOP;
            month := asked;
            has_observations := EXISTS (
                SELECT FROM pg_inherits
                WHERE inhrelid = to_regclass('history.observations' || to_char(asked, '_YYYY_MM'))
            );
            has_fine_candles := (
                SELECT count(*) = 2 FROM pg_inherits
                WHERE inhrelid = to_regclass('history.candles_1' || to_char(asked, '_YYYY_MM'))
                   OR inhrelid = to_regclass('history.candles_5' || to_char(asked, '_YYYY_MM'))
            );
            RETURN NEXT;
        END LOOP;
    END $$
"""

# Detaching waits for who reads the parent, and makes others wait behind it: a second, then another day.
RETIRE_MONTHS = """
    CREATE FUNCTION history.retire_months(parent text, before date) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
    DECLARE
        child text;
    BEGIN
        IF parent NOT IN ('observations', 'candles_1', 'candles_5') THEN
            RAISE EXCEPTION 'not kept by month: %', parent USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF before > date_trunc('month', now()) - INTERVAL '1 month' THEN
            RAISE EXCEPTION 'this month and the one before it are never retired'
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        PERFORM pg_advisory_xact_lock(1836020340);
        FOR child IN
            SELECT class.relname FROM pg_inherits
            JOIN pg_class AS class ON class.oid = pg_inherits.inhrelid
            WHERE pg_inherits.inhparent = to_regclass('history.' || parent)
              AND class.relname < parent || to_char(before, '_YYYY_MM')
            ORDER BY class.relname
        LOOP
            EXECUTE format('ALTER TABLE history.%I DETACH PARTITION history.%I', parent, child);
            INSERT INTO history.retired (name) VALUES (child) ON CONFLICT (name) DO UPDATE SET retired_at = now();
            RETURN NEXT child;
        END LOOP;
    END $$
"""

# The note of a month stays when its table is dropped: it must not be opened again and filled with the late only.
DROP_RETIRED = """
    CREATE FUNCTION history.drop_retired(grace interval) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
    DECLARE
        gone text;
    BEGIN
        IF grace < INTERVAL '1 day' THEN
            RAISE EXCEPTION 'a retired month is kept for a day at least' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        PERFORM pg_advisory_xact_lock(1836020340);
        FOR gone IN SELECT name FROM history.retired WHERE retired_at < now() - grace ORDER BY name LOOP
            CONTINUE WHEN to_regclass('history.' || gone) IS NULL;
            CONTINUE WHEN EXISTS ( -- attached again, and its note forgotten
                SELECT FROM pg_inherits WHERE inhrelid = to_regclass('history.' || gone)
            );
            EXECUTE format('DROP TABLE history.%I', gone);
            RETURN NEXT gone;
        END LOOP;
    END $$
"""
