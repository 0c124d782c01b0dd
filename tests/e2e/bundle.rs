//! A run bundle and result tables, read as any program would: JSON and strict CSV.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A directory that `wattline run` wrote.
#[derive(Debug)]
pub(crate) struct Bundle {
    directory: PathBuf,
}

impl Bundle {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Bundle { directory }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    pub(crate) fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }

    /// Replaces a file by what `edit` makes of its bytes.
    pub(crate) fn edit(&self, file: &str, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let bytes = self.bytes(file);
        fs::write(self.path(file), edit(bytes)).unwrap();
    }

    /// The whole of a table: a torn or ragged line fails.
    pub(crate) fn table(&self, file: &str) -> Table {
        Table::read(&self.path(file))
    }

    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_slice(&self.bytes("manifest.json")).unwrap()
    }

    /// The directory that the manifest names for a rail's sensor, links resolved.
    pub(crate) fn sensor(&self, rail: &str) -> PathBuf {
        let manifest = self.manifest();
        let mut rails = manifest["rails"].as_array().unwrap().iter();
        let record = rails.find(|record| record["name"] == rail).unwrap();
        fs::canonicalize(record["path"].as_str().unwrap()).unwrap()
    }

    /// The directory in which the emulated board of this run has its files; none before the
    /// manifest is there.
    pub(crate) fn emulated_home(&self) -> Option<PathBuf> {
        let manifest: Value =
            serde_json::from_slice(&fs::read(self.path("manifest.json")).ok()?).ok()?;
        let path = PathBuf::from(manifest["rails"][0]["path"].as_str()?);
        let is_home = |path: &&Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("wattline-board-")
        };
        path.ancestors().find(is_home).map(Path::to_owned)
    }

    /// Names of its files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A CSV file with a header, every row as wide as that.
#[derive(Debug)]
pub(crate) struct Table {
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(text.ends_with('\n'), "{} ends in mid-line", path.display());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows = reader.records().map(|row| row.unwrap_or_else(|e| panic!("{path:?}: {e}")));
        Table { header, rows: rows.collect() }
    }

    pub(crate) fn header(&self) -> Vec<&str> {
        self.header.iter().collect()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|fields| Row { header: &self.header, fields })
    }

    /// The rows whose `column` holds `value`.
    pub(crate) fn with(&self, column: &str, value: &str) -> Vec<Row<'_>> {
        self.rows().filter(|row| row.text(column) == value).collect()
    }

    /// The one row whose `column` holds `value`.
    #[track_caller]
    pub(crate) fn only(&self, column: &str, value: &str) -> Row<'_> {
        let rows = self.with(column, value);
        assert_eq!(rows.len(), 1, "rows with {column} {value}: {rows:?}");
        rows[0]
    }
}

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    header: &'a csv::StringRecord,
    fields: &'a csv::StringRecord,
}

impl<'a> Row<'a> {
    #[track_caller]
    pub(crate) fn text(&self, column: &str) -> &'a str {
        let place = self.header.iter().position(|name| name == column);
        &self.fields[place.unwrap_or_else(|| panic!("no column {column} in {:?}", self.header))]
    }

    /// The number in a cell; none if it is empty.
    #[track_caller]
    pub(crate) fn maybe(&self, column: &str) -> Option<f64> {
        let text = self.text(column);
        let number = || text.parse().unwrap_or_else(|_| panic!("{column} holds {text:?}"));
        (!text.is_empty()).then(number)
    }

    #[track_caller]
    pub(crate) fn number(&self, column: &str) -> f64 {
        self.maybe(column).unwrap_or_else(|| panic!("{column} is empty: {:?}", self.fields))
    }

    #[track_caller]
    pub(crate) fn integer(&self, column: &str) -> u64 {
        let text = self.text(column);
        text.parse().unwrap_or_else(|_| panic!("{column} holds {text:?}"))
    }
}
