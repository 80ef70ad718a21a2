"""Packed bars are the oldest of their series without a break; they carry when their last closed."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0004_partition_what_grows")]

    operations = [
        migrations.RenameField("BarChunk", "opened_before", "closed_to"),
        # Inline and as they are: unpacking is what reading them must not cost.
        migrations.RunSQL(
            "ALTER TABLE marketdata_barchunk SET (toast_tuple_target = 8160);"
            "ALTER TABLE marketdata_barchunk ALTER payload SET STORAGE MAIN;",
            elidable=False,
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='bar',
            name='keep_revision',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='bar',
            trigger=pgtrigger.compiler.Trigger(name='keep_revision', sql=pgtrigger.compiler.UpsertTriggerSql(func='\nIF (OLD.closed_at, OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume)\n   IS NOT DISTINCT FROM (NEW.closed_at, NEW.open, NEW.high, NEW.low, NEW.close, NEW.volume) THEN\n    RETURN NEW;\nEND IF;\nNEW.version := OLD.version + 1;\nINSERT INTO marketdata_barrevision (instrument_id, timeframe, opened_at, version, closed_at,\n    open, high, low, close, volume, source_id, known_at, known_until)\nSELECT OLD.instrument_id, OLD.timeframe, OLD.opened_at, OLD.version, OLD.closed_at,\n    OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume, OLD.source_id, OLD.known_at,\n    coalesce(max(s.sealed_to), clock_timestamp())\nFROM marketdata_stream s JOIN marketdata_stream_instruments d ON d.stream_id = s.id\nWHERE d.instrument_id = OLD.instrument_id AND OLD.timeframe = ANY(s.timeframes);\nDELETE FROM marketdata_barchunk c WHERE c.instrument_id = OLD.instrument_id\n    AND c.timeframe = OLD.timeframe AND c.closed_to > OLD.opened_at;\nRETURN NEW;\n', hash='c9f3ee46c665c0d3cd2bb42785176feaf06753d5', operation='UPDATE', pgid='pgtrigger_keep_revision_402a3', table='marketdata_bar', when='BEFORE')),
        ),
    ]
