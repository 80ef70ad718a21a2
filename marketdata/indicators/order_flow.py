"""Order-flow imbalance: volume that buyers took minus what sellers hit, of recorded trades."""

from dataclasses import dataclass
from math import isnan, nan

from marketdata.indicators.columns import FLOW, TRADED
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import held


@dataclass(frozen=True)
class OrderFlowParams(IndicatorParams):
    """Bars of the window."""

    period: int = ranged(10, 1, 400)


DEFAULT = OrderFlowParams()


@INDICATORS.register("order_flow")
def order_flow(params: OrderFlowParams = DEFAULT) -> Indicator:
    """Return the fold: raw is (bought - sold) / traded of the window, from -1 to +1.

    Normalised is the same; 0 when nothing was traded, NaN where no trade is known.
    """
    return Indicator(
        name="order_flow",
        family="volume",
        inputs=("flow",),
        outputs=("imbalance", "delta"),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=order_flow_kernel,
        numbers=(float(params.period),),
        lookback=params.period,
    )


def order_flow_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, leaving out bars without a known trade."""
    flow, traded, period = bars[FLOW], bars[TRADED], int(numbers[0])
    for i in range(first, last):
        imbalance = delta = nan
        begin = i + 1 - period
        if begin >= start:
            net = total = 0.0
            known = 0
            for k in range(begin, i + 1):
                if not (isnan(flow[k]) or isnan(traded[k])):
                    net += flow[k]
                    total += traded[k]
                    known += 1
            if known > 0:
                delta = net
                imbalance = held(net / total, -1.0, 1.0) if total > 0.0 else 0.0
        out[0, i - first] = imbalance
        out[1, i - first] = delta
        out[2, i - first] = imbalance
