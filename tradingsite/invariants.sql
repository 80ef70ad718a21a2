-- What must never be true. Each block is one query that must return no row.
-- The numbers are those of the reliability rules; names follow them.

-- 1 order_numbers
SELECT id FROM execution_order
WHERE NOT (quantity > 0 AND quantity < 1e15 AND filled_quantity >= 0 AND filled_quantity <= quantity);

-- 2 totals_equal_fills
SELECT o.id FROM execution_order o LEFT JOIN execution_fill f ON f.order_id = o.id
GROUP BY o.id, o.filled_quantity HAVING o.filled_quantity <> coalesce(sum(f.quantity), 0);

-- 3 one_order_per_wish
SELECT decision_id, leg, issue_no FROM execution_order GROUP BY 1, 2, 3 HAVING count(*) > 1;

-- 3 one_order_per_signal
SELECT d.signal_id, o.leg, o.issue_no FROM execution_order o
JOIN risk_decision d ON d.id = o.decision_id GROUP BY 1, 2, 3 HAVING count(*) > 1;

-- 3 one_fill_per_execution
SELECT account_id, execution_id FROM execution_fill GROUP BY 1, 2 HAVING count(*) > 1;

-- 4 ledger_balanced
SELECT txn_id, asset FROM execution_ledgerentry GROUP BY 1, 2 HAVING sum(amount) <> 0;

-- 4 every_fill_booked_once
SELECT f.id FROM execution_fill f LEFT JOIN execution_ledgertxn t
  ON t.ref = 'fill:' || f.account_id || ':' || f.execution_id
GROUP BY 1 HAVING count(t.id) <> 1;

-- 5 position_is_fills_is_ledger
WITH moves AS (
    SELECT o.account_id, o.instrument_id, coalesce(o.bot_id, 0) AS bot, o.side * f.quantity AS q
    FROM execution_fill f JOIN execution_order o ON o.id = f.order_id
    UNION ALL
    SELECT e.account_id, e.instrument_id, coalesce(e.bot_id, 0), e.amount
    FROM execution_ledgerentry e JOIN execution_ledgertxn t ON t.id = e.txn_id
    WHERE e.book = 'position' AND t.ref LIKE 'split:%'),
f AS (SELECT account_id, instrument_id, bot, sum(q) AS q FROM moves GROUP BY 1, 2, 3),
l AS (SELECT account_id, instrument_id, coalesce(bot_id, 0) AS bot, sum(amount) AS q
      FROM execution_ledgerentry WHERE book = 'position' GROUP BY 1, 2, 3),
p AS (SELECT account_id, instrument_id, coalesce(bot_id, 0) AS bot, quantity AS q
      FROM execution_position)
SELECT * FROM f FULL JOIN l USING (account_id, instrument_id, bot)
FULL JOIN p USING (account_id, instrument_id, bot)
WHERE coalesce(f.q, 0) <> coalesce(l.q, 0) OR coalesce(f.q, 0) <> coalesce(p.q, 0);

-- 6 cash_is_ledger
SELECT b.account_id FROM execution_book b WHERE b.cash <> (
    SELECT coalesce(sum(amount), 0) FROM execution_ledgerentry e
    WHERE e.account_id = b.account_id AND e.book = 'cash');

-- 7 nothing_reserved_when_done
SELECT id FROM execution_order
WHERE state IN ('filled', 'canceled', 'rejected') AND reserved <> 0;

-- 7 budget_kept
SELECT id FROM risk_decision WHERE approved AND used_before + requested > limit_value;

-- 8 approved_before_made
SELECT o.id FROM execution_order o LEFT JOIN risk_decision d ON d.id = o.decision_id
WHERE o.state NOT IN ('ready', 'canceled') AND (d.id IS NULL OR NOT d.approved
    OR d.created_at > o.created_at OR d.account_id <> o.account_id);

-- 9 nothing_sent_during_halt
SELECT e.id FROM execution_orderevent e JOIN execution_order o ON o.id = e.order_id
JOIN risk_halt h ON h.account_id = o.account_id
WHERE e.to_state = 'sending' AND NOT o.reduce_only AND e.created_at > h.from_at
  AND e.created_at < coalesce(h.to_at, 'infinity');

-- 10 only_allowed_edges
SELECT e.id FROM execution_orderevent e LEFT JOIN execution_allowededge x
  ON (x.from_state, x.to_state) = (e.from_state, e.to_state) WHERE x.id IS NULL;

-- 10 unbroken_history
SELECT id FROM (
    SELECT id, from_state, lag(to_state) OVER w AS before FROM execution_orderevent
    WINDOW w AS (PARTITION BY order_id ORDER BY seq)) s
WHERE coalesce(before, 'ready') <> from_state;

-- 10 state_is_last_event
SELECT o.id FROM execution_order o WHERE o.state <> coalesce((
    SELECT to_state FROM execution_orderevent e WHERE e.order_id = o.id
    ORDER BY seq DESC LIMIT 1), 'ready');

-- 11 nothing_forgotten
SELECT o.id FROM execution_order o WHERE o.state IN ('ready', 'sending', 'unknown')
AND NOT EXISTS (SELECT 1 FROM execution_outbox b WHERE b.order_id = o.id AND (NOT b.done OR b.dead));

-- 11 nothing_stuck
SELECT id FROM execution_order WHERE state IN ('sending', 'unknown')
AND state_at < clock_timestamp() - interval '30 s' AND incident_id IS NULL;

-- 12 no_stale_price_approved
SELECT d.id FROM risk_decision d JOIN strategies_signal s ON s.id = d.signal_id
WHERE d.approved AND NOT s.reduce_only AND d.price_age_ms > d.price_age_limit_ms;

-- 13 audit_chain
SELECT id FROM (
    SELECT id, seq, hash, body, prev, lag(hash) OVER w AS lh, lag(seq) OVER w AS ls
    FROM tradingsite_audit WINDOW w AS (PARTITION BY shard ORDER BY seq)) s
WHERE hash <> encode(sha256(convert_to(prev || body, 'UTF8')), 'hex')
   OR prev <> coalesce(lh, repeat('0', 64)) OR seq <> coalesce(ls, 0) + 1;

-- 14 bar_numbers
SELECT instrument_id, timeframe, opened_at FROM marketdata_bar
WHERE NOT (low > 0 AND high < 1e15 AND low <= least(open, close) AND high >= greatest(open, close)
    AND coalesce(volume, 0) >= 0 AND coalesce(volume, 0) < 1e18);

-- 14 one_bar_per_key
SELECT instrument_id, timeframe, opened_at FROM marketdata_bar GROUP BY 1, 2, 3 HAVING count(*) > 1;

-- 14 bar_of_an_instrument
SELECT b.instrument_id, b.timeframe, b.opened_at FROM marketdata_bar b
WHERE NOT EXISTS (SELECT 1 FROM marketdata_instrument i WHERE i.id = b.instrument_id);

-- 14 bar_known_behind_its_close
SELECT instrument_id, timeframe, opened_at FROM marketdata_bar WHERE known_at < closed_at;

-- 14 former_versions_kept
SELECT b.instrument_id, b.timeframe, b.opened_at FROM marketdata_bar b
WHERE b.version > 1 AND b.version - 1 <> (SELECT count(*) FROM marketdata_barrevision r
    WHERE (r.instrument_id, r.timeframe, r.opened_at) = (b.instrument_id, b.timeframe, b.opened_at));

-- 14 no_score_over_an_open_hole
-- (five seconds: a score may be on its way while the gap is found)
SELECT s.id FROM mlweights_score s JOIN marketdata_datagap g
    ON g.instrument_id = s.instrument_id AND g.timeframe = s.timeframe
WHERE g.state = 'open' AND g.found_at < s.created_at - interval '5 s' AND g.known_from <= s.closed_at
  AND g.last_opened_at >= s.bars_from AND g.last_opened_at < s.closed_at;

-- 14 one_active_weight_version
SELECT instrument_id, "group", timeframe, regime FROM mlweights_weightversion
WHERE active GROUP BY 1, 2, 3, 4 HAVING count(*) > 1;

-- 15 no_decision_before_its_seal
SELECT e.id FROM execution_equitypoint e JOIN marketdata_account a ON a.id = e.account_id
WHERE NOT EXISTS (SELECT 1 FROM marketdata_seal s
    WHERE s.stream_id = a.stream_id AND s.closed_at = e.closed_at AND s.sealed_at <= e.created_at);

-- 15 no_score_before_its_weights
SELECT s.id FROM mlweights_score s JOIN mlweights_weightversion w ON w.id = s.weight_version_id
WHERE w.valid_from IS NULL OR w.valid_from > s.closed_at;
