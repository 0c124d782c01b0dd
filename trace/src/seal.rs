//! Whether a bundle is as it was written.
//!
//! A line that is lost from `manifest.json` (a rail from a component's list, say) can leave valid
//! JSON of the right schema that means something else, and so can one that is lost from a table, or
//! a whole table of another run. The manifest of a run that ended therefore holds the length and the
//! checksum of each table, and ends with a checksum of its own content: they tell damage, and a
//! change by hand, from what was recorded. White space and the order of the manifest's keys do not
//! matter.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::Manifest;

/// The key that the manifest's checksum stands under.
const KEY: &str = "crc32";

/// What a table was when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableSeal {
    /// Its length.
    pub(crate) bytes: u64,
    /// Of all its bytes.
    pub(crate) crc32: u32,
}

/// By the table's file name; empty while the run goes on.
pub(crate) type TableSeals = BTreeMap<String, TableSeal>;

/// A manifest as it stands in its file, but for its own checksum.
#[derive(Debug, Serialize)]
struct Sealed<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tables: TableSeals,
}

/// What stands in the file beside the manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Beside {
    /// None in bundles of earlier versions.
    #[serde(default)]
    pub(crate) tables: TableSeals,
}

/// A table that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {how}: its rows are damaged, were edited, or are of another run", path.display())]
pub struct ChangedTable {
    /// The file.
    pub path: PathBuf,
    /// By what that is known.
    pub how: String,
}

impl TableSeal {
    /// How `found` differs from what was written, if it does.
    pub(crate) fn differs(self, found: TableSeal) -> Option<String> {
        let (was, is) = (self.bytes, found.bytes);
        if was != is {
            return Some(format!("{is} bytes, where the recording wrote {was}"));
        }
        let (was, is) = (self.crc32, found.crc32);
        (was != is).then(|| format!("checksum {is:08x}, where the recording wrote {was:08x}"))
    }
}

/// Passes bytes on and adds them up.
#[derive(Debug)]
pub(crate) struct Summed<S> {
    source: S,
    bytes: u64,
    sum: crc32fast::Hasher,
}

impl<S> Summed<S> {
    pub(crate) fn new(source: S) -> Self {
        Summed { source, bytes: 0, sum: crc32fast::Hasher::new() }
    }

    /// What went through.
    pub(crate) fn seal(&self) -> TableSeal {
        TableSeal { bytes: self.bytes, crc32: self.sum.clone().finalize() }
    }
}

impl<S: Read> Read for Summed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes += read as u64;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}

/// The text of a manifest with its checksum at the end.
///
/// # Errors
/// If it cannot be written as JSON.
pub(crate) fn sealed(manifest: &Manifest, tables: TableSeals) -> Result<String, serde_json::Error> {
    seal(&serde_json::to_string_pretty(&Sealed { manifest, tables })?)
}

/// Puts a checksum at the end of a JSON object's text.
fn seal(text: &str) -> Result<String, serde_json::Error> {
    let sum = checksum(&serde_json::from_str(text)?)?;
    let body = text.trim_end().strip_suffix('}').unwrap_or(text).trim_end();
    Ok(format!("{body},\n  \"{KEY}\": \"{sum}\"\n}}\n"))
}

/// Whether the object's checksum is that of its content; none if it has no checksum.
pub(crate) fn is_whole(object: &Value) -> Option<bool> {
    let mut object = object.clone();
    let stated = object.as_object_mut()?.remove(KEY)?;
    let sum = checksum(&object).ok()?;
    Some(stated.as_str() == Some(&sum))
}

/// Of the object without white space and with its keys sorted, which is how `Value` is written.
fn checksum(object: &Value) -> Result<String, serde_json::Error> {
    Ok(format!("{:08x}", crc32fast::hash(&serde_json::to_vec(object)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"b\": [1, 0.30000000000000004],\n  \"a\": \"x\"\n}\n";

    fn parsed(text: &str) -> Option<bool> {
        is_whole(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_was_sealed_is_whole_until_it_changes() {
        let sealed = seal(TEXT).unwrap();
        assert_eq!(parsed(&sealed), Some(true));
        assert_eq!(parsed(&sealed.replace(['\n', ' '], "")), Some(true));
        assert_eq!(parsed(&sealed.replace("\"x\"", "\"y\"")), Some(false));
        assert_eq!(parsed(&sealed.replace("[1, ", "[")), Some(false));
        assert_eq!(parsed(TEXT), None);
    }
}
