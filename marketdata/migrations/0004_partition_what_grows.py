"""What grows is partitioned: bars by timeframe and year, everything between bars by month."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

INTRADAY = ("1m", "3m", "5m", "15m", "30m", "1h")
BY_TIME = {
    "marketdata_tick": "ts",
    "marketdata_quote": "ts",
    "marketdata_quotebar": "opened_at",
    "marketdata_depthlevel": "ts",
    "marketdata_bookmessage": "ts",
    "marketdata_optionquote": "observed_at",
    "marketdata_openinterest": "observed_at",
}


def _again(table: str, by: str) -> str:
    """Return the SQL that makes the table anew, partitioned, beside `TABLE_flat`."""
    return f"""
    ALTER TABLE {table} RENAME TO {table}_flat;
    CREATE TABLE {table} (LIKE {table}_flat INCLUDING ALL) PARTITION BY {by};
    """


BARS = (
    _again("marketdata_bar", "LIST (timeframe)")
    + "CREATE TABLE marketdata_bar_long PARTITION OF marketdata_bar"
    " FOR VALUES IN ('4h', '1d', '1w');"
    + "".join(
        f"CREATE TABLE marketdata_bar_{one} PARTITION OF marketdata_bar"
        f" FOR VALUES IN ('{one}') PARTITION BY RANGE (opened_at);"
        for one in INTRADAY
    )
    # A desk that holds bars already keeps them: its years get their partitions here.
    + """
    DO $$
    DECLARE part record;
    BEGIN
        FOR part IN
            SELECT DISTINCT timeframe AS tf, extract(year FROM opened_at AT TIME ZONE 'UTC')::int AS y
            FROM marketdata_bar_flat WHERE timeframe NOT IN ('4h', '1d', '1w')
        LOOP
            EXECUTE format(
                'CREATE TABLE marketdata_bar_%s_%s PARTITION OF marketdata_bar_%s'
                ' FOR VALUES FROM (%L) TO (%L)',
                part.tf, part.y, part.tf, part.y || '-01-01 00:00Z', (part.y + 1) || '-01-01 00:00Z'
            );
        END LOOP;
    END $$;
    INSERT INTO marketdata_bar SELECT * FROM marketdata_bar_flat;
    DROP TABLE marketdata_bar_flat;
    """
)


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0003_the_tables_of_market_data")]

    operations = [
        migrations.RunSQL(BARS, elidable=False),
        *(
            migrations.RunSQL(
                _again(table, f"RANGE ({column})") + f"DROP TABLE {table}_flat;", elidable=False
            )
            for table, column in BY_TIME.items()
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bar",
            trigger=pgtrigger.compiler.Trigger(
                name="keep_revision",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\nIF (OLD.closed_at, OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume)\n   IS NOT DISTINCT FROM (NEW.closed_at, NEW.open, NEW.high, NEW.low, NEW.close, NEW.volume) THEN\n    RETURN NEW;\nEND IF;\nNEW.version := OLD.version + 1;\nINSERT INTO marketdata_barrevision (instrument_id, timeframe, opened_at, version, closed_at,\n    open, high, low, close, volume, source_id, known_at, known_until)\nSELECT OLD.instrument_id, OLD.timeframe, OLD.opened_at, OLD.version, OLD.closed_at,\n    OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume, OLD.source_id, OLD.known_at,\n    coalesce(max(s.sealed_to), clock_timestamp())\nFROM marketdata_stream s JOIN marketdata_stream_instruments d ON d.stream_id = s.id\nWHERE d.instrument_id = OLD.instrument_id AND OLD.timeframe = ANY(s.timeframes);\nDELETE FROM marketdata_barchunk c WHERE c.instrument_id = OLD.instrument_id\n    AND c.timeframe = OLD.timeframe AND OLD.opened_at >= c.opened_from\n    AND OLD.opened_at < c.opened_before;\nRETURN NEW;\n",
                    hash="3ed9c2910bd01a294c5400c4bee8865b2aa42106",
                    operation="UPDATE",
                    pgid="pgtrigger_keep_revision_402a3",
                    table="marketdata_bar",
                    when="BEFORE",
                ),
            ),
        ),
    ]
