"""Candles and trades as data frames: what pandas, polars and pyarrow read, beside the JSON answer."""

import io
import json
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pandas
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

pytestmark = pytest.mark.gateway

DATA = "/api/market-data"
PATIENCE = 60
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TABLES = {
    "candles": (
        f"{DATA}/ohlcv/BTC/USD?timeframe=1m&limit=500",
        {"open": float, "high": float, "low": float, "close": float, "volume": float, "closed": bool},
    ),
    "trades": (
        f"{DATA}/trades/BTC/USD?limit=300",
        {"id": int, "side": str, "price": float, "amount": float, "cost": float},
    ),
}
PANDAS = {float: "float64", bool: "bool", int: "int64", str: "str"}
POLARS = {float: polars.Float64, bool: polars.Boolean, int: polars.Int64, str: polars.String}
ARROW = {float: pyarrow.float64(), bool: pyarrow.bool_(), int: pyarrow.int64(), str: pyarrow.string()}


class Table:
    """One endpoint, the columns that its tables have beside the time, and its rows as JSON."""

    def __init__(self, http, base, name):
        self.name, (path, self.columns) = name, TABLES[name]
        self.http, self.path = http, base + path

    def url(self, form, more=""):
        return f"{self.path}{more}&format={form}"

    def bytes(self, form):
        answer = self.http.get(self.url(form), timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.content

    def rows(self):
        """Tuples of time and values."""
        answer = json.loads(self.bytes("objects"))
        objects = answer["candles"] if self.name == "candles" else answer
        pick = [*self.columns]
        rows = [(row["timestamp"], *(row[name] for name in pick)) for row in objects]
        if self.name == "trades":
            rows = [(at, int(number), *rest) for at, number, *rest in rows]
        return [(EPOCH + timedelta(milliseconds=row[0]), *row[1:]) for row in rows]

    def beside(self, read):
        """A frame, and the rows that it was made from: again where they moved meanwhile."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            before, frame, after = self.rows(), read(), self.rows()
            if before == after:
                assert len(before) > 100
                return frame, before
        raise AssertionError("the data changed within three requests, over and over")


@pytest.fixture(params=TABLES)
def table(http, base, request):
    return Table(http, base, request.param)


def compare_pandas(frame, rows, columns):
    assert isinstance(frame.index, pandas.DatetimeIndex)
    assert (frame.index.name, str(frame.index.tz)) == ("timestamp", "UTC")
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        name: PANDAS[kind] for name, kind in columns.items()
    }
    assert [at.to_pydatetime() for at in frame.index] == [row[0] for row in rows]
    assert frame.values.tolist() == [list(row[1:]) for row in rows]


def check_pandas_reads_parquet_from_an_address(table):
    frame, rows = table.beside(lambda: pandas.read_parquet(table.url("parquet")))
    compare_pandas(frame, rows, table.columns)
    facts = {"symbol": "BTC/USD", "exchange": "bitfinex"}
    assert frame.attrs == (facts | {"timeframe": "1m"} if table.name == "candles" else facts)


def check_pandas_reads_csv_from_an_address(table):
    def read():
        frame = pandas.read_csv(table.url("csv"), index_col="timestamp")
        frame.index = pandas.to_datetime(frame.index, unit="ms", utc=True)
        # Whole numbers are whole numbers where nothing says otherwise.
        return frame.astype({name: PANDAS[kind] for name, kind in table.columns.items()})

    frame, rows = table.beside(read)
    compare_pandas(frame, rows, table.columns)


def check_pyarrow_reads_the_stream_as_it_comes(table):
    def read():
        with urlopen(table.url("arrow")) as body:
            return pyarrow.ipc.open_stream(body).read_all()

    frame, rows = table.beside(read)
    time = pyarrow.field("timestamp", pyarrow.timestamp("ms", "UTC"))
    columns = [pyarrow.field(name, ARROW[kind]) for name, kind in table.columns.items()]
    assert frame.schema.equals(pyarrow.schema([time, *columns]))
    assert [tuple(row.values()) for row in frame.to_pylist()] == rows
    assert frame.schema.metadata[b"symbol"] == b"BTC/USD"
    assert frame.schema.metadata[b"exchange"] == b"bitfinex"
    compare_pandas(frame.to_pandas(), rows, table.columns)


def check_parquet_has_the_schema_of_the_stream(table):
    stream = pyarrow.ipc.open_stream(table.bytes("arrow")).schema
    file = pyarrow.parquet.read_schema(io.BytesIO(table.bytes("parquet")))
    assert file.equals(stream, check_metadata=True)


def check_the_schema_is_what_pandas_writes_of_such_a_frame(table):
    """So that a table of the gateway's and one of the user's own can be put together."""
    ours = pyarrow.ipc.open_stream(table.bytes("arrow")).read_all()
    own = pyarrow.Table.from_pandas(ours.to_pandas(), schema=ours.schema)
    assert own.schema.equals(ours.schema)
    assert len(pyarrow.concat_tables([ours, own])) == 2 * len(ours)
    written = pyarrow.Schema.from_pandas(ours.to_pandas()).pandas_metadata
    said = ours.schema.pandas_metadata
    assert (said["index_columns"], said["attributes"]) == (
        written["index_columns"],
        written["attributes"],
    )
    by_name = {column["name"]: column for column in written["columns"]}
    assert len(by_name) == len(said["columns"]) == len(table.columns) + 1
    for column in said["columns"]:
        if column["name"] != "side":
            assert column == by_name[column["name"]]


@pytest.mark.parametrize("form", ["arrow", "arrow bytes", "parquet", "csv"])
def check_polars_reads_every_format(table, form):
    read = {
        "arrow": lambda: polars.read_ipc_stream(table.url("arrow")),
        "arrow bytes": lambda: polars.read_ipc_stream(table.bytes("arrow")),
        "parquet": lambda: polars.read_parquet(table.bytes("parquet")),
        "csv": lambda: polars.read_csv(table.bytes("csv")),
    }
    frame, rows = table.beside(read[form])
    kinds = {"timestamp": polars.Datetime("ms", "UTC")}
    kinds |= {name: POLARS[kind] for name, kind in table.columns.items()}
    if form == "csv":
        assert frame.schema["timestamp"] == polars.Int64
        frame = frame.cast(kinds)
    assert dict(frame.schema) == kinds
    assert frame.rows() == rows


def check_no_rows_are_a_frame_of_the_same_types(table):
    table.path += "&since=2100-01-01"
    assert table.rows() == []
    compare_pandas(pandas.read_parquet(table.url("parquet")), [], table.columns)
    with urlopen(table.url("arrow")) as body:
        compare_pandas(pyarrow.ipc.open_stream(body).read_pandas(), [], table.columns)
    frame = polars.read_ipc_stream(table.url("arrow"))
    assert (frame.height, frame.columns) == (0, ["timestamp", *table.columns])
    assert polars.read_parquet(table.bytes("parquet")).schema == frame.schema
    frame = pandas.read_csv(table.url("csv"))
    assert (len(frame), [*frame.columns]) == (0, ["timestamp", *table.columns])


def check_a_file_is_named_and_is_not_zipped_twice(http, table):
    for form, media, zipped in [
        ("csv", "text/csv; charset=utf-8", "gzip"),
        ("arrow", "application/vnd.apache.arrow.stream", "gzip"),
        ("parquet", "application/vnd.apache.parquet", None),
    ]:
        answer = http.get(table.url(form), headers={"Accept-Encoding": "gzip"}, timeout=PATIENCE)
        assert answer.headers["content-type"] == media
        assert answer.headers.get("content-encoding") == zipped
        name = "BTC-USD-1m" if table.name == "candles" else "BTC-USD-trades"
        assert f'filename="{name}.' in answer.headers["content-disposition"]


def check_an_error_is_no_frame(base):
    with pytest.raises(HTTPError) as raised:
        pandas.read_parquet(f"{base}{DATA}/ohlcv/BTC/USX?format=parquet")
    assert raised.value.code == 404
    assert raised.value.headers["content-type"] == "application/problem+json"


def check_the_readme_says_what_works(base):
    """Runs the Python of the section on data frames, as it stands there."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = re.search(r"^## Data frames$(.*?)^## ", readme, re.M | re.S)[1]
    blocks = re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S)
    names = {}
    for block in blocks:
        assert "http://127.0.0.1:8087" in block
        exec(block.replace("http://127.0.0.1:8087", base), names)
    # What the old service's callers rely on.
    frame = names["fetch_live_ohlcv"]("ETH/USD", "1h", 50)
    assert len(frame) == 50 and frame.index.is_monotonic_increasing
    assert (frame.index.name, str(frame.index.tz)) == ("timestamp", "UTC")
    assert [*frame.columns[:5]] == ["open", "high", "low", "close", "volume"]
    assert all(str(kind) == "float64" for kind in frame.dtypes[:5])
    assert frame.attrs["timeframe"] == "1h"
    assert (frame["high"] >= frame["low"]).all()
    assert frame["close"].resample("4h").last().size >= 12
    assert names["candles"].index.tz is not None and len(names["candles"]) == 100
    assert names["trades"].height == 1000 and names["trades"]["price"].dtype == polars.Float64
