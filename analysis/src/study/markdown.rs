//! The study's tables as Markdown, this study's numbers first and the published ones in brackets.

use std::collections::BTreeSet;
use std::fmt::Write;

use wattline_trace::Provenance;

use super::{Study, StudyRow};
use crate::figures::uncertainty;
use crate::human::number;

/// Source, quantity, and what heads the section.
const SECTIONS: [(&str, &str, &str); 9] = [
    ("Table I", "images_per_s", "Throughput of each component alone, images/s"),
    ("Figure 2", "images_per_joule", "Energy efficiency of each component alone, images/J"),
    ("Table II", "images_per_s", "Co-execution on CPU clusters and GPU, images/s"),
    ("Table II", "gain_pct", "Its gain over the fastest component alone, %"),
    ("Table II", "frames_pct", "Its composition, % of images"),
    ("Table III", "images_per_s", "Co-execution with the NPU, images/s"),
    ("Table III", "gain_pct", "Its gain over the fastest component alone, %"),
    ("Table III", "frames_pct", "Its composition, % of images"),
    ("Figure 4", "images_per_joule", "Energy efficiency of co-execution, images/J"),
];

pub(super) fn write(study: &Study) -> String {
    let mut text = String::from(
        "# Beside the study\n\nIn brackets what \"Neural Network Inference on Mobile SoCs\" (Wang, \
         Pathania, Mitra) prints, and the difference from it: in percent, or of percentages in \
         points.\n",
    );
    let emulated = study.rows.iter().filter(|row| row.provenance == Provenance::Emulated);
    let boards: BTreeSet<_> = emulated.map(|row| escaped(&row.board)).collect();
    if !boards.is_empty() {
        let boards = Vec::from_iter(boards).join(", ");
        let _ =
            write!(text, "\n**Emulated**: numbers of {boards} are a model's, and of no chip.\n");
    }
    for (source, quantity, heading) in SECTIONS {
        let of_section = |row: &&StudyRow| row.source == source && row.quantity == quantity;
        let rows: Vec<&StudyRow> = study.rows.iter().filter(of_section).collect();
        if !rows.is_empty() {
            let _ = write!(text, "\n## {source}: {heading}\n\n{}", table(&rows));
        }
    }
    if !study.statements.is_empty() {
        text.push_str(
            "\n## In words\n\n| section | board | network | says | found here | holds |\n\
             |---|---|---|---|---|---|\n",
        );
        for it in &study.statements {
            let holds = if it.holds { "yes" } else { "**no**" };
            let cells = [it.source, &it.board, &it.network, it.says, &it.found, holds];
            text.push_str(&line(&cells.map(escaped)));
        }
    }
    text
}

/// A row a board and network, a column for each set of components.
fn table(rows: &[&StudyRow]) -> String {
    let mut columns: Vec<(&str, &str)> = Vec::new();
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let column = (row.engaged.as_str(), row.component.as_str());
        let line = (row.board.as_str(), row.network.as_str());
        if !columns.contains(&column) {
            columns.push(column);
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let heading = |&(engaged, component): &(&str, &str)| match component {
        "all" => escaped(engaged),
        _ if engaged == component => escaped(component),
        _ => escaped(&format!("{component} of {engaged}")),
    };
    let mut header = vec!["board".to_owned(), "network".to_owned()];
    header.extend(columns.iter().map(heading));
    let mut text = line(&header);
    let numbers = "---:|".repeat(columns.len());
    let _ = writeln!(text, "|---|---|{numbers}");
    for (board, network) in lines {
        let mut cells = vec![escaped(board), escaped(network)];
        for (engaged, component) in &columns {
            let is_it = |row: &&&StudyRow| {
                (row.board.as_str(), row.network.as_str()) == (board, network)
                    && (row.engaged.as_str(), row.component.as_str()) == (*engaged, *component)
            };
            let found: Vec<String> = rows.iter().filter(is_it).map(|row| cell(row)).collect();
            cells.push(found.join("; "));
        }
        text.push_str(&line(&cells));
    }
    text
}

fn cell(row: &StudyRow) -> String {
    let value = match (row.value, row.value_ci95) {
        (Some(value), Some(half_width)) => {
            format!("{} ± {}", number(Some(value)), uncertainty(half_width))
        }
        (Some(value), None) => format!("{value:.2}"),
        (None, _) => "–".to_owned(),
    };
    let Some(published) = row.published else {
        return match row.note.as_str() {
            words @ ("held back" | "not supported") => format!("{value} ({words})"),
            _ => value,
        };
    };
    let difference = match (row.difference_pct, row.difference_points) {
        (Some(percent), _) => format!(", {percent:+.1} %"),
        (None, Some(points)) => format!(", {points:+.1} points"),
        (None, None) => String::new(),
    };
    format!("{value} ({published}{difference})")
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// What Markdown would take for markup of its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' | '\r' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
