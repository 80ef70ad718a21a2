"""What a kernel reads: one row per quantity, one column per bar, oldest first."""

# Prices and volume are adjusted for the splits of the block; volume is NaN where not measured.
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
# Epoch microseconds, exact in float64 until the year 2255.
OPENED, CLOSED = 5, 6
# The session a bar belongs to: its date in days since 1970, its opening and closing instant.
SESSION_DAY, SESSION_OPEN, SESSION_CLOSE = 7, 8, 9
# Bought minus sold volume of the bar's trades, and all of it; NaN where no trade is known.
FLOW, TRADED = 10, 11
COLUMNS = 12
BESIDE = SESSION_DAY  # from here on: known beside the bars, NaN where nobody asked

INPUTS = {
    "open": (OPEN,),
    "high": (HIGH,),
    "low": (LOW,),
    "close": (CLOSE,),
    "volume": (VOLUME,),
    "time": (OPENED, CLOSED),
    "session": (SESSION_DAY, SESSION_OPEN, SESSION_CLOSE),
    "flow": (FLOW, TRADED),
}
