//! The results for people: one aligned table, what to know about it, and what it cost.

mod checks;
mod compare;
mod layers;

use std::ops::Range;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::Analysis;
use crate::results::{AgentCost, SummaryRow};
use crate::roofline::place;
use wattline_trace::Provenance;

/// What stands in a cell that has no number.
const NONE: &str = "–";

const ALONE: &[&str] = &[
    "network",
    "component",
    "images/s",
    "J/image",
    "± 95 % (J)",
    "images/J",
    "GOP/s",
    "OI_t flop/B",
    "OI_e flop/B",
    "DRAM MB/image",
];

/// Gains are over the component alone, those of `all` over the one that is fastest alone.
const TOGETHER: &[&str] = &[
    "network",
    "component",
    "frames %",
    "images/s",
    "gain %",
    "J/image",
    "± 95 % (J)",
    "images/J",
    "gain %",
    "DRAM MB/image",
    "of solo sum",
    "of oracle",
    "p50 ms",
    "p99 ms",
];

impl Analysis {
    /// The results as plain text: a title, the table, notes, warnings, and the agent's own cost.
    /// No colours, no terminal queries.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.title(), self.body());
        if !self.checks.is_empty() {
            text.push_str(&format!("\n{}\n", self.check_table()));
        }
        section(&mut text, "Notes", self.notes());
        section(&mut text, "Warnings", self.warnings.clone());
        text.push('\n');
        text.push_str(&self.agent_line());
        text.push('\n');
        text
    }

    /// The boards, and that numbers are emulated where any is.
    fn title(&self) -> String {
        let boards = self.boards.join(", ");
        let any = self.summary.iter().any(|row| row.provenance == Provenance::Emulated);
        let told = boards.to_lowercase().contains("emulated");
        let emulated = if any && !told { "partly emulated " } else { "" };
        format!("{emulated}{boards}: energy, DRAM traffic and speed per network and component")
    }

    /// Components alone, then those that worked together.
    fn body(&self) -> String {
        let together = |row: &&SummaryRow| row.policy.is_some();
        let alone: Vec<_> = self.summary.iter().filter(|row| !together(row)).collect();
        let together: Vec<_> = self.summary.iter().filter(together).collect();
        let mut text = self.lay_out(ALONE, &alone, alone_cells);
        if !together.is_empty() {
            let table = self.lay_out(TOGETHER, &together, together_cells);
            text.push_str(&format!("\n\nCo-execution of one stream of images\n\n{table}"));
        }
        text
    }

    fn lay_out(
        &self,
        columns: &[&'static str],
        rows: &[&SummaryRow],
        cells: fn(&SummaryRow) -> Vec<String>,
    ) -> String {
        let mut header = columns.to_vec();
        if self.check_truth {
            header.extend(["true J/image", "error %", "true MB/image", "error %"]);
        }
        let numbers = 2..header.len();
        header.push("provenance");
        if self.several_bundles() {
            header.push("bundle");
        }
        let mut table = Table::new();
        table.set_header(header);
        for row in rows {
            table.add_row(self.with_truth(row, cells(row)));
        }
        plain(table, numbers)
    }

    fn several_bundles(&self) -> bool {
        self.summary.iter().any(|row| row.bundle != self.summary[0].bundle)
    }

    fn with_truth(&self, row: &SummaryRow, mut cells: Vec<String>) -> Vec<String> {
        if self.check_truth {
            let truth = row.truth.unwrap_or_default();
            cells.extend([
                number(truth.joules_per_image),
                percent(truth.energy_error_pct),
                number(truth.dram_bytes_per_image.map(|bytes| bytes * 1e-6)),
                percent(truth.traffic_error_pct),
            ]);
        }
        cells.push(row.provenance.to_string());
        if self.several_bundles() {
            cells.push(row.bundle.to_string());
        }
        cells
    }

    fn notes(&self) -> Vec<String> {
        let several = self.several_bundles();
        let note = |row: &SummaryRow| {
            let bundle = if several { format!("{}: ", row.bundle) } else { String::new() };
            let together = if row.policy.is_some() { " in co-execution" } else { "" };
            format!(
                "{bundle}{} on {}{together}: {}",
                row.network,
                place(&row.component, row.frequency_mhz),
                row.note()
            )
        };
        self.summary.iter().filter(|row| !row.note().is_empty()).map(note).collect()
    }

    fn agent_line(&self) -> String {
        match &self.agents[..] {
            [] => "agent: its own cost is not known".to_owned(),
            [only] => format!("agent: {}", cost(only)),
            several => {
                let costs: Vec<String> = several
                    .iter()
                    .map(|agent| format!("{}: {}", agent.bundle, cost(agent)))
                    .collect();
                format!("agent:\n  {}", costs.join("\n  "))
            }
        }
    }
}

/// A table without lines, its columns of `numbers` right-aligned.
pub(crate) fn plain(mut table: Table, numbers: Range<usize>) -> String {
    table.load_preset(NOTHING);
    for column in table.column_iter_mut().skip(numbers.start).take(numbers.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn alone_cells(row: &SummaryRow) -> Vec<String> {
    vec![
        row.network.to_string(),
        place(&row.component, row.frequency_mhz),
        number(row.images_per_s),
        number(row.joules_per_image),
        number(row.joules_per_image_ci95),
        number(row.images_per_joule),
        number(row.gop_per_s),
        number(row.oi_theoretical),
        number(row.oi_empirical),
        number(row.dram_bytes_per_image.map(|bytes| bytes * 1e-6)),
    ]
}

fn together_cells(row: &SummaryRow) -> Vec<String> {
    vec![
        row.network.to_string(),
        place(&row.component, row.frequency_mhz),
        number(row.frames_pct),
        number(row.images_per_s),
        percent(row.gain_pct),
        number(row.joules_per_image),
        number(row.joules_per_image_ci95),
        number(row.images_per_joule),
        percent(row.images_per_joule_gain_pct),
        number(row.dram_bytes_per_image.map(|bytes| bytes * 1e-6)),
        number(row.efficiency_solo),
        number(row.efficiency_oracle),
        number(row.latency_p50_ms),
        number(row.latency_p99_ms),
    ]
}

fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}\n"));
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
}

pub(crate) fn cost(agent: &AgentCost) -> String {
    let whose = if agent.virtual_clock { " (virtual clock: the emulated board's too)" } else { "" };
    let bpf = agent.bpf_percent.zip(agent.bpf_runs).map_or(String::new(), |(percent, runs)| {
        format!(", BPF {percent:.2} % of one core in {runs} runs")
    });
    let lost =
        agent.bpf_drops.map_or(String::new(), |drops| format!(", {drops} BPF events dropped"));
    format!(
        "{:.1} % of one core{whose} over {:.1} s, {:.1} MB resident, sampling at {:.1} Hz, {:.1} \
         fresh readings/s, p99 lateness {:.0} µs, {} repeats, {} drops, {} overruns{bpf}{lost}",
        agent.cpu_percent,
        agent.seconds,
        agent.resident_mb,
        agent.sampling_hz,
        agent.fresh_hz,
        agent.lateness_p99_us,
        agent.repeats,
        agent.drops,
        agent.overruns,
    )
}

/// Four significant digits, or all digits before the point.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return NONE.to_owned() };
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if !(-4.0..9.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let decimals = (3.0 - magnitude).max(0.0) as usize;
    format!("{value:.decimals$}")
}

pub(crate) fn percent(value: Option<f64>) -> String {
    // Adding zero turns what rounds to −0 into +0.
    value.map_or_else(
        || NONE.to_owned(),
        |value| format!("{:+.2}", (value * 1e2).round() / 1e2 + 0.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let shown = [0.0, 0.001_234_56, 1.0, 12.345_6, 123_456.7, 1e12, 9e-9, -2.5];
        let expected =
            ["0.000", "0.001235", "1.000", "12.35", "123457", "1.000e12", "9.000e-9", "-2.500"];
        assert_eq!(shown.map(|value| number(Some(value))), expected);
        assert_eq!(number(None), "–");
    }
}
