//! Candles and trades as tables: the rows of the JSON answer, under the same rules of HTTP.

use std::collections::BTreeMap;

use arrow_array::{
    Array as _, RecordBatch,
    cast::AsArray as _,
    types::{Float64Type, Int64Type, TimestampMillisecondType},
};
use arrow_ipc::reader::StreamReader;
use bytes::Bytes;
use flate2::read::GzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json, value::RawValue};
use tidegate::sim::Family;

use crate::{
    client::{Reply, ask},
    rig::{Rig, says, settings},
};

const CANDLES: &str = "/api/market-data/ohlcv/BTC-USD?timeframe=1m&limit=300";
const TRADES: &str = "/api/market-data/trades/BTC-USD?limit=200";

fn arrow(body: &[u8]) -> RecordBatch {
    let mut batches: Vec<_> =
        StreamReader::try_new(body, None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn parquet(body: &[u8]) -> RecordBatch {
    let file = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(body)).unwrap();
    let mut batches: Vec<_> =
        file.with_batch_size(10_000).build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

/// The rows of a table as JSON, with the values that its columns hold.
fn rows(table: &RecordBatch) -> Vec<Value> {
    let value = |name: &str, row: usize| {
        let column = table.column_by_name(name).unwrap();
        assert!(column.is_valid(row), "{name} of row {row} is null");
        match name {
            "timestamp" => column.as_primitive::<TimestampMillisecondType>().value(row).into(),
            "id" => column.as_primitive::<Int64Type>().value(row).into(),
            "side" => column.as_string::<i32>().value(row).into(),
            "closed" => column.as_boolean().value(row).into(),
            _ => Value::from(column.as_primitive::<Float64Type>().value(row)),
        }
    };
    let fields = table.schema_ref().fields().iter();
    let names: Vec<_> = fields.map(|field| field.name().as_str()).collect();
    let row = |at| names.iter().map(|name| ((*name).to_owned(), value(name, at))).collect();
    (0..table.num_rows()).map(row).map(Value::Object).collect()
}

/// An object of the JSON answer: each field in the text that was sent.
type Object = BTreeMap<String, Box<RawValue>>;

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object[name].get().trim_matches('"')
}

/// Proves that a table has the rows of the JSON answer: numbers as the doubles nearest to their
/// text, everything else as it is.
fn compare(table: &RecordBatch, objects: &[Object], names: &[&str]) {
    let rows = rows(table);
    assert_eq!(rows.len(), objects.len());
    for (row, object) in rows.iter().zip(objects) {
        let field = |name: &str| -> Value {
            let text = text(object, name);
            match name {
                "id" | "timestamp" => text.parse::<i64>().unwrap().into(),
                "closed" => text.parse::<bool>().unwrap().into(),
                "side" => text.into(),
                _ => text.parse::<f64>().unwrap().into(),
            }
        };
        let fields = names.iter().map(|name| ((*name).to_owned(), field(name)));
        assert_eq!(*row, Value::Object(fields.collect()));
    }
}

/// The text of a table with these rows.
fn lines(objects: &[Object], names: &[&str]) -> String {
    let line = |object| names.iter().map(|name| text(object, name)).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = objects.iter().map(line).collect();
    format!("{}\n{}\n", names.join(","), lines.join("\n"))
}

/// Content type, file name, `Vary`.
fn kind(reply: &Reply) -> [Option<&str>; 3] {
    assert_eq!(reply.status, 200, "{reply:?}");
    ["content-type", "content-disposition", "vary"].map(|name| reply.header(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_has_the_same_candles_for_one_call() {
    let rig = Rig::start(settings()).await;
    let body = rig.get(CANDLES).await.body;
    let mut answer: Object = serde_json::from_slice(&body).unwrap();
    let candles = answer.remove("candles").unwrap();
    let objects: Vec<Object> = serde_json::from_str(candles.get()).unwrap();
    assert_eq!(objects.len(), 300);
    let names = ["timestamp", "open", "high", "low", "close", "volume", "closed"];
    let [csv, stream, file] =
        ["csv", "arrow", "parquet"].map(|format| format!("{CANDLES}&format={format}"));
    let (csv, stream, file) = (rig.get(&csv).await, rig.get(&stream).await, rig.get(&file).await);
    compare(&arrow(&stream.body), &objects, &names);
    compare(&parquet(&file.body), &objects, &names);
    assert_eq!(csv.text(), lines(&objects, &names));
    assert_eq!(rig.calls(Family::Candles), 1, "{:?}", rig.sim.log());
    for (reply, media, name) in [
        (csv, "text/csv; charset=utf-8", "BTC-USD-1m.csv"),
        (stream, "application/vnd.apache.arrow.stream", "BTC-USD-1m.arrows"),
    ] {
        let disposition = format!("attachment; filename=\"{name}\"");
        let expected = [Some(media), Some(disposition.as_str()), Some("accept-encoding")];
        assert_eq!(kind(&reply), expected);
    }
    let media = "application/vnd.apache.parquet";
    let name = "attachment; filename=\"BTC-USD-1m.parquet\"";
    assert_eq!(kind(&file), [Some(media), Some(name), None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_has_the_same_trades_for_one_call() {
    let rig = Rig::start(settings()).await;
    let objects: Vec<Object> = serde_json::from_slice(&rig.get(TRADES).await.body).unwrap();
    assert_eq!(objects.len(), 200);
    let names = ["timestamp", "id", "side", "price", "amount", "cost"];
    let [csv, stream, file] =
        ["csv", "arrow", "parquet"].map(|format| format!("{TRADES}&format={format}"));
    let (csv, stream, file) = (rig.get(&csv).await, rig.get(&stream).await, rig.get(&file).await);
    compare(&arrow(&stream.body), &objects, &names);
    compare(&parquet(&file.body), &objects, &names);
    assert_eq!(csv.text(), lines(&objects, &names));
    assert_eq!(rig.calls(Family::Trades), 1, "{:?}", rig.sim.log());
    let name = "attachment; filename=\"BTC-USD-trades.parquet\"";
    assert_eq!(kind(&file), [Some("application/vnd.apache.parquet"), Some(name), None]);
}

/// Names, ages and sources are those of any answer; what is compressed already is not zipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_held_confirmed_and_zipped_like_any_answer() {
    let rig = Rig::start(settings()).await;
    for format in ["csv", "arrow", "parquet"] {
        let path = format!("{CANDLES}&format={format}");
        let plain = rig.get(&path).await;
        let zipped = rig.get_with(&path, "accept-encoding", "gzip").await;
        if format == "parquet" {
            assert_eq!((zipped.header("content-encoding"), &zipped.body), (None, &plain.body));
        } else {
            assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{format}");
            assert!(zipped.body.len() < plain.body.len() * 3 / 4, "{format}");
            let mut body = Vec::new();
            std::io::copy(&mut GzDecoder::new(&zipped.body[..]), &mut body).unwrap();
            assert!(body == plain.body, "{format}");
        }
        assert!(plain.cache_status().ends_with("detail=rest"), "{plain:?}");
        let tag = plain.header("etag").unwrap();
        let held = rig.get_with(&path, "if-none-match", tag).await;
        assert_eq!((held.status, held.header("etag"), held.body.len()), (304, Some(tag), 0));
        assert!(held.header("age").is_some());
        let head = ask(rig.app.address(), "HEAD", &path, &[]).await;
        assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some(tag), 0));
        let length = plain.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()));
    }
    assert_eq!(rig.calls(Family::Candles), 1);
}

/// No row is an answer as well: its columns are those of any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_rows_are_an_empty_table() {
    let rig = Rig::start(settings()).await;
    rig.sim.fault(says("[]").on(Family::Candles));
    rig.sim.fault(says("[]").on(Family::Trades));
    for (path, columns) in [(CANDLES, 7), (TRADES, 6)] {
        let stream = arrow(&rig.get(&format!("{path}&format=arrow")).await.body);
        assert_eq!((stream.num_rows(), stream.num_columns()), (0, columns));
        let body = rig.get(&format!("{path}&format=parquet")).await.body;
        let file = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(body)).unwrap();
        assert_eq!(file.metadata().file_metadata().num_rows(), 0);
        assert_eq!(file.schema().fields(), stream.schema_ref().fields());
        let csv = rig.get(&format!("{path}&format=csv")).await;
        assert_eq!(csv.text().lines().collect::<Vec<_>>().len(), 1);
        assert_eq!(csv.text().trim_end().split(',').count(), columns);
    }
}

/// A cost beyond the range of decimals is not known, and the double nearest to a text is the one
/// that every reader of the JSON finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_is_null_and_never_zero() {
    let rig = Rig::start(settings()).await;
    rig.sim.fault(
        says("[[8,1700000100001,1e9,1e28],[7,1700000100000,-0.30000000000000004,7e-7]]")
            .on(Family::Trades),
    );
    let objects = rig.get(TRADES).await.json();
    assert_eq!(objects[1]["cost"], json!(null));
    let table = arrow(&rig.get(&format!("{TRADES}&format=arrow")).await.body);
    let column = |name| table.column_by_name(name).unwrap().as_primitive::<Float64Type>();
    assert!(column("cost").is_valid(0) && column("cost").is_null(1));
    assert_eq!(column("amount").values().to_vec(), [0.1 + 0.2, 1e9]);
    assert_eq!(column("price").values().to_vec(), [7e-7, 1e28]);
    let csv = rig.get(&format!("{TRADES}&format=csv")).await;
    let lines: Vec<&str> = csv.text().lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "1700000100000,7,sell,7e-7,0.30000000000000004,0.000000210000000000000028",
            "1700000100001,8,buy,1e28,1e9,"
        ]
    );
}
