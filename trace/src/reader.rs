//! Streams one table back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::line::{Fields, Lines};
use crate::row::{Decoder, FieldError, Names, Row};
use crate::seal::{ChangedTable, Summed, TableSeal};
use crate::text::Text;

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
    lines: Lines<Summed<Take<File>>>,
    names: Names,
    torn: Option<TornLine>,
    /// What the recording wrote, where that is known: nothing, for a table it did not have.
    seal: Option<Option<TableSeal>>,
    ended: bool,
    /// The last row, where the next is put.
    row: Option<R>,
}

impl<R: Row> TableReader<R> {
    /// Opens a table and checks its header.
    ///
    /// # Errors
    /// If the file cannot be opened, or its header is not the schema's.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        TableReader::open_sealed(path, None)
    }

    /// Opens a table whose bundle says what it was when it was written.
    pub(crate) fn open_sealed(
        path: &Path,
        seal: Option<Option<TableSeal>>,
    ) -> Result<Self, ReadError> {
        let open = |source| ReadError::Open { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(open)?;
        let total = file.metadata().map_err(open)?.len();
        let whole = whole_lines(&mut file, total).map_err(open)?;
        let torn =
            (whole < total).then(|| TornLine { path: path.to_owned(), bytes: total - whole });
        file.seek(SeekFrom::Start(0)).map_err(open)?;
        let mut reader = TableReader {
            path: path.to_owned(),
            lines: Lines::new(Summed::new(file.take(whole)), BUFFER),
            names: Names::default(),
            torn,
            seal,
            ended: false,
            row: None,
        };
        reader.check_header()?;
        Ok(reader)
    }

    /// The torn last line, if there is one.
    pub fn torn(&self) -> Option<&TornLine> {
        self.torn.as_ref()
    }

    /// Whether the table is not as it was written, as far as its bundle says what that was. It is
    /// known when all rows have been read.
    pub fn changed(&self) -> Option<ChangedTable> {
        let how = match self.seal? {
            None => "the recording had no such table".to_owned(),
            Some(seal) => seal.differs(self.lines.source().seal())?,
        };
        Some(ChangedTable { path: self.path.clone(), how })
    }

    fn check_header(&mut self) -> Result<(), ReadError> {
        let path = &self.path;
        let line = next_line(&mut self.lines, path)?.unwrap_or(Text::of(b""));
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

    /// The next row, which lies where the one before lay; none after the last, and after an error.
    ///
    /// # Errors
    /// If reading fails, or a line is not a row of this table.
    #[inline]
    pub fn read(&mut self) -> Result<Option<&R>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let Some(line) = next_line(&mut self.lines, &self.path)? else { return Ok(None) };
        let mut fields = Decoder::new(line, &mut self.names);
        let decoded = match &mut self.row {
            Some(row) => row.replace(&mut fields),
            first => R::decode(&mut fields).map(|row| *first = Some(row)),
        };
        if decoded.is_err() || !fields.is_empty() {
            let line = line.bytes().to_vec();
            return Err(self.wrong(&line, decoded.err()));
        }
        self.ended = false;
        Ok(self.row.as_ref())
    }

    /// What is wrong with a line: how many fields it has, or one that does not hold what it
    /// should.
    #[cold]
    fn wrong(&self, line: &[u8], wrong: Option<FieldError>) -> ReadError {
        let (path, number) = (self.path.clone(), self.lines.number());
        let fields = Fields::of(Text::of(line));
        let (found, expected) = (fields.clone().count(), R::COLUMNS.len());
        let field = wrong.and_then(|wrong| Some((wrong, fields.clone().nth(wrong.index)?)));
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
#[inline]
fn next_line<'a>(
    lines: &'a mut Lines<Summed<Take<File>>>,
    path: &Path,
) -> Result<Option<Text<'a>>, ReadError> {
    let line = lines.number() + 1;
    lines.next().map_err(|source| ReadError::Io { path: path.to_owned(), line, source })
}

impl<R: Row> Iterator for TableReader<R> {
    type Item = Result<R, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map(Option::<&R>::cloned).transpose()
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
