"""The demo desk: real history, one account, one bot. Idempotent; a desk in use is left alone."""

from collections.abc import Callable
from decimal import Decimal

from django.core.management import call_command
from django.db import connection, transaction

from domain.errors import PlumblineError
from execution.services.open_account import open_account
from marketdata.models import Account
from marketdata.services.load_sample import create_demo_stream, load_sample
from strategies.services.change_bot_state import change_bot_state
from strategies.services.check_terms import BotTerms
from strategies.services.create_bot import create_bot
from strategies.services.promote_bot import promote_bot
from tradingsite.pipelines.bot_checks import check_bot

DEMO_ACCOUNT = "paper"
DEMO_BOT = "composite"
DEMO_CASH = Decimal(1_000_000)
# Few, for the first fill is waited for: `manage.py check_bot composite` looks at more.
DEMO_CHECK = {"bars": 250, "cuts": 10, "stretch": 25}
ACTOR = "bootstrap"

# A fresh start empties what trading made and keeps what people brought: bars, users, schedule.
MADE_BY_TRADING = (
    "marketdata_seal",
    "marketdata_latebar",
    "marketdata_stream",
    "marketdata_account",
    "mlweights_weightversion",
    "mlweights_trainingrun",
    "mlweights_score",
    "mlweights_regimemodel",
    "strategies_bot",
    "risk_control",
    "risk_halt",
    "tradingsite_audit",
    "tradingsite_alert",
    "tradingsite_jobslot",
    "tradingsite_jobrun",
    "tradingsite_idempotencykey",
)


class DeskInUseError(PlumblineError):
    """Somebody else is connected to the database."""

    code = "desk_in_use"


def bootstrap(progress: Callable[[str], None]) -> bool:
    """Make the schedule, and a demo desk where there is no account; tell if it was made."""
    call_command("sync_schedule", verbosity=0, stdout=_Nowhere())
    if Account.objects.exists():
        return False
    progress("loading the demo's market history")
    load_sample()
    with transaction.atomic():
        stream = create_demo_stream()
        account = open_account(name=DEMO_ACCOUNT, stream=stream, cash=DEMO_CASH)
        create_bot(
            name=DEMO_BOT,
            account=account,
            strategy="weighted_composite",
            terms=BotTerms(timeframe="1d", instruments=tuple(stream.instruments.all())),
            actor=ACTOR,
        )
        progress("checking that the demo's bot does not look ahead")
        check_bot(bot_name=DEMO_BOT, actor=ACTOR, **DEMO_CHECK)
        promote_bot(bot_name=DEMO_BOT, actor=ACTOR)
        change_bot_state(bot_name=DEMO_BOT, state="running", actor=ACTOR)
    progress(f"opened the account '{account}' with {DEMO_CASH:,} {account.currency}")
    return True


def fresh_start(progress: Callable[[str], None]) -> None:
    """Empty everything trading made and open a new demo desk; bars and users stay."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        if cursor.fetchone()[0]:
            raise DeskInUseError("the desk is running; stop it first (Ctrl-C), then try again")
        cursor.execute(f"TRUNCATE {', '.join(MADE_BY_TRADING)} RESTART IDENTITY CASCADE")
    call_command("migrate", verbosity=0)  # writes the reference rows again
    bootstrap(progress)


class _Nowhere:
    """An output nobody reads."""

    def write(self, text: str) -> int:
        """Drop the text."""
        return len(text)
