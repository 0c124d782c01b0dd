//! A table of the page: aligned, sortable, and readable without a script.

use maud::{Markup, html};

use crate::human::{number, percent};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    /// What is shown, and what it is sorted by.
    Number(String, Option<f64>),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Cell::Text(text.into())
    }

    /// Four digits.
    pub(super) fn number(value: Option<f64>) -> Self {
        Cell::Number(number(value), value)
    }

    /// With a sign.
    pub(super) fn percent(value: Option<f64>) -> Self {
        Cell::Number(percent(value), value)
    }

    pub(super) fn count(value: u64) -> Self {
        Cell::Number(value.to_string(), Some(value as f64))
    }

    /// A value and half of its 95 % interval.
    pub(super) fn interval(value: Option<f64>, half_width: Option<f64>) -> Self {
        let shown = match (value, half_width) {
            (Some(_), Some(half_width)) => {
                format!("{} ± {}", number(value), crate::figures::uncertainty(half_width))
            }
            _ => number(value),
        };
        Cell::Number(shown, value)
    }
}

/// Rows under headings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Grid {
    headings: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    pub(super) fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|&heading| heading.to_owned()).collect();
        Grid { headings, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn markup(&self) -> Markup {
        let is_number = |column: usize| {
            self.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Number(..))))
        };
        html! {
            div.grid tabindex="0" {
                table {
                    thead { tr {
                        @for (column, heading) in self.headings.iter().enumerate() {
                            th scope="col" class=[is_number(column).then_some("number")] { (heading) }
                        }
                    } }
                    tbody {
                        @for row in &self.rows { tr {
                            @for cell in row {
                                @match cell {
                                    Cell::Text(text) => td { (text) },
                                    Cell::Number(shown, value) => {
                                        td.number data-value=[value.filter(|it| it.is_finite())] { (shown) }
                                    }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}
