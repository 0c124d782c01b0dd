//! Streams one table back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use crate::error::ReadError;
use crate::row::{Decoder, Names, Row};

/// The last line of a file that was being written when the power went: it has no line end, and
/// is left out of what the reader yields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: the last line is torn after {bytes} bytes and was left out (the recorder was cut off while writing it)", path.display())]
pub struct TornLine {
    /// The file.
    pub path: PathBuf,
    /// Bytes of it that were written.
    pub bytes: u64,
}

/// Yields the rows of one file, in order, in bounded memory. After an error it ends.
#[derive(Debug)]
pub struct TableReader<R> {
    path: PathBuf,
    csv: csv::Reader<Take<File>>,
    record: ByteRecord,
    names: Names,
    torn: Option<TornLine>,
    ended: bool,
    row: PhantomData<fn() -> R>,
}

impl<R: Row> TableReader<R> {
    /// Opens a table and checks its header.
    ///
    /// # Errors
    /// If the file cannot be opened, or its header is not the schema's.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let open = |source| ReadError::Open { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(open)?;
        let total = file.metadata().map_err(open)?.len();
        let whole = whole_lines(&mut file, total).map_err(open)?;
        let torn =
            (whole < total).then(|| TornLine { path: path.to_owned(), bytes: total - whole });
        file.seek(SeekFrom::Start(0)).map_err(open)?;
        let csv = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(file.take(whole));
        let mut reader = TableReader {
            path: path.to_owned(),
            csv,
            record: ByteRecord::new(),
            names: Names::default(),
            torn,
            ended: false,
            row: PhantomData,
        };
        reader.check_header()?;
        Ok(reader)
    }

    /// The torn last line, if there is one.
    pub fn torn(&self) -> Option<&TornLine> {
        self.torn.as_ref()
    }

    fn check_header(&mut self) -> Result<(), ReadError> {
        let present = self.read_record()?;
        let fields: Vec<_> = self.record.iter().map(String::from_utf8_lossy).collect();
        if present && fields.iter().eq(R::COLUMNS.iter()) {
            return Ok(());
        }
        Err(ReadError::Header {
            path: self.path.clone(),
            found: shortened(&fields.join(",")),
            expected: R::COLUMNS.join(","),
        })
    }

    fn read_record(&mut self) -> Result<bool, ReadError> {
        self.csv.read_byte_record(&mut self.record).map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            let source = match error.into_kind() {
                csv::ErrorKind::Io(source) => source,
                other => io::Error::other(format!("{other:?}")),
            };
            ReadError::Io { path: self.path.clone(), line, source }
        })
    }

    fn read_row(&mut self) -> Result<Option<R>, ReadError> {
        if !self.read_record()? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let (found, expected) = (self.record.len(), R::COLUMNS.len());
        if found != expected {
            return Err(ReadError::Width { path: self.path.clone(), line, found, expected });
        }
        R::decode(&mut Decoder::new(&self.record, &mut self.names)).map(Some).map_err(|wrong| {
            ReadError::Field {
                path: self.path.clone(),
                line,
                number: wrong.index + 1,
                column: R::COLUMNS[wrong.index],
                found: shortened(&String::from_utf8_lossy(&self.record[wrong.index])),
                expected: wrong.expected,
            }
        })
    }
}

impl<R: Row> Iterator for TableReader<R> {
    type Item = Result<R, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.read_row().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

/// The length of `file` up to and with its last line end. Lines never hold a line end within
/// (see [`crate::Name`]), so what follows is a torn line.
fn whole_lines(file: &mut File, total: u64) -> io::Result<u64> {
    let mut end = total;
    let mut chunk = [0u8; 4096];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let part = &mut chunk[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(position) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + position as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("…".chars()).collect()
}
