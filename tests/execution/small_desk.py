"""A desk of few bars made by hand: every price is known, every wish is said by the test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from domain.bars import Timeframe
from domain.orders import BUY, SELL
from domain.signals import DEFAULT_WEIGHTS, Score
from execution.models import Book, Order
from execution.queries import decided_to
from execution.services.book_fills import BookedFill, book_fills
from execution.services.open_account import open_account
from execution.services.place_orders import Cycle, CycleReport, place_orders
from execution.services.submit_orders import submit_orders
from execution.trade_cycle import BotPlan, ScoredBar
from marketdata.models import Account, Bar, Instrument, Seal, Stream
from marketdata.queries import SealedInstant, instrument_terms
from strategies.bots.base import HOLD, BotContext, Intent, StrategyParams
from strategies.bots.registry import RegisteredStrategy
from strategies.models import Bot

DAY = timedelta(days=1)
START = datetime(2020, 1, 1, tzinfo=UTC)  # the first bar opens here
IN, OUT = Intent(BUY, "in"), Intent(SELL, "out", is_exit=True)
Wishes = Mapping[str, Intent]


def day(number: int) -> datetime:
    """Return the instant `number` days after the first bar opened."""
    return START + DAY * number


class Told(RegisteredStrategy):
    """A strategy that does what it is told, by symbol."""

    Params = StrategyParams

    def __init__(self, wishes: Wishes, size_pct: float = 10.0) -> None:
        super().__init__(StrategyParams(size_pct=size_pct))
        self.wishes = wishes

    def decide(self, context: BotContext) -> Intent:
        """Return what the test said."""
        return self.wishes.get(context.symbol, Intent(HOLD, "nothing said"))


@dataclass(slots=True)
class SmallDesk:
    """One account and one bot on daily bars of a few instruments."""

    stream: Stream
    account: Account
    bot: Bot
    closes: dict[str, list[float]] = field(default_factory=dict)

    def seal(self, upto: int) -> None:
        """Seal every day that is stored, up to the close of day number `upto`."""
        instants = Bar.objects.filter(closed_at__lte=day(upto)).values_list("closed_at", flat=True)
        for at in sorted(set(instants)):
            Seal.objects.get_or_create(
                stream=self.stream, closed_at=at, defaults={"bars": 1, "lag_ms": 0}
            )
            self.stream.sealed_to = max(self.stream.sealed_to, at)
        self.stream.save()

    def cycle(
        self, number: int, wishes: Wishes, *, size_pct: float = 10.0, seen: datetime | None = None
    ) -> Cycle:
        """Return what the walk would bring to the close of day `number`."""
        terms = instrument_terms(list(Instrument.objects.values_list("pk", flat=True)))
        chosen = {one.symbol: one for one in terms.values() if one.symbol in self.closes}
        plan = BotPlan(
            id=self.bot.pk,
            name=self.bot.name,
            strategy=Told(wishes, size_pct),
            timeframe=Timeframe.D1,
            instrument_ids=tuple(one.id for _, one in sorted(chosen.items())),
        )
        scored = {
            (one.id, "1d", ""): ScoredBar(
                terms=one,
                timeframe=Timeframe.D1,
                closed_at=day(number),
                close=self.closes[symbol][number - 1],
                score=Score(500_000_000, (0.5,) * 6, ()),
                raw=(0.5,) * 6,
                normalised=(0.5,) * 6,
                weight_set=DEFAULT_WEIGHTS,
                weight_label="default",
                weight_version_id=1,
                bars_from=START,
                bars_hash="0" * 64,
            )
            for symbol, one in chosen.items()
        }
        return Cycle(
            env="test",
            account=self.account,
            instant=SealedInstant(day(number), 0),
            decided_to=seen or decided_to(self.account.pk),
            bots=(plan,),
            scored=scored,
            score_ids={},
            terms=terms,
        )

    def place(self, number: int, wishes: Wishes, **options: float) -> CycleReport | None:
        """Decide the close of day `number`."""
        return place_orders(self.cycle(number, wishes, **options))

    def settle(self, number: int) -> list[BookedFill]:
        """Settle through the close of day `number`."""
        return book_fills(self.account, day(number))

    def submit(self) -> int:
        """Send what is due."""
        return submit_orders(self.account)

    def bought(self, number: int, wishes: Wishes, **options: float) -> None:
        """Decide, send, and settle a day later."""
        assert self.place(number, wishes, **options) is not None
        self.submit()
        self.settle(number + 1)

    def book(self) -> Book:
        """Return the book as stored."""
        return Book.objects.get(account=self.account)

    def order(self) -> Order:
        """Return the only order."""
        return Order.objects.get(account=self.account)

    def states(self) -> list[str]:
        """Return every order's state, oldest first."""
        found = Order.objects.filter(account=self.account).order_by("id")
        return list(found.values_list("state", flat=True))


@transaction.atomic
def make_small_desk(
    prices: Mapping[str, Sequence[float]], *, name: str = "small", cash: int = 100_000
) -> SmallDesk:
    """Return a desk whose instruments opened and closed each day at the given prices."""
    stream = Stream.objects.create(
        name=name, kind="replay", feed="replay", timeframes=["1d"], sealed_to=START
    )
    for symbol, path in prices.items():
        instrument, is_new = Instrument.objects.get_or_create(
            venue="SIM",
            symbol=symbol,
            defaults={"tick_size": Decimal("0.01"), "lot_size": Decimal(1)},
        )
        stream.instruments.add(instrument)
        for number, price in enumerate(path if is_new else ()):
            Bar.objects.create(
                instrument=instrument,
                timeframe="1d",
                opened_at=day(number),
                closed_at=day(number + 1),
                open=price,
                high=price,
                low=price,
                close=price,
                volume=1.0,
            )
    account = open_account(name=name, stream=stream, cash=Decimal(cash))
    bot = Bot.objects.create(
        name=name,
        account=account,
        strategy="weighted_composite",
        timeframe="1d",
        state="running",
        stage="paper",
    )
    bot.instruments.set(stream.instruments.all())
    closes = {symbol: list(path) for symbol, path in prices.items()}
    return SmallDesk(stream, account, bot, closes)
