//! The study's numbers, from `published.csv`.

use std::sync::LazyLock;

/// What the study prints in one cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Figure {
    Number(f64),
    /// Why there is none: `not supported`, `held back`.
    Words(String),
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) source: &'static str,
    pub(super) board: &'static str,
    pub(super) engaged: &'static str,
    pub(super) component: &'static str,
    pub(super) network: &'static str,
    pub(super) quantity: &'static str,
    pub(super) figure: Figure,
}

/// All cells.
#[derive(Debug)]
pub(super) struct Published(pub(super) Vec<Cell>);

impl Published {
    pub(super) fn get() -> &'static Self {
        static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
            // The fields are plain words: a test reads them with the csv crate too.
            let lines = include_str!("published.csv").lines().skip(1);
            Published(lines.filter_map(cell).collect())
        });
        &PUBLISHED
    }

    pub(super) fn find(
        &self,
        board: &str,
        engaged: &str,
        component: &str,
        network: &str,
        quantity: &str,
    ) -> Option<&Cell> {
        let wanted = (board, engaged, component, network, quantity);
        let key = |it: &Cell| (it.board, it.engaged, it.component, it.network, it.quantity);
        self.0.iter().find(|cell| key(cell) == wanted)
    }
}

fn cell(line: &'static str) -> Option<Cell> {
    let fields: Vec<&str> = line.split(',').collect();
    let [source, board, engaged, component, network, quantity, value] = fields[..] else {
        return None;
    };
    let figure = value.parse().map_or_else(|_| Figure::Words(value.to_owned()), Figure::Number);
    Some(Cell { source, board, engaged, component, network, quantity, figure })
}
