//! Columns as bytes.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, Encoding},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};

/// An Arrow IPC stream of one batch.
pub(super) fn arrow(table: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(table.get_array_memory_size() + 4096);
    StreamWriter::try_new(&mut bytes, table.schema_ref())
        .and_then(|mut stream| {
            stream.write(table)?;
            stream.finish()
        })
        .expect("columns of plain types are written to memory");
    bytes
}

/// A Parquet file of one row group.
pub(super) fn parquet(table: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(table.get_array_memory_size() / 2 + 4096);
    write_parquet(table, &mut bytes).expect("columns of plain types are written to memory");
    bytes
}

fn write_parquet(table: &RecordBatch, bytes: &mut Vec<u8>) -> Result<(), ParquetError> {
    let metadata = table.schema_ref().metadata().iter();
    let metadata = metadata.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(metadata.collect()))
        // A page index helps to find one page among many, and there is one.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    // They rise steadily, so that their differences take a fraction of their bytes.
    for name in ["timestamp", "id"] {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    // Parquet's own types say all that a copy of the Arrow schema would.
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let mut file = ArrowWriter::try_new_with_options(bytes, table.schema(), options)?;
    file.write(table)?;
    file.close()?;
    Ok(())
}
