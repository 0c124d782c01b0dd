//! Streams one table back.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::line::{Fields, Lines};
use crate::row::{Decoder, FieldError, Names, Row};

/// Read from the file at a time.
const BUFFER: usize = 1 << 18;

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
    lines: Lines<BufReader<Take<File>>>,
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
        let mut reader = TableReader {
            path: path.to_owned(),
            lines: Lines::new(BufReader::with_capacity(BUFFER, file.take(whole))),
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
        let path = &self.path;
        let line = next_line(&mut self.lines, path)?.unwrap_or_default();
        let fields: Vec<_> =
            Fields::of(line).map(|field| String::from_utf8_lossy(&field).into_owned()).collect();
        if fields.iter().eq(R::COLUMNS.iter()) {
            return Ok(());
        }
        Err(ReadError::Header {
            path: path.clone(),
            found: shortened(&fields.join(",")),
            expected: R::COLUMNS.join(","),
        })
    }

    fn read_row(&mut self) -> Result<Option<R>, ReadError> {
        let Some(line) = next_line(&mut self.lines, &self.path)? else { return Ok(None) };
        let mut fields = Decoder::new(line, &mut self.names);
        match R::decode(&mut fields) {
            Ok(row) if fields.is_empty() => Ok(Some(row)),
            decoded => {
                let line = line.to_vec();
                Err(self.wrong(&line, decoded.err()))
            }
        }
    }

    /// What is wrong with a line: how many fields it has, or one that does not hold what it
    /// should.
    #[cold]
    fn wrong(&self, line: &[u8], wrong: Option<FieldError>) -> ReadError {
        let (path, number) = (self.path.clone(), self.lines.number());
        let (found, expected) = (Fields::of(line).count(), R::COLUMNS.len());
        let field = wrong.and_then(|wrong| Some((wrong, Fields::of(line).nth(wrong.index)?)));
        match field {
            Some((wrong, field)) if found == expected => ReadError::Field {
                path,
                line: number,
                number: wrong.index + 1,
                column: R::COLUMNS[wrong.index],
                found: shortened(&String::from_utf8_lossy(&field)),
                expected: wrong.expected,
            },
            _ => ReadError::Width { path, line: number, found, expected },
        }
    }
}

/// The next line that holds anything.
fn next_line<'a>(
    lines: &'a mut Lines<BufReader<Take<File>>>,
    path: &Path,
) -> Result<Option<&'a [u8]>, ReadError> {
    let line = lines.number() + 1;
    lines.next().map_err(|source| ReadError::Io { path: path.to_owned(), line, source })
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
