//! Streams one table of a bundle, with row numbers for errors, and warnings for a torn line and for a
//! table that is not as it was written.

use std::path::Path;

use wattline_trace::{BundleReader, Row};

use crate::error::AnalysisError;

/// Calls `visit` with each row's number (from 1), the row, and the table's path.
///
/// # Errors
/// The first the reader or the visitor finds.
pub(crate) fn for_each_row<R: Row>(
    bundle: &BundleReader,
    warnings: &mut Vec<String>,
    mut visit: impl FnMut(u64, &R, &Path) -> Result<(), AnalysisError>,
) -> Result<(), AnalysisError> {
    let path = bundle.directory().join(R::FILE);
    let mut reader = bundle.table::<R>()?;
    if let Some(torn) = reader.torn() {
        warnings.push(torn.to_string());
    }
    let mut number = 0;
    while let Some(row) = reader.read()? {
        number += 1;
        visit(number, row, &path)?;
    }
    warnings.extend(reader.changed().map(|changed| changed.to_string()));
    Ok(())
}
