"""One row of every table, joined as the walk joins them; and people of every role."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group, User
from django.db import transaction

from execution.models import (
    Book,
    EquityPoint,
    Fill,
    Incident,
    LedgerEntry,
    LedgerTxn,
    Order,
    OrderEvent,
    Outbox,
    PaperExecution,
    PaperOrder,
    Position,
)
from marketdata.indicators.regime_mixture import unfitted_numbers
from marketdata.models import (
    Account,
    Bar,
    BookMessage,
    DataFinding,
    DataGap,
    DataImport,
    DataRevision,
    DepthLevel,
    Dividend,
    Instrument,
    LateBar,
    OpenInterest,
    OptionQuote,
    Provider,
    ProviderSymbol,
    Quote,
    QuoteBar,
    RejectedRow,
    Retention,
    Seal,
    Split,
    Stream,
    Tick,
)
from marketdata.services.partitions import BY_MONTH, ensure_partitions
from mlweights.models import RegimeModel, Score, TrainingRun, WeightVersion
from risk.models import Control, Decision, Halt, Profile
from strategies.models import Bot, BotProof, Hold, Signal
from tradingsite.models import Alert, Audit, IdempotencyKey, JobRun, JobSlot

T = datetime(2005, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEIGHTS = [["rsi", 0.5], ["macd", -0.25], ["bollinger", 0.25]]


@dataclass(frozen=True)
class DeskRows:
    """What tests ask for by name."""

    account: Account
    instrument: Instrument
    bot: Bot
    version: WeightVersion
    signal: Signal
    decision: Decision
    order: Order


def people() -> dict[str, User]:
    """Return one person per role, and one who belongs to no group, by role."""
    found = {"nobody": User.objects.create_user("nobody", password="let-nobody-in")}
    for group in Group.objects.all():
        user = User.objects.create_user(group.name.replace(" ", "_"), password="let-me-in-1")
        user.groups.add(group)
        found[group.name] = user
    found["superuser"] = User.objects.create_superuser("root", password="let-me-in-1")
    return found


@transaction.atomic
def make_desk(symbol: str = "ACME", *, orders: int = 1) -> DeskRows:
    """Return a small desk with `orders` filled orders of one instrument."""
    instrument = Instrument.objects.create(
        venue="SIM", symbol=symbol, tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )
    stream = Stream.objects.create(
        name=f"stream-{symbol}", kind="replay", feed="replay", timeframes=["1d"], sealed_to=T
    )
    stream.instruments.add(instrument)
    account = Account.objects.create(name=f"account-{symbol}", stream=stream)
    bot = Bot.objects.create(
        name=f"bot-{symbol.lower()}",
        account=account,
        strategy="weighted_composite",
        timeframe="1d",
        stage="paper",
    )
    bot.instruments.add(instrument)
    version = _weights(instrument)
    _market(instrument, stream)
    _accounts(account, bot, instrument)
    chains = [_chain(account, bot, instrument, version, T + DAY * day) for day in range(orders)]
    signal, decision, order = chains[0]
    return DeskRows(account, instrument, bot, version, signal, decision, order)


def make_desk_tables() -> None:
    """Write one row into each of the desk's own tables."""
    Alert.objects.create(kind="feed_silent", object="demo", message="silent for 40 s")
    Audit.objects.create(
        shard=9, seq=1, actor="x", action="y", subject="z", body="{}", prev="0" * 64, hash="1" * 64
    )
    IdempotencyKey.objects.create(
        caller="c", key="k", request_hash="h", status=200, content_type="", answer=b"canary"
    )
    JobSlot.objects.create(name="retrain", slot=T)
    JobRun.objects.create(name="retrain")


def _weights(instrument: Instrument) -> WeightVersion:
    run = TrainingRun.objects.create(
        instrument=instrument, timeframe="1d", optimizer="ridge", as_of=T, measures={"rank": 0.1}
    )
    RegimeModel.objects.create(
        label=f"mixture:{instrument}:1d:1",
        instrument=instrument,
        timeframe="1d",
        method="mixture",
        numbers=list(unfitted_numbers()),
        measures={"rows": 250},
        data_hash="c" * 64,
        as_of=T,
        valid_from=T + DAY * 3650,
    )
    return WeightVersion.objects.create(
        label=f"ridge:{instrument.symbol}:1",
        instrument=instrument,
        timeframe="1d",
        weights=WEIGHTS,
        buy_threshold=400_000_000,
        sell_threshold=-400_000_000,
        optimizer="ridge",
        training_run=run,
        state="active",
        active=True,
        valid_from=T,
    )


def _market(instrument: Instrument, stream: Stream) -> None:
    prices = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0}
    for day in range(3):
        opened = T + DAY * day
        Bar.objects.create(
            instrument=instrument,
            timeframe="1d",
            opened_at=opened,
            closed_at=opened + DAY,
            **prices,
        )
    Seal.objects.create(stream=stream, closed_at=T, bars=1, lag_ms=0)
    Split.objects.create(instrument=instrument, effective_at=T, ratio=Decimal(2))
    LateBar.objects.create(
        stream=stream,
        instrument=instrument,
        timeframe="1d",
        opened_at=T,
        closed_at=T + DAY,
        **prices,
    )
    read = DataImport.objects.create(
        instrument=instrument,
        timeframe="1d",
        source="file.csv",
        sha256="0" * 64,
        rows=2,
        inserted=1,
        unchanged=0,
        corrected=0,
        rejected=1,
    )
    RejectedRow.objects.create(data_import=read, line=2, text="x", reason="price is NaN")
    series = {"instrument": instrument, "timeframe": "1d"}
    # The trigger keeps the first version of a corrected bar.
    Bar.objects.filter(opened_at=T, **series).update(close=10.25)
    DataRevision.objects.create(
        **series, kind="corrected", first_opened_at=T, last_opened_at=T, bars=1, known_from=T + DAY
    )
    DataGap.objects.create(
        **series,
        first_opened_at=T - DAY * 9,
        last_opened_at=T - DAY * 8,
        bars=2,
        known_from=T - DAY * 8,
    )
    DataFinding.objects.create(**series, opened_at=T, kind="outlier", value=9.5, note="far out")
    Dividend.objects.create(instrument=instrument, effective_at=T, factor=Decimal("0.99"))
    provider, _ = Provider.objects.get_or_create(name="someone", feed="sample_stocks")
    ProviderSymbol.objects.create(
        provider=provider, instrument=instrument, symbol=f"X-{instrument.symbol}"
    )
    Retention.objects.get_or_create(table="marketdata_tick", keep_days=30)
    _between_bars(instrument)


def _between_bars(instrument: Instrument) -> None:
    """Write what arrives between bars: two rows of one instant in each table."""
    for table in BY_MONTH:
        ensure_partitions(table=table, first=T, last=T)
    at = {"instrument": instrument, "ts": T}
    # A text that a spreadsheet would run, in the only column a venue fills with words.
    Tick.objects.create(**at, seq=0, price=10.0, size=5.0, side=1, cond="=1+1")
    Tick.objects.create(**at, seq=1, price=10.5, side=0)
    for seq in range(2):
        Quote.objects.create(**at, seq=seq, bid=10.0, bid_size=1.0)
        BookMessage.objects.create(
            **at, seq=seq, action="A", side=1, price=10.0, size=1.0, order_id=7, flags=0
        )
        DepthLevel.objects.create(
            **at, seq=1, place=seq, is_snapshot=True, side=1, price=10.0 - seq, quantity=3.0
        )
    sides = {
        f"{side}_{part}": 10.0
        for side in ("bid", "ask")
        for part in ("open", "high", "low", "close")
    }
    QuoteBar.objects.create(
        instrument=instrument, timeframe="1d", opened_at=T, closed_at=T + DAY, **sides
    )
    OptionQuote.objects.create(instrument=instrument, observed_at=T, bid=1.0, ask=1.5)
    OpenInterest.objects.create(instrument=instrument, observed_at=T, open_interest=12.0)


def _accounts(account: Account, bot: Bot, instrument: Instrument) -> None:
    cash = Decimal(100_000)
    Control.objects.create(account=account, profile=Profile.objects.get(name="default"))
    Halt.objects.create(account=account, actor="x", reason="drill", to_at=T)
    Book.objects.create(account=account, cash=cash, peak_equity=cash, settled_to=T, decided_to=T)
    txn = LedgerTxn.objects.create(ref=f"deposit:{account.pk}:1", account=account, booked_for=T)
    for book, amount in (("cash", cash), ("capital", -cash)):
        LedgerEntry.objects.create(txn=txn, account=account, book=book, asset="USD", amount=amount)
    EquityPoint.objects.create(
        account=account, closed_at=T, cash=cash, positions_value=0, equity=cash
    )
    Position.objects.create(
        account=account, instrument=instrument, bot=bot, quantity=5, cost=50, realised=0
    )
    Hold.objects.create(
        bot=bot, closed_at=T, symbols=[str(instrument)], scores=[None], values=[None], reasons=["-"]
    )
    BotProof.objects.create(bot=bot, fingerprint="f" * 64, passed=True, bars=500, cuts=60)
    Incident.objects.create(account=account, kind="over_fill", subject="P1")


def _chain(
    account: Account, bot: Bot, instrument: Instrument, version: WeightVersion, at: datetime
) -> tuple[Signal, Decision, Order]:
    score = Score.objects.create(
        instrument=instrument,
        timeframe="1d",
        closed_at=at,
        weight_version=version,
        value=Decimal("0.45"),
        raw=[31.5, 0.2, None],
        normalised=[0.9, 0.4, None],
        contributions=[0.6, -0.15, None],
        bars_from=T,
        bars_hash="b" * 64,
    )
    signal = Signal.objects.create(
        key=f"bot:{bot.name}:{instrument}:1d:{at:%Y-%m-%d}",
        account=account,
        bot=bot,
        instrument=instrument,
        timeframe="1d",
        closed_at=at,
        source="bot",
        side=1,
        score=score,
        reason="score reaches the buy threshold",
    )
    decision = Decision.objects.create(
        signal=signal,
        account=account,
        closed_at=at,
        approved=True,
        requested_quantity=5,
        quantity=5,
        price=10,
        equity=100_000,
        used_before=0,
        requested=50,
        limit_value=10_000,
        price_age_ms=0,
        price_age_limit_ms=1,
        checks=[{"rule": "kill_switch", "value": "active", "limit": "active", "reason": ""}],
    )
    order = Order.objects.create(
        decision=decision,
        account=account,
        instrument=instrument,
        bot=bot,
        client_order_id=f"P{instrument.symbol}{at:%Y%m%d}",
        mode="paper",
        side=1,
        quantity=5,
        filled_quantity=5,
        reserved=0,
        state="filled",
        decided_at=at,
    )
    _sent(order, at)
    return signal, decision, order


def _sent(order: Order, at: datetime) -> None:
    OrderEvent.objects.create(order=order, seq=1, from_state="ready", to_state="sending")
    Outbox.objects.create(order=order, action="submit", done=True)
    execution = {
        "account": order.account,
        "execution_id": f"{order.client_order_id}-1",
        "quantity": 5,
        "price": Decimal("10.01"),
        "fee": Decimal("0.025"),
        "executed_at": at,
    }
    Fill.objects.create(order=order, **execution)
    PaperOrder.objects.create(
        account=order.account,
        client_order_id=order.client_order_id,
        instrument=order.instrument,
        side=1,
        quantity=5,
        decided_at=at,
        state="filled",
    )
    PaperExecution.objects.create(
        cursor=at.toordinal(),
        client_order_id=order.client_order_id,
        closed_at=at + DAY,
        **execution,
    )
