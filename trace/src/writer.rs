//! One table: buffered, flushed once a second, whole lines only.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::WriteError;
use crate::ownership::create_file_for_invoker;
use crate::row::{Encoder, Row};
use crate::seal::TableSeal;

/// Lines are handed to the kernel when this many bytes wait, or when a second has passed.
const BUFFER_BYTES: usize = 1 << 16;

/// The file behind a [`TableWriter`], shared with the thread that flushes it.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    file: File,
    /// Whole lines that are not in the file yet.
    pending: Vec<u8>,
    pending_rows: u64,
    /// The file holds whole lines up to here.
    whole_bytes: u64,
    /// Of those bytes.
    sum: crc32fast::Hasher,
    rows_on_disk: u64,
    /// The first failure. A table that failed takes no further rows.
    failure: Option<String>,
}

impl Table {
    pub(crate) fn create(path: &Path, columns: &[&str]) -> Result<Self, WriteError> {
        let create = |source| WriteError::Create { path: path.to_owned(), source };
        let file = create_file_for_invoker(path).map_err(create)?;
        let mut pending = Vec::with_capacity(2 * BUFFER_BYTES);
        pending.extend_from_slice(columns.join(",").as_bytes());
        pending.push(b'\n');
        let mut table = Table {
            path: path.to_owned(),
            file,
            pending,
            pending_rows: 0,
            whole_bytes: 0,
            sum: crc32fast::Hasher::new(),
            rows_on_disk: 0,
            failure: None,
        };
        table.flush()?;
        Ok(table)
    }

    /// Hands waiting lines to the kernel. On failure the file is cut back to its last whole
    /// line and the waiting lines stay in memory, for another try.
    pub(crate) fn flush(&mut self) -> Result<(), WriteError> {
        if !self.pending.is_empty() {
            if let Err(error) = self.file.write_all(&self.pending) {
                let _ = self.cut_back();
                let reason = error.to_string();
                self.failure = Some(reason.clone());
                return Err(self.refusal(reason));
            }
            self.whole_bytes += self.pending.len() as u64;
            self.sum.update(&self.pending);
            self.rows_on_disk += self.pending_rows;
            self.pending.clear();
            self.pending_rows = 0;
        }
        Ok(())
    }

    /// What is in the file.
    pub(crate) fn seal(&self) -> TableSeal {
        TableSeal { bytes: self.whole_bytes, crc32: self.sum.clone().finalize() }
    }

    fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.whole_bytes)?;
        self.file.seek(SeekFrom::Start(self.whole_bytes)).map(|_| ())
    }

    fn refusal(&self, reason: String) -> WriteError {
        WriteError::Rows { path: self.path.clone(), reason, rows_on_disk: self.rows_on_disk }
    }

    fn write<R: Row>(&mut self, row: &R) -> Result<(), WriteError> {
        if let Some(reason) = &self.failure {
            return Err(self.refusal(reason.clone()));
        }
        let before = self.pending.len();
        let mut line = Encoder::new(&mut self.pending);
        row.encode(&mut line);
        if let Err((value, index)) = line.finish() {
            self.pending.truncate(before);
            return Err(WriteError::NotFinite { file: R::FILE, column: R::COLUMNS[index], value });
        }
        self.pending_rows += 1;
        if self.pending.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }
}

/// Appends rows to one file of a bundle.
///
/// Clones append to the same file. Lines are buffered; the bundle's flusher hands them to the
/// kernel every second, so a row is never lost by more than that.
#[derive(Debug)]
pub struct TableWriter<R> {
    table: Arc<Mutex<Table>>,
    row: PhantomData<fn(R)>,
}

impl<R> Clone for TableWriter<R> {
    fn clone(&self) -> Self {
        TableWriter { table: Arc::clone(&self.table), row: PhantomData }
    }
}

impl<R: Row> TableWriter<R> {
    pub(crate) fn new(table: Arc<Mutex<Table>>) -> Self {
        TableWriter { table, row: PhantomData }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`WriteError::Rows`] when this table can no longer be written (a full disk), now or at an
    /// earlier row or flush; [`WriteError::NotFinite`] when the row holds a NaN or an infinity,
    /// in which case nothing is appended.
    pub fn write(&self, row: &R) -> Result<(), WriteError> {
        lock(&self.table).write(row)
    }

    /// Hands waiting rows to the kernel now.
    ///
    /// # Errors
    /// [`WriteError::Rows`].
    pub fn flush(&self) -> Result<(), WriteError> {
        lock(&self.table).flush()
    }
}

/// A panic elsewhere while the lock was held leaves at worst a row that was never appended.
pub(crate) fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
