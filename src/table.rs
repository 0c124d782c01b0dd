//! Plain aligned tables: no colours, no lines, units in the header.

use comfy_table::{CellAlignment, Table, presets};

/// A table whose columns from `numbers_from` on hold numbers and are right-aligned.
pub(crate) fn table<const N: usize>(header: [&str; N], numbers_from: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
