//! What each section of the page holds.

use maud::{Markup, html};
use wattline_trace::rows::ALL_COMPONENTS;

use super::grid::{Cell, Grid};
use super::{Report, Study};
use crate::human::number;
use crate::quantisation::QuantisationRow;
use crate::results::SummaryRow;
use crate::roofline;

/// What came out in a sentence each, then the tables.
pub(super) fn summary(report: &Report<'_>) -> Markup {
    let rows = &report.analysis.summary;
    let (together, alone): (Vec<&SummaryRow>, Vec<&SummaryRow>) =
        rows.iter().partition(|row| row.policy.is_some());
    let sentences = sentences(&alone, &together);
    html! {
        @if rows.is_empty() { p { "No run is in these recordings: there is nothing to report." } }
        @if !sentences.is_empty() { ul { @for sentence in sentences { li { (sentence) } } } }
        @if !alone.is_empty() {
            h3 { "Each component alone" }
            (alone_grid(&alone).markup())
        }
        @if !together.is_empty() {
            h3 { "Components together on one stream of images" }
            p.muted { "Gains are over the component alone, those of “all” over the one that is fastest alone." }
            (together_grid(&together).markup())
        }
        @let terms = interval_grid(rows);
        @if !terms.is_empty() {
            details {
                summary { "What the intervals of J/image are made of" }
                (terms.markup())
                p.muted { (tolerances(report)) }
            }
        }
    }
}

fn sentences(alone: &[&SummaryRow], together: &[&SummaryRow]) -> Vec<String> {
    let mut networks: Vec<(&str, &str)> = Vec::new();
    for row in alone.iter().chain(together) {
        let key = (row.board.as_str(), row.network.as_str());
        if !networks.contains(&key) {
            networks.push(key);
        }
    }
    let sentence = |&(board, network): &(&str, &str)| {
        let is_it =
            |row: &&&SummaryRow| (row.board.as_str(), row.network.as_str()) == (board, network);
        let mine: Vec<_> = alone.iter().filter(is_it).collect();
        let by = |value: fn(&SummaryRow) -> Option<f64>| {
            let known = mine.iter().filter_map(|row| Some((row, value(row)?)));
            known.max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let mut parts = Vec::new();
        if let Some((row, rate)) = by(|row| row.images_per_s) {
            parts.push(format!("fastest alone on {}, {} images/s", place(row), number(Some(rate))));
        }
        if let Some((row, _)) = by(|row| row.images_per_joule) {
            let joules = number(row.joules_per_image);
            parts.push(format!("least energy on {}, {joules} J/image", place(row)));
        }
        let all = |row: &&&SummaryRow| is_it(row) && row.component == ALL_COMPONENTS;
        for row in together.iter().filter(all) {
            let policy = row.policy.as_ref().map_or("", |policy| policy.as_str());
            let gain = row.gain_pct.map_or_else(String::new, |it| format!(" ({it:+.1} %)"));
            let rate = number(row.images_per_s);
            parts.push(format!("all together by {policy}, {rate} images/s{gain}"));
        }
        (!parts.is_empty()).then(|| format!("{network} on {board}: {}.", parts.join("; ")))
    };
    networks.iter().filter_map(sentence).collect()
}

fn place(row: &SummaryRow) -> String {
    roofline::place(&row.component, row.frequency_mhz)
}

fn alone_grid(rows: &[&SummaryRow]) -> Grid {
    let mut grid = Grid::new(&[
        "network",
        "component",
        "images/s",
        "J/image ± 95 %",
        "images/J",
        "GOP/s",
        "OI_t flop/B",
        "OI_e flop/B",
        "DRAM MB/image",
        "images",
        "board",
        "provenance",
        "notes",
    ]);
    for row in rows {
        grid.add(vec![
            Cell::text(row.network.as_str()),
            Cell::text(place(row)),
            Cell::number(row.images_per_s),
            Cell::interval(row.joules_per_image, row.joules_per_image_ci95),
            Cell::number(row.images_per_joule),
            Cell::number(row.gop_per_s),
            Cell::number(row.oi_theoretical),
            Cell::number(row.oi_empirical),
            Cell::number(row.dram_bytes_per_image.map(|bytes| 1e-6 * bytes)),
            Cell::count(row.images),
            Cell::text(row.board.as_str()),
            Cell::text(row.provenance.as_str()),
            Cell::text(row.note()),
        ]);
    }
    grid
}

/// What of each interval is by what, in percent of the joules.
fn interval_grid(rows: &[SummaryRow]) -> Grid {
    let mut grid = Grid::new(&[
        "network",
        "component",
        "J/image",
        "± %",
        "sampling %",
        "idle %",
        "quantisation %",
        "tolerance %",
        "clock %",
        "split %",
        "largest",
    ]);
    for row in rows {
        let Some((joules, terms)) = row.joules_per_image.zip(row.interval) else { continue };
        let together = if row.policy.is_some() { " (together)" } else { "" };
        let of = |term: f64| Cell::number(Some(100.0 * term / joules));
        let mut cells = vec![
            Cell::text(row.network.as_str()),
            Cell::text(format!("{}{together}", row.component)),
            Cell::number(Some(joules)),
            of(terms.half_width()),
        ];
        cells.extend(terms.named().map(|(_, term)| of(term)));
        cells.push(Cell::text(terms.largest()));
        grid.add(cells);
    }
    grid
}

/// What sensors' gains were taken to be.
fn tolerances(report: &Report<'_>) -> String {
    let known = report.analysis.summary.iter().filter_map(|row| row.interval);
    match known.into_iter().any(|terms| terms.tolerance > 0.0) {
        true => {
            "Tolerances are those of the boards' descriptions, or of --sensor-tolerance.".to_owned()
        }
        false => {
            "Sensors are taken to be exact: an emulated board's are, and of others nobody said how \
                  far their gains may lie off. --sensor-tolerance 2% says it."
                .to_owned()
        }
    }
}

fn together_grid(rows: &[&SummaryRow]) -> Grid {
    let mut grid = Grid::new(&[
        "network",
        "policy",
        "component",
        "frames %",
        "images/s",
        "gain %",
        "J/image ± 95 %",
        "images/J",
        "gain %",
        "of solo sum",
        "of oracle",
        "p50 ms",
        "p99 ms",
        "board",
        "provenance",
        "notes",
    ]);
    for row in rows {
        grid.add(vec![
            Cell::text(row.network.as_str()),
            Cell::text(row.policy.as_ref().map_or("", |policy| policy.as_str())),
            Cell::text(place(row)),
            Cell::number(row.frames_pct),
            Cell::number(row.images_per_s),
            Cell::percent(row.gain_pct),
            Cell::interval(row.joules_per_image, row.joules_per_image_ci95),
            Cell::number(row.images_per_joule),
            Cell::percent(row.images_per_joule_gain_pct),
            Cell::number(row.efficiency_solo),
            Cell::number(row.efficiency_oracle),
            Cell::number(row.latency_p50_ms),
            Cell::number(row.latency_p99_ms),
            Cell::text(row.board.as_str()),
            Cell::text(row.provenance.as_str()),
            Cell::text(row.note()),
        ]);
    }
    grid
}

/// These numbers beside the study's.
pub(super) fn study(study: &Study) -> Markup {
    let mut grid = Grid::new(&[
        "in the study",
        "board",
        "network",
        "components",
        "of",
        "quantity",
        "here ± 95 %",
        "published",
        "difference %",
        "difference, points",
        "provenance",
        "note",
    ]);
    for row in &study.rows {
        grid.add(vec![
            Cell::text(row.source),
            Cell::text(&row.board),
            Cell::text(&row.network),
            Cell::text(&row.engaged),
            Cell::text(&row.component),
            Cell::text(in_words(row.quantity)),
            Cell::interval(row.value, row.value_ci95),
            Cell::number(row.published),
            Cell::percent(row.difference_pct),
            Cell::percent(row.difference_points),
            Cell::text(row.provenance.as_str()),
            Cell::text(&row.note),
        ]);
    }
    let mut words = Grid::new(&["section", "board", "network", "found here", "holds", "says"]);
    for it in &study.statements {
        words.add(vec![
            Cell::text(it.source),
            Cell::text(&it.board),
            Cell::text(&it.network),
            Cell::text(&it.found),
            Cell::text(if it.holds { "yes" } else { "no" }),
            Cell::text(it.says),
        ]);
    }
    html! {
        p { "Beside what “Neural Network Inference on Mobile SoCs” (Wang, Pathania and Mitra, IEEE Design \
             & Test) prints. Its figures 2 and 4 print no numbers, and the co-execution columns of its Table \
             III are held back." }
        (grid.markup())
        @if !words.is_empty() { h3 { "What it says in words" } (words.markup()) }
    }
}

fn in_words(quantity: &str) -> &str {
    match quantity {
        "images_per_s" => "images/s",
        "images_per_joule" => "images/J",
        "gain_pct" => "gain, %",
        "frames_pct" => "share of images, %",
        other => other,
    }
}

/// Figures of networks, and how far each lies under its roof.
pub(super) fn rooflines(report: &Report<'_>, figures: &Markup) -> Markup {
    html! {
        p { "Squares stand at the intensity in theory, diamonds at that measured at the DRAM." }
        (figures)
        (points(report, false).markup())
    }
}

/// Figures of layers, and what bounds each.
pub(super) fn layers(report: &Report<'_>, figures: &Markup) -> Markup {
    html! {
        h3 { "What bounds each layer" }
        (points(report, true).markup())
        (figures)
    }
}

fn points(report: &Report<'_>, layers: bool) -> Grid {
    let mut grid = Grid::new(&[
        "network",
        "component",
        if layers { "layer" } else { "board" },
        if layers { "kind" } else { "provenance" },
        "ms/image",
        "GOP/s",
        "OI_t flop/B",
        "OI_e flop/B",
        "roof GOP/s",
        "factor to the roof",
        "bound",
    ]);
    for point in report.points.iter().filter(|point| point.layer.is_some() == layers) {
        let (one, other) = match (&point.layer, &point.kind) {
            (Some(layer), kind) => (layer.as_str(), kind.as_deref().unwrap_or_default()),
            (None, _) => (point.board.as_str(), point.provenance.as_str()),
        };
        grid.add(vec![
            Cell::text(&point.network),
            Cell::text(point.place()),
            Cell::text(one),
            Cell::text(other),
            Cell::number(point.seconds_per_image.map(|seconds| 1e3 * seconds)),
            Cell::number(Some(point.gop_per_s)),
            Cell::number(point.oi_theoretical),
            Cell::number(point.oi_empirical),
            Cell::number(point.roof_gop_per_s),
            Cell::number(point.factor_to_roof),
            Cell::text(&point.verdict),
        ]);
    }
    grid
}

fn quantised_layers(report: &Report<'_>) -> Grid {
    let mut grid =
        Grid::new(&["network", "component", "layer", "part", "ms", "FP32 ms", "times as fast"]);
    for row in &report.quantised_layers {
        grid.add(vec![
            Cell::text(&row.network),
            Cell::text(&row.component),
            Cell::text(&row.layer),
            Cell::text(row.part),
            Cell::number(Some(1e3 * row.seconds)),
            Cell::number(row.fp32_seconds.map(|seconds| 1e3 * seconds)),
            Cell::number(row.speedup),
        ]);
    }
    grid
}

/// Where the time of quantised networks goes, beside their FP32 twins.
pub(super) fn quantisation(report: &Report<'_>, figures: &Markup) -> Markup {
    let rows: &[QuantisationRow] = &report.quantisation;
    let mut grid = Grid::new(&[
        "network",
        "component",
        "convolution ms",
        "to and from 8 bits ms",
        "other ms",
        "ms/image",
        "times as fast as FP32",
        "provenance",
    ]);
    for row in rows {
        grid.add(vec![
            Cell::text(&row.network),
            Cell::text(&row.component),
            Cell::number(Some(1e3 * row.convolution_s)),
            Cell::number(Some(1e3 * row.conversion_s)),
            Cell::number(Some(1e3 * row.other_s)),
            Cell::number(Some(1e3 * row.seconds())),
            Cell::number(row.speedup),
            Cell::text(row.provenance.as_str()),
        ]);
    }
    html! {
        p { "Bringing a convolution's sums back to 8 bits is part of the convolution and cannot be seen \
             apart; conversions are the layers that bring values into 8-bit steps and back." }
        (grid.markup())
        (figures)
        h3 { "Each layer beside that of its FP32 twin" }
        (quantised_layers(report).markup())
    }
}

/// What was recorded, with what, and what recording cost.
pub(super) fn recordings(report: &Report<'_>) -> Markup {
    html! {
        @for recorded in &report.material.bundles {
            h3 { (recorded.bundle) }
            p { (recorded.provenance()) }
            ul {
                li { "command: " code { (recorded.manifest.command.join(" ")) } }
                li { "kernel " (recorded.manifest.kernel) ", wattline " (recorded.manifest.wattline)
                     ", seed " (recorded.manifest.seed) }
                @for counter in &recorded.manifest.counters {
                    li { "counter " (counter.source) ", " (counter.provenance.as_str()) ": " (counter.covers) }
                }
                @for agent in report.analysis.agents.iter().filter(|it| it.bundle == recorded.bundle.as_str()) {
                    li { "recording cost: " (crate::human::cost(agent)) }
                }
            }
            // On paper it would be most of the pages.
            details.screen {
                summary { "manifest.json" }
                pre { (serde_json::to_string_pretty(&recorded.manifest).unwrap_or_default()) }
            }
        }
    }
}
