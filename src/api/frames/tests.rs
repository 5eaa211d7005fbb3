use arrow_array::{
    Array as _, RecordBatch,
    cast::AsArray as _,
    types::{Float64Type, Int64Type, TimestampMillisecondType},
};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::{Frame, Origin, candles, trades};
use crate::{
    api::answer::Text,
    market::{Candle, Number, Raw, Side, Symbol, Trade, UnixMs},
};

const BINARY: [Frame; 2] = [Frame::Arrow, Frame::Parquet];

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn candle(at: i64, [open, high, low, close, volume]: [&str; 5]) -> Candle {
    Candle {
        open_time: UnixMs::from_millis(at),
        open: number(open),
        high: number(high),
        low: number(low),
        close: number(close),
        volume: number(volume),
    }
}

fn trade(id: i64, at: i64, side: Side, price: &str, amount: &str) -> Trade {
    let raw = serde_json::from_str("[]").unwrap();
    let (price, amount) = (number(price), number(amount));
    Trade { id, at: UnixMs::from_millis(at), side, price, amount, raw: Raw::copy_of(raw) }
}

fn two_candles() -> [Candle; 2] {
    [
        candle(1_700_000_100_000, ["7e-7", "0.0000009", "6e-7", "8.10e-7", "1.0"]),
        candle(1_700_000_400_000, ["0.1", "0.30000000000000004", "0.1", "0.2", "1E2"]),
    ]
}

fn two_trades() -> [Trade; 2] {
    [
        trade(9_007_199_254_740_993, 1_700_000_100_001, Side::Buy, "91276.0", "0.015"),
        // Beyond what a decimal holds, so that the product is not known.
        trade(9_007_199_254_740_994, 1_700_000_100_001, Side::Sell, "1e28", "1e9"),
    ]
}

fn of_candles(frame: Frame, rows: &[Candle]) -> (Bytes, String) {
    let symbol = Symbol::spot("BTC", "USD");
    let origin = Origin { symbol: &symbol, exchange: "bitfinex", timeframe: Some("5m") };
    let is_closed = |candle: &Candle| candle.open_time.millis() < 1_700_000_400_000;
    file(candles(frame, origin, rows, is_closed))
}

fn of_trades(frame: Frame, rows: &[Trade]) -> (Bytes, String) {
    let symbol = Symbol::swap("BTC", "USDT", "USDT");
    let origin = Origin { symbol: &symbol, exchange: "bitfinex", timeframe: None };
    file(trades(frame, origin, rows))
}

fn file(text: Text) -> (Bytes, String) {
    match text {
        Text::File(bytes, name) => (bytes, name),
        Text::Fixed(_) | Text::Aging(..) => panic!("no file"),
    }
}

/// The table that Arrow's own readers find, and its metadata.
fn read(frame: Frame, bytes: Bytes) -> (RecordBatch, Value) {
    let batches: Vec<RecordBatch>;
    let schema = match frame {
        Frame::Arrow => {
            let reader = StreamReader::try_new(&bytes[..], None).unwrap();
            let schema = reader.schema();
            batches = reader.map(Result::unwrap).collect();
            schema
        }
        Frame::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            let schema = reader.schema().clone();
            batches = reader.with_batch_size(20_000).build().unwrap().map(Result::unwrap).collect();
            schema
        }
        Frame::Csv => panic!("text"),
    };
    let metadata = schema.metadata().iter().map(|(name, text)| {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()));
        (name.clone(), value)
    });
    let metadata = metadata.collect::<serde_json::Map<_, _>>().into();
    assert!(batches.len() <= 1, "one batch");
    let empty = || RecordBatch::new_empty(schema.clone());
    (batches.into_iter().next().unwrap_or_else(empty), metadata)
}

fn times(table: &RecordBatch) -> Vec<i64> {
    let column = table.column_by_name("timestamp").unwrap();
    let zone = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    assert_eq!(column.data_type(), &zone);
    column.as_primitive::<TimestampMillisecondType>().values().to_vec()
}

fn doubles(table: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    table.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

fn names(table: &RecordBatch) -> Vec<&str> {
    table.schema_ref().fields().iter().map(|field| field.name().as_str()).collect()
}

#[test]
fn candles_come_back_as_the_nearest_doubles() {
    for frame in BINARY {
        let (table, metadata) = read(frame, of_candles(frame, &two_candles()).0);
        assert_eq!(
            names(&table),
            ["timestamp", "open", "high", "low", "close", "volume", "closed"]
        );
        assert_eq!(times(&table), [1_700_000_100_000, 1_700_000_400_000]);
        assert_eq!(doubles(&table, "open"), [Some(7e-7), Some(0.1)]);
        assert_eq!(doubles(&table, "high"), [Some(9e-7), Some(0.1 + 0.2)]);
        assert_eq!(doubles(&table, "low"), [Some(6e-7), Some(0.1)]);
        assert_eq!(doubles(&table, "close"), [Some(8.1e-7), Some(0.2)]);
        assert_eq!(doubles(&table, "volume"), [Some(1.0), Some(100.0)]);
        let closed: Vec<_> = table.column_by_name("closed").unwrap().as_boolean().iter().collect();
        assert_eq!(closed, [Some(true), Some(false)]);
        let facts = ["symbol", "exchange", "timeframe"].map(|name| metadata[name].clone());
        assert_eq!(facts, ["BTC/USD", "bitfinex", "5m"]);
    }
}

#[test]
fn a_cost_that_is_not_known_is_null_and_an_id_keeps_every_digit() {
    for frame in BINARY {
        let (table, metadata) = read(frame, of_trades(frame, &two_trades()).0);
        assert_eq!(names(&table), ["timestamp", "id", "side", "price", "amount", "cost"]);
        assert_eq!(times(&table), [1_700_000_100_001; 2]);
        let ids = table.column_by_name("id").unwrap().as_primitive::<Int64Type>();
        assert_eq!(ids.values().to_vec(), [9_007_199_254_740_993, 9_007_199_254_740_994]);
        let sides: Vec<_> =
            table.column_by_name("side").unwrap().as_string::<i32>().iter().collect();
        assert_eq!(sides, [Some("buy"), Some("sell")]);
        assert_eq!(doubles(&table, "price"), [Some(91276.0), Some(1e28)]);
        assert_eq!(doubles(&table, "amount"), [Some(0.015), Some(1e9)]);
        assert_eq!(doubles(&table, "cost"), [Some(1369.14), None]);
        assert_eq!(metadata["symbol"], "BTC/USDT:USDT");
        assert_eq!(metadata.get("timeframe"), None);
    }
}

#[test]
fn text_keeps_the_exchanges_digits() {
    assert_eq!(
        of_candles(Frame::Csv, &two_candles()).0,
        "timestamp,open,high,low,close,volume,closed\n\
         1700000100000,7e-7,0.0000009,6e-7,8.10e-7,1.0,true\n\
         1700000400000,0.1,0.30000000000000004,0.1,0.2,1E2,false\n"
    );
    assert_eq!(
        of_trades(Frame::Csv, &two_trades()).0,
        "timestamp,id,side,price,amount,cost\n\
         1700000100001,9007199254740993,buy,91276.0,0.015,1369.14\n\
         1700000100001,9007199254740994,sell,1e28,1e9,\n"
    );
}

#[test]
fn a_table_without_rows_has_the_same_columns() {
    for frame in BINARY {
        let (full, about_full) = read(frame, of_candles(frame, &two_candles()).0);
        let (empty, about_empty) = read(frame, of_candles(frame, &[]).0);
        assert_eq!((full.num_rows(), empty.num_rows()), (2, 0));
        assert_eq!(empty.schema_ref().fields(), full.schema_ref().fields());
        assert_eq!(about_empty, about_full);
        let (full, about_full) = read(frame, of_trades(frame, &two_trades()).0);
        let (empty, about_empty) = read(frame, of_trades(frame, &[]).0);
        assert_eq!((full.num_rows(), empty.num_rows()), (2, 0));
        assert_eq!(empty.schema_ref().fields(), full.schema_ref().fields());
        assert_eq!(about_empty, about_full);
    }
    assert_eq!(of_candles(Frame::Csv, &[]).0, "timestamp,open,high,low,close,volume,closed\n");
    assert_eq!(of_trades(Frame::Csv, &[]).0, "timestamp,id,side,price,amount,cost\n");
}

/// An answer's name is made of its bytes, and these of nothing but the rows.
#[test]
fn equal_rows_make_equal_bytes() {
    for frame in [Frame::Csv, Frame::Arrow, Frame::Parquet] {
        assert_eq!(of_candles(frame, &two_candles()), of_candles(frame, &two_candles()));
        assert_ne!(of_candles(frame, &two_candles()), of_candles(frame, &two_candles()[..1]));
        assert_eq!(of_trades(frame, &two_trades()), of_trades(frame, &two_trades()));
    }
}

#[test]
fn files_are_named_after_what_is_in_them() {
    let names = [Frame::Csv, Frame::Arrow, Frame::Parquet].map(|frame| of_candles(frame, &[]).1);
    assert_eq!(names, ["BTC-USD-5m.csv", "BTC-USD-5m.arrows", "BTC-USD-5m.parquet"]);
    assert_eq!(of_trades(Frame::Csv, &[]).1, "BTC-USDT-USDT-trades.csv");
}

/// As pandas 3.1 with pyarrow 26 writes it for such a frame, but for the text types, which are
/// those of every pandas before.
#[test]
fn pandas_is_told_of_the_index() {
    for frame in BINARY {
        let (_, metadata) = read(frame, of_trades(frame, &two_trades()).0);
        let about = &metadata["pandas"];
        assert_eq!(about["index_columns"], json!(["timestamp"]));
        let attributes = json!({ "symbol": "BTC/USDT:USDT", "exchange": "bitfinex" });
        assert_eq!(about["attributes"], attributes);
        let columns = about["columns"].as_array().unwrap().iter();
        let types: Vec<_> =
            columns.map(|it| [&it["name"], &it["pandas_type"], &it["numpy_type"]]).collect();
        assert_eq!(
            json!(types),
            json!([
                ["timestamp", "datetimetz", "datetime64[ms]"],
                ["id", "int64", "int64"],
                ["side", "unicode", "object"],
                ["price", "float64", "float64"],
                ["amount", "float64", "float64"],
                ["cost", "float64", "float64"]
            ])
        );
        assert_eq!(about["columns"][0]["metadata"], json!({ "timezone": "UTC" }));
        let (_, metadata) = read(frame, of_candles(frame, &[]).0);
        assert_eq!(metadata["pandas"]["columns"][6]["pandas_type"], "bool");
        assert_eq!(metadata["pandas"]["attributes"]["timeframe"], "5m");
    }
}

/// Ten thousand rows, which is as much as an answer has, in one batch and one row group.
#[test]
fn the_longest_table_is_whole() {
    let rows: Vec<Candle> = (0..10_000)
        .map(|n| {
            let price = format!("{}.{:02}", 90_000 + n % 977, n % 100);
            candle(n * 300_000, [&price, &price, &price, &price, "0.1"])
        })
        .collect();
    for frame in BINARY {
        let (bytes, _) = of_candles(frame, &rows);
        let (table, _) = read(frame, bytes);
        assert_eq!(table.num_rows(), 10_000);
        assert_eq!(times(&table)[9_999], 9_999 * 300_000);
        assert_eq!(doubles(&table, "close")[9_999], Some(90_229.99));
    }
}
