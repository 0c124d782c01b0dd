//! The bundle as a whole: a directory, its manifest, its tables.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{ReadError, WriteError};
use crate::manifest::{Manifest, SCHEMA_VERSION};
use crate::ownership::{create_dir_all_for_invoker, create_file_for_invoker};
use crate::reader::TableReader;
use crate::row::Row;
use crate::rows::{
    AgentRow, CounterRow, CpuRow, EventRow, FrameRow, PowerRow, SpanRow, TrafficRow, TruthRow,
};
use crate::seal;
use crate::writer::{Table, TableWriter, lock};

const MANIFEST: &str = "manifest.json";

/// The manifest while it is being written.
const UNFINISHED: &str = "manifest.json.new";

/// A crash loses at most this much.
const FLUSH_PERIOD: Duration = Duration::from_secs(1);

type Tables = HashMap<&'static str, Arc<Mutex<Table>>>;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As planned.
    Completed,
    /// The user ended it early; everything up to then is there.
    Interrupted,
    /// It failed, for this reason; what was written before is there.
    Failed(String),
}

/// Writes a bundle.
///
/// Dropping it without [`BundleWriter::finish`] flushes the rows and leaves `complete: false` in
/// the manifest.
#[derive(Debug)]
pub struct BundleWriter {
    directory: PathBuf,
    tables: Arc<Mutex<Tables>>,
    stop_flusher: Option<Sender<()>>,
    flusher: Option<JoinHandle<()>>,
}

impl BundleWriter {
    /// Creates the directory and makes sure that a bundle can be written there, without writing
    /// one: for those who have long work to do before there is something to write.
    ///
    /// # Errors
    /// As [`BundleWriter::create`].
    pub fn claim(directory: &Path, overwrite: bool) -> Result<(), WriteError> {
        let create = |path: &Path, source| WriteError::Create { path: path.to_owned(), source };
        create_dir_all_for_invoker(directory).map_err(|source| create(directory, source))?;
        if directory.join(MANIFEST).exists() && !overwrite {
            return Err(WriteError::Occupied { path: directory.to_owned() });
        }
        let trial = directory.join(UNFINISHED);
        create_file_for_invoker(&trial)
            .and_then(|_| fs::remove_file(&trial))
            .map_err(|source| create(&trial, source))
    }

    /// Creates the directory, the manifest (with `complete: false`) and every table with its
    /// header, save `truth.csv`, which only an emulated board has, and `frames.csv`, which only a
    /// co-execution has.
    ///
    /// # Errors
    /// [`WriteError::Occupied`] if the directory holds a bundle and `overwrite` is not set;
    /// [`WriteError::Create`] if something cannot be created.
    pub fn create(
        directory: &Path,
        manifest: &Manifest,
        overwrite: bool,
    ) -> Result<Self, WriteError> {
        BundleWriter::claim(directory, overwrite)?;
        if directory.join(MANIFEST).exists() {
            remove_old_bundle(directory)?;
        }
        let mut bundle = BundleWriter {
            directory: directory.to_owned(),
            tables: Arc::default(),
            stop_flusher: None,
            flusher: None,
        };
        let unfinished = Manifest { complete: false, interrupted: false, ..manifest.clone() };
        write_manifest(directory, &unfinished)
            .map_err(|source| WriteError::Create { path: directory.join(MANIFEST), source })?;
        bundle.table::<PowerRow>()?;
        bundle.table::<TrafficRow>()?;
        bundle.table::<CpuRow>()?;
        bundle.table::<SpanRow>()?;
        bundle.table::<CounterRow>()?;
        bundle.table::<EventRow>()?;
        bundle.table::<AgentRow>()?;
        bundle.start_flusher()?;
        Ok(bundle)
    }

    /// The writer of one table, created if it is not there yet.
    ///
    /// # Errors
    /// [`WriteError::Create`].
    pub fn table<R: Row>(&self) -> Result<TableWriter<R>, WriteError> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(R::FILE) {
            return Ok(TableWriter::new(Arc::clone(table)));
        }
        let table = Table::create(&self.directory.join(R::FILE), R::COLUMNS)?;
        let table = Arc::new(Mutex::new(table));
        tables.insert(R::FILE, Arc::clone(&table));
        Ok(TableWriter::new(table))
    }

    /// The bundle's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Flushes everything and writes the manifest's last word.
    ///
    /// # Errors
    /// The first table that could not be written whole; the manifest then says
    /// `complete: false` and why. Or the manifest itself.
    pub fn finish(mut self, manifest: Manifest, outcome: Outcome) -> Result<(), WriteError> {
        self.end_flusher();
        let flushed = flush_all(&self.tables);
        let failure = match (&flushed, outcome.clone()) {
            (_, Outcome::Failed(reason)) => Some(reason),
            (Err(error), _) => Some(error.to_string()),
            _ => None,
        };
        let last_word = Manifest {
            complete: failure.is_none(),
            interrupted: outcome == Outcome::Interrupted,
            failure,
            ..manifest
        };
        let written = write_manifest(&self.directory, &last_word)
            .map_err(|source| WriteError::Manifest { path: self.directory.join(MANIFEST), source });
        flushed.and(written)
    }

    fn start_flusher(&mut self) -> Result<(), WriteError> {
        let (stop, stopped) = mpsc::channel::<()>();
        let tables = Arc::clone(&self.tables);
        let flusher = std::thread::Builder::new()
            .name("trace-flusher".into())
            .spawn(move || {
                while stopped.recv_timeout(FLUSH_PERIOD) == Err(RecvTimeoutError::Timeout) {
                    // A table that fails remembers it and says so at its next row.
                    let _ = flush_all(&tables);
                }
            })
            .map_err(|source| WriteError::Create { path: self.directory.clone(), source })?;
        self.stop_flusher = Some(stop);
        self.flusher = Some(flusher);
        Ok(())
    }

    fn end_flusher(&mut self) {
        drop(self.stop_flusher.take());
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
    }
}

impl Drop for BundleWriter {
    fn drop(&mut self) {
        self.end_flusher();
        let _ = flush_all(&self.tables);
    }
}

/// Flushes every table; answers the first failure, but tries them all.
fn flush_all(tables: &Mutex<Tables>) -> Result<(), WriteError> {
    let tables: Vec<_> =
        tables.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    tables.iter().map(|table| lock(table).flush()).fold(Ok(()), Result::and)
}

/// Takes away what an earlier run left, and nothing else that lies in the directory.
fn remove_old_bundle(directory: &Path) -> Result<(), WriteError> {
    let files = [
        MANIFEST,
        PowerRow::FILE,
        TrafficRow::FILE,
        CpuRow::FILE,
        SpanRow::FILE,
        CounterRow::FILE,
        EventRow::FILE,
        AgentRow::FILE,
        FrameRow::FILE,
        TruthRow::FILE,
    ];
    for path in files.map(|file| directory.join(file)) {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(WriteError::Create { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Replaces the manifest at once: a reader sees the old one or the new one.
fn write_manifest(directory: &Path, manifest: &Manifest) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    let mut file = create_file_for_invoker(&unfinished)?;
    let text = serde_json::to_string_pretty(manifest).map_err(io::Error::other)?;
    let sealed = seal::seal(&text).map_err(io::Error::other)?;
    file.write_all(sealed.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(MANIFEST))
}

/// Reads a bundle.
#[derive(Debug)]
pub struct BundleReader {
    directory: PathBuf,
    manifest: Manifest,
    changed: bool,
}

impl BundleReader {
    /// Opens a bundle and reads its manifest.
    ///
    /// # Errors
    /// If there is no manifest, it is damaged, or it is of another schema.
    pub fn open(directory: &Path) -> Result<Self, ReadError> {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path)
            .map_err(|source| ReadError::Open { path: path.clone(), source })?;
        let damaged = |error: serde_json::Error| ReadError::Manifest {
            path: path.clone(),
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        };
        let json: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        let schema = json.get("schema").and_then(serde_json::Value::as_u64);
        if let Some(found) = schema.filter(|&found| found != u64::from(SCHEMA_VERSION)) {
            return Err(ReadError::Schema { path, found });
        }
        let manifest = serde_json::from_str(&text).map_err(damaged)?;
        let changed = seal::is_whole(&json) == Some(false);
        Ok(BundleReader { directory: directory.to_owned(), manifest, changed })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the manifest was changed after it was written, by hand or by damage.
    pub fn manifest_is_changed(&self) -> bool {
        self.changed
    }

    /// The bundle's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Opens one table.
    ///
    /// # Errors
    /// If the file is missing or its header is not the schema's.
    pub fn table<R: Row>(&self) -> Result<TableReader<R>, ReadError> {
        TableReader::open(&self.directory.join(R::FILE))
    }

    /// Whether the bundle has this table.
    pub fn has<R: Row>(&self) -> bool {
        self.directory.join(R::FILE).exists()
    }
}
