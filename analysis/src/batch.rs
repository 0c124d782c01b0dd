//! Files that stand in a directory all together or not at all.
//!
//! Each is written whole under another name first; only when all of them are on disk are they
//! renamed into place.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use wattline_trace::{ReadError, create_dir_all_for_invoker, create_file_for_invoker};

use crate::{AnalysisError, parquet};

/// What can go wrong while a file is written: the writing, or what it is written from.
#[derive(Debug)]
pub(crate) enum Fault {
    Write(io::Error),
    Analysis(AnalysisError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Write(error)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Fault::Analysis(error.into())
    }
}

/// Files that are written but not in place yet; those are removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    out: &'a Path,
    /// Whether tables are written as Parquet too.
    parquet: bool,
    /// Where each is, and where it belongs.
    written: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Batch<'a> {
    /// A batch for the directory `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`AnalysisError::Write`].
    pub(crate) fn new(out: &'a Path) -> Result<Self, AnalysisError> {
        create_dir_all_for_invoker(out)
            .map_err(|source| AnalysisError::Write { path: out.to_owned(), source })?;
        Ok(Batch { out, parquet: false, written: vec![] })
    }

    /// Tables are then written as Parquet too. Without it, one that an earlier batch left is removed:
    /// it would contradict the CSV file beside it.
    pub(crate) fn with_parquet(mut self, parquet: bool) -> Self {
        self.parquet = parquet;
        self
    }

    /// Writes a table: the CSV file of this name, and where it is wanted the Parquet file beside it.
    pub(crate) fn add<R: Serialize>(
        &mut self,
        name: &str,
        header: &[&str],
        rows: impl Iterator<Item = R> + Clone,
    ) -> Result<(), AnalysisError> {
        if self.parquet {
            let name = Path::new(name).with_extension("parquet");
            let rows = rows.clone();
            self.add_with(&name.to_string_lossy(), |file| {
                Ok(parquet::write_rows(file, header, rows)?)
            })?;
        }
        self.add_with(name, |file| Ok(write_rows(file, header, rows)?))
    }

    /// Writes a file of this name with what `write` puts into it.
    pub(crate) fn add_with(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), Fault>,
    ) -> Result<(), AnalysisError> {
        let place = self.out.join(name);
        let unfinished = self.out.join(format!("{name}.new"));
        let wrong = |source| AnalysisError::Write { path: unfinished.clone(), source };
        let file = create_file_for_invoker(&unfinished).map_err(wrong)?;
        self.written.push((unfinished.clone(), place));
        let mut file = io::BufWriter::new(file);
        write(&mut file).map_err(|fault| match fault {
            Fault::Write(source) => wrong(source),
            Fault::Analysis(error) => error,
        })?;
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(wrong)
    }

    /// Renames all files into place.
    ///
    /// # Errors
    /// [`AnalysisError::Write`].
    pub(crate) fn put_in_place(mut self) -> Result<(), AnalysisError> {
        for (unfinished, place) in self.written.drain(..) {
            fs::rename(&unfinished, &place)
                .map_err(|source| AnalysisError::Write { path: place.clone(), source })?;
            let twin = place.with_extension("parquet");
            if !self.parquet && place.extension().is_some_and(|it| it == "csv") && twin.exists() {
                fs::remove_file(&twin)
                    .map_err(|source| AnalysisError::Write { path: twin, source })?;
            }
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (unfinished, _) in &self.written {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(unfinished);
        }
    }
}

fn write_rows<R: Serialize>(
    file: &mut dyn Write,
    header: &[&str],
    rows: impl Iterator<Item = R>,
) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(file);
    writer.write_record(header)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.flush()
}
