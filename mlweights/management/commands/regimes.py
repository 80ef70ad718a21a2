"""`manage.py regimes`: which kinds of market the stored bars of a series were."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.bars import Timeframe
from marketdata.indicators.columns import CLOSED, OPENED
from marketdata.indicators.fold import outputs_over
from marketdata.indicators.regime_mixture import fitted_regime
from marketdata.indicators.registry import Indicator, make_indicator
from marketdata.management.desk_command import DeskCommand
from marketdata.models import Instrument
from marketdata.queries import find_instruments
from mlweights.models import RegimeModel
from mlweights.queries import RULES
from mlweights.regime_spans import history_of
from mlweights.regimes import over_holes
from mlweights.services.fit_regimes import METHOD, adjusted_bars, fit_regime_model

EVERYTHING = datetime(9999, 1, 1, tzinfo=UTC)
ACTOR = "regimes"


class Command(DeskCommand):
    """Show the regimes by one of the two detectors; fit the statistical one."""

    help = (
        "Show which regimes a series went through. "
        "Example: manage.py regimes --instrument AAPL --timeframe 1d --method mixture --fit"
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add the series, the detector, and whether to fit it."""
        parser.add_argument("--instrument", required=True, metavar="SYM", help="or VENUE:SYMBOL")
        parser.add_argument("--timeframe", default="1d", help="1m 3m 5m 15m 30m 1h 4h 1d 1w (1d)")
        parser.add_argument("--method", choices=(RULES, METHOD), help="rules unless --fit")
        parser.add_argument(
            "--fit", action="store_true", help="learn a mixture from what is sealed and store it"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        """Fit when asked, then tell the history."""
        (instrument,) = find_instruments([options["instrument"]])
        timeframe = Timeframe.parse(options["timeframe"])
        method = options["method"] or (METHOD if options["fit"] else RULES)
        if options["fit"]:
            if method != METHOD:
                raise CommandError("rules are not fitted: leave --method rules or --fit out")
            fit_regime_model(instrument=instrument, timeframe=timeframe, actor=ACTOR)
        detector, model = _detector(method, instrument, timeframe)
        bars, holes = adjusted_bars(instrument=instrument, timeframe=timeframe, as_of=EVERYTHING)
        if not bars.shape[1]:
            raise CommandError(f"no bars of {instrument} {timeframe.value} are stored")
        (outputs,) = outputs_over((detector,), bars)
        outputs[:, over_holes(bars[OPENED], holes, detector.warmup)] = float("nan")
        return {
            "instrument": str(instrument),
            "timeframe": timeframe.value,
            "method": method,
            **model,
            **history_of(outputs, bars[CLOSED].astype(int).tolist()),
        }

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print a few lines."""
        self.stdout.write(
            f"{answer['instrument']} {answer['timeframe']} by {answer.get('label', RULES)}:"
            f" {answer['bars']:,} bars, {answer['without']:,} without a regime"
        )
        if "fitted_to" in answer:
            self.stdout.write(
                f"  fitted to bars until {answer['fitted_to']:%Y-%m-%d}, decides from"
                f" {answer['valid_from']:%Y-%m-%d %H:%M:%S} UTC on"
            )
        if not answer["last"]:
            return
        said = answer["bars"] - answer["without"]
        for name, count in answer["trend"].items():
            spans = answer["spans"][name]
            self.stdout.write(
                f"  {name:<9}{count / said:>6.1%}  {spans['count']:,} spans,"
                f" {spans['mean_bars']:,} bars on average, the longest {spans['longest']:,}"
            )
        high = answer["volatility"]["high"] / said
        self.stdout.write(
            f"  high volatility {high:.1%}; {answer['changes_per_year']} changes a year"
        )
        last = answer["last"]
        since = answer["recent"][-1]["first"]
        self.stdout.write(
            f"  last: {last['trend']}, {last['volatility']} volatility,"
            f" since {since:%Y-%m-%d %H:%M} UTC"
        )


def _detector(
    method: str, instrument: Instrument, timeframe: Timeframe
) -> tuple[Indicator, dict[str, Any]]:
    """Return the detector, and what a fitted one says of itself."""
    if method == RULES:
        return make_indicator("regime"), {}
    models = RegimeModel.objects.filter(instrument=instrument, timeframe=timeframe.value)
    model = models.order_by("-valid_from").first()
    if model is None:
        raise CommandError(f"no mixture is fitted to {instrument} {timeframe.value}; add --fit")
    told = {
        "label": model.label,
        "fitted_to": model.as_of,
        "valid_from": model.valid_from,
        "measures": model.measures,
    }
    return fitted_regime(tuple(model.numbers)), told
