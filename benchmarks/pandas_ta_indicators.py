"""What pandas-ta-classic has of the set, timed; run by a Python that has it, not by ours."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pandas_ta_classic as ta  # type: ignore[import-not-found]

ROUNDS = 3
COLUMNS = ("open", "high", "low", "close", "volume")


def main(path: str) -> None:
    """Print CPU seconds by indicator, the median of some rounds."""
    opened_at, *columns = np.fromfile(path).reshape(len(COLUMNS) + 1, -1)
    index = pd.to_datetime(opened_at.astype("int64"), unit="us", utc=True)
    f = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=index)
    o = (f.high, f.low, f.close)
    ways: dict[str, Callable[[], Any]] = {
        "sma": lambda: ta.sma(f.close, 20, talib=False),
        "ema": lambda: ta.ema(f.close, 20, talib=False),
        "wma": lambda: ta.wma(f.close, 20, talib=False),
        "dema": lambda: ta.dema(f.close, 20, talib=False),
        "tema": lambda: ta.tema(f.close, 20, talib=False),
        "macd": lambda: ta.macd(f.close, talib=False),
        "adx": lambda: ta.adx(*o, talib=False),
        "aroon": lambda: ta.aroon(f.high, f.low, 25, talib=False),
        "parabolic_sar": lambda: ta.psar(f.high, f.low),
        "supertrend": lambda: ta.supertrend(*o, 10, 3.0),
        "rsi": lambda: ta.rsi(f.close, 14, talib=False),
        "stochastic": lambda: ta.stoch(*o, 14, 3, 3, talib=False),
        "stoch_rsi": lambda: ta.stochrsi(f.close, 14, 14, 3, 3, talib=False),
        "williams_r": lambda: ta.willr(*o, 14, talib=False),
        "cci": lambda: ta.cci(*o, 20, talib=False),
        "roc": lambda: ta.roc(f.close, 10, talib=False),
        "momentum": lambda: ta.mom(f.close, 10, talib=False),
        "ultimate_oscillator": lambda: ta.uo(*o, talib=False),
        "bollinger": lambda: ta.bbands(f.close, 20, 2.0, talib=False),
        "atr": lambda: ta.atr(*o, 14, talib=False),
        "obv": lambda: ta.obv(f.close, f.volume, talib=False),
        "mfi": lambda: ta.mfi(*o, f.volume, 14, talib=False),
        "cmf": lambda: ta.cmf(*o, f.volume, length=20),
        "vwap": lambda: ta.vwap(*o, f.volume),
    }
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.process_time()
            if way() is None:
                continue
            times.setdefault(name, []).append(time.process_time() - began)
    sys.stdout.write(json.dumps({name: sorted(one)[len(one) // 2] for name, one in times.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
