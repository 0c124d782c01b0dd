//! The result tables as Apache Parquet: cell by cell what the CSV files hold, with types.
//!
//! Columns are optional (a refused number is null) and of three kinds: UTF-8 text, 64-bit integers
//! and doubles; `docs/tables.md` has a line for each. A column has the same kind in every file, so that
//! the tables of many analyses are read as one.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde::Serialize;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
}

/// Columns of text.
const TEXT: [&str; 30] = [
    "board",
    "bound",
    "bundle",
    "bytes_merged",
    "check",
    "component",
    "detail",
    "differs",
    "inside",
    "joules_merged",
    "kind",
    "largest_term",
    "layer",
    "merged",
    "network",
    "note",
    "outcome",
    "policy",
    "provenance",
    "provenance_a",
    "provenance_b",
    "quantity",
    "rail",
    "role",
    "says",
    "source",
    "split",
    "status",
    "subject",
    "verdict",
];

/// Columns of whole numbers.
const INTEGERS: [&str; 12] = [
    "bytes_theoretical",
    "flops",
    "groups",
    "image",
    "images",
    "images_a",
    "images_b",
    "layers",
    "readings",
    "run",
    "runs_a",
    "runs_b",
];

/// Rows that are held before they are written.
const ROW_GROUP: usize = 1 << 16;

/// What a column of this name holds, in whatever table.
pub(crate) fn kind(column: &str) -> Kind {
    if TEXT.contains(&column) {
        Kind::Text
    } else if INTEGERS.contains(&column) {
        Kind::Integer
    } else {
        Kind::Number
    }
}

/// Writes a table.
///
/// # Errors
/// If the file cannot be written, or a cell does not hold what its column holds.
pub(crate) fn write_rows<R: Serialize>(
    file: &mut (dyn Write + Send),
    header: &[&str],
    rows: impl Iterator<Item = R>,
) -> io::Result<()> {
    let columns: Vec<(&str, Kind)> = header.iter().map(|&name| (name, kind(name))).collect();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(schema(&columns).map_err(other)?);
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(other)?;
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let cells = as_cells(rows.by_ref().take(ROW_GROUP), columns.len())?;
        let mut group = writer.next_row_group().map_err(other)?;
        for (index, column) in columns.iter().enumerate() {
            write_column(
                &mut group,
                *column,
                cells.iter().map(|row| row.get(index).unwrap_or("")),
            )?;
        }
        group.close().map_err(other)?;
    }
    writer.close().map_err(other)?;
    Ok(())
}

fn other(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

fn schema(columns: &[(&str, Kind)]) -> Result<Type, ParquetError> {
    let field = |(name, kind): &(&str, Kind)| {
        let (physical, logical) = match kind {
            Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Integer => (PhysicalType::INT64, None),
            Kind::Number => (PhysicalType::DOUBLE, None),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build()
}

/// The cells that the CSV file holds.
fn as_cells<R: Serialize>(
    rows: impl Iterator<Item = R>,
    columns: usize,
) -> io::Result<Vec<csv::StringRecord>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let text = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
    let mut cells = Vec::new();
    for record in reader.records() {
        let record = record?;
        if record.len() != columns {
            return Err(io::Error::other("a row has another number of cells than its header"));
        }
        cells.push(record);
    }
    Ok(cells)
}

fn write_column<'a, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    (name, kind): (&str, Kind),
    cells: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    let wrong =
        |cell: &str, what: &str| io::Error::other(format!("column {name}: {cell:?} is no {what}"));
    match kind {
        Kind::Text => typed::<ByteArrayType, _>(group, cells, |cell| Ok(ByteArray::from(cell))),
        Kind::Integer => typed::<Int64Type, _>(group, cells, |cell| {
            cell.parse().map_err(|_| wrong(cell, "whole number below 2^63"))
        }),
        Kind::Number => typed::<DoubleType, _>(group, cells, |cell| {
            cell.parse().map_err(|_| wrong(cell, "number"))
        }),
    }
}

/// An empty cell is null.
fn typed<'a, T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = &'a str>,
    parse: impl Fn(&'a str) -> io::Result<T::T>,
) -> io::Result<()> {
    let (mut values, mut defined) = (Vec::new(), Vec::new());
    for cell in cells {
        defined.push(i16::from(!cell.is_empty()));
        if !cell.is_empty() {
            values.push(parse(cell)?);
        }
    }
    let Some(mut column) = group.next_column().map_err(other)? else {
        return Err(io::Error::other("a table has more columns than its schema"));
    };
    column.typed::<T>().write_batch(&values, Some(&defined), None).map_err(other)?;
    column.close().map_err(other)
}
