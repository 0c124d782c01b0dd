//! The page as a whole.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::checks;
use super::{Report, method, sections};
use crate::AnalysisError;
use crate::CheckOutcome as Outcome;
use crate::figures::{Figure, NARROW, Subject, WIDE};
use wattline_trace::Provenance;

/// Nothing is loaded from anywhere, whatever a name in a bundle may say.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// A section: its place in the page, its heading and what it holds.
struct Section {
    id: &'static str,
    heading: &'static str,
    content: Markup,
}

/// Writes the page.
///
/// # Errors
/// [`AnalysisError::Drawing`].
pub(super) fn write(report: &Report<'_>) -> Result<String, AnalysisError> {
    let boards = report.analysis.boards.join(", ");
    let title = format!("{boards}: energy, traffic and speed of neural networks");
    let emulated = report.analysis.summary.iter().any(|row| row.provenance == Provenance::Emulated);
    let sections = sections(report)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ "wattline " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                // An empty one, or the browser asks a server for it.
                link rel="icon" href="data:,";
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    h1 { (boards) }
                    p {
                        "Joules, DRAM bytes and images a second, per network and component. "
                        @if emulated { span.badge { "emulated numbers: a model's, of no chip" } }
                    }
                    nav aria-label="Sections" {
                        @for section in &sections { a href={ "#" (section.id) } { (section.heading) } }
                    }
                }
                main {
                    @for section in &sections {
                        section aria-labelledby=(section.id) {
                            h2 id=(section.id) { (section.heading) }
                            (section.content)
                        }
                    }
                }
                footer { p.muted { "Written by wattline " (env!("CARGO_PKG_VERSION")) "." } }
                script { (PreEscaped(include_str!("sort.js"))) }
            }
        }
    };
    Ok(page.into_string())
}

fn sections(report: &Report<'_>) -> Result<Vec<Section>, AnalysisError> {
    let section = |id, heading, content| Section { id, heading, content };
    let mut all = vec![
        section("summary", "Summary", sections::summary(report)),
        section("checks", "Checks", checks_markup(report)),
        section("energy", "Energy", figures(report, Subject::Energy)?),
        section("study", "Beside the study", sections::study(&report.study)),
    ];
    if !report.points.is_empty() {
        let figures = figures(report, Subject::Rooflines)?;
        all.push(section("rooflines", "Rooflines", sections::rooflines(report, &figures)));
    }
    if !report.analysis.layers.is_empty() {
        let figures = folded(report, Subject::Layers)?;
        all.push(section("layers", "Layers", sections::layers(report, &figures)));
    }
    if !report.quantisation.is_empty() {
        let figures = figures(report, Subject::Quantisation)?;
        let content = sections::quantisation(report, &figures);
        all.push(section("quantisation", "Quantisation", content));
    }
    all.push(section("method", "Method", method::markup()));
    all.push(section("recordings", "Recordings", sections::recordings(report)));
    Ok(all)
}

fn checks_markup(report: &Report<'_>) -> Markup {
    let checks = checks::all(report);
    let count = |outcome: Outcome| checks.iter().filter(|it| it.outcome == outcome).count();
    let line = |check: &checks::Check| {
        let outcome = check.outcome.as_str();
        html! { li {
            span class=(outcome) { (outcome) } " " (check.name)
            @if !check.subject.is_empty() { ", " (check.subject) }
            ": " (check.detail)
        } }
    };
    let (passed, others): (Vec<_>, Vec<_>) =
        checks.iter().partition(|it| it.outcome == Outcome::Pass);
    html! {
        p {
            span.fail[count(Outcome::Fail) > 0] { (count(Outcome::Fail)) " failed" } ", "
            span.warn[count(Outcome::Warn) > 0] { (count(Outcome::Warn)) " to know about" } ", "
            (passed.len()) " passed."
        }
        @if !others.is_empty() { ul.checks { @for check in others { (line(check)) } } }
        @if !passed.is_empty() {
            details { summary { "What passed" } ul.checks { @for check in passed { (line(check)) } } }
        }
    }
}

/// All figures of a subject.
fn figures(report: &Report<'_>, subject: Subject) -> Result<Markup, AnalysisError> {
    let of_subject = report.figures.iter().filter(|figure| figure.subject == subject);
    let drawn: Vec<Markup> = of_subject.map(figure).collect::<Result<_, _>>()?;
    Ok(html! { @for figure in drawn { (figure) } })
}

/// The same, each behind its title: there may be many.
fn folded(report: &Report<'_>, subject: Subject) -> Result<Markup, AnalysisError> {
    let of_subject = report.figures.iter().filter(|figure| figure.subject == subject);
    let mut drawn = Vec::new();
    for it in of_subject {
        drawn.push((it.title(), figure(it)?));
    }
    let open = drawn.len() <= 2;
    Ok(html! {
        @for (title, figure) in drawn { details open[open] { summary { (title) } (figure) } }
    })
}

/// A figure in two widths, of which the page shows one.
fn figure(figure: &Figure) -> Result<Markup, AnalysisError> {
    let (wide, narrow) = (figure.svg(WIDE)?, figure.svg(NARROW)?);
    Ok(html! {
        figure id={ "figure-" (figure.name) } role="img" aria-label=(figure.title()) {
            div.wide { (PreEscaped(wide)) }
            div.narrow { (PreEscaped(narrow)) }
        }
    })
}
