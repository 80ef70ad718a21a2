"""Recorded market data, read the plain way: with pandas, from the folder beside the checkout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.bars import BarSeries, Timeframe

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data"
# Frames are read once a process: the large ones take half a second.
_frames: dict[str, Any] = {}


@pytest.fixture
def recorded_frame() -> Callable[[str], Any]:
    """Return a reader of a recorded file by name, such as us_equity/SPY_1d; time in column ts."""

    def read(name: str) -> Any:
        import pandas as pd  # noqa: PLC0415 - most tests never need it

        path = RECORDED / f"{name}.csv.gz"
        if not path.is_file():
            pytest.skip(f"no recorded data at {path}")
        if name not in _frames:
            frame = pd.read_csv(path).rename(columns={"date": "ts"})
            _frames[name] = frame.assign(ts=pd.to_datetime(frame.ts, utc=True))
        return _frames[name]

    return read


@pytest.fixture
def recorded_bars(recorded_frame: Callable[[str], Any]) -> Callable[[str, str], BarSeries]:
    """Return a reader of recorded bars: (file, timeframe) -> columns."""

    def read(name: str, timeframe: str) -> BarSeries:
        frame = recorded_frame(name)
        opened_at = frame.ts.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        micros = opened_at.astype(np.int64)
        return BarSeries(
            micros,
            micros + Timeframe.parse(timeframe).seconds * 1_000_000,
            *(frame[side].to_numpy(np.float64) for side in ("open", "high", "low", "close")),
            frame["volume"].to_numpy(np.float64) if "volume" in frame else micros * np.nan,
        )

    return read
