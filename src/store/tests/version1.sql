-- What a Tidegate store holds. Times are Unix milliseconds; a span of time is [from_time, to_time).

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    exchange TEXT NOT NULL,
    market TEXT NOT NULL,              -- the exchange's own name: tBTCUSD
    symbol TEXT NOT NULL,              -- the unified name: BTC/USD
    timeframe TEXT NOT NULL,           -- 1m 5m 15m 30m 1h 3h 4h 6h 12h 1d 1w 2w 1M
    bars INTEGER NOT NULL DEFAULT 0,   -- how many there are in `bars`
    UNIQUE (exchange, market, timeframe)
) STRICT;

-- Final bars. A price is the exchange's own decimal text, digit for digit.
CREATE TABLE bars (
    series_id INTEGER NOT NULL,
    open_time INTEGER NOT NULL,
    open TEXT NOT NULL,
    high TEXT NOT NULL,
    low TEXT NOT NULL,
    close TEXT NOT NULL,
    volume TEXT NOT NULL,
    PRIMARY KEY (series_id, open_time)
) STRICT, WITHOUT ROWID;

-- Times for which every bar is known: nothing was traded where there is none. The spans of a series
-- neither overlap nor touch.
CREATE TABLE coverage (
    series_id INTEGER NOT NULL,
    from_time INTEGER NOT NULL,
    to_time INTEGER NOT NULL,
    received_at INTEGER NOT NULL,      -- the oldest receipt that the span is made of
    PRIMARY KEY (series_id, from_time)
) STRICT, WITHOUT ROWID;

CREATE TABLE market_lists (
    exchange TEXT PRIMARY KEY,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE markets (
    exchange TEXT NOT NULL,
    position INTEGER NOT NULL,         -- in the exchange's order
    market TEXT NOT NULL,
    symbol TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    settle TEXT,                       -- swaps only
    margin INTEGER,                    -- 0, 1, or unknown
    amount_min TEXT,
    amount_max TEXT,
    amount_decimals INTEGER,
    price_significant_digits INTEGER,
    aliases TEXT NOT NULL,             -- a JSON array of names
    PRIMARY KEY (exchange, position)
) STRICT, WITHOUT ROWID;

-- The exchange's own documents that came with the list, byte for byte.
CREATE TABLE documents (
    exchange TEXT NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (exchange, position)
) STRICT, WITHOUT ROWID;

-- Families of endpoints that an exchange has closed; '' is all of them.
CREATE TABLE bans (
    exchange TEXT NOT NULL,
    family TEXT NOT NULL,
    until_time INTEGER NOT NULL,
    PRIMARY KEY (exchange, family)
) STRICT, WITHOUT ROWID;

-- The calls of the last hour, which the budget's windows begin with after a restart.
CREATE TABLE calls (
    exchange TEXT NOT NULL,
    family TEXT NOT NULL,
    sent_at INTEGER NOT NULL
) STRICT;
CREATE INDEX calls_sent_at ON calls (sent_at);

-- For those who analyse: every final bar, in numbers.
CREATE VIEW candles AS
SELECT s.exchange, s.symbol, s.timeframe, b.open_time AS time,
    strftime('%Y-%m-%dT%H:%M:%fZ', b.open_time / 1000.0, 'unixepoch') AS datetime,
    CAST(b.open AS REAL) AS open, CAST(b.high AS REAL) AS high, CAST(b.low AS REAL) AS low,
    CAST(b.close AS REAL) AS close, CAST(b.volume AS REAL) AS volume
FROM series AS s JOIN bars AS b ON b.series_id = s.id;

-- The same for coverage: what is known, and since when.
CREATE VIEW known AS
SELECT s.exchange, s.symbol, s.timeframe, c.from_time, c.to_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', c.from_time / 1000.0, 'unixepoch') AS from_datetime,
    strftime('%Y-%m-%dT%H:%M:%fZ', c.to_time / 1000.0, 'unixepoch') AS to_datetime,
    c.received_at
FROM series AS s JOIN coverage AS c ON c.series_id = s.id;
