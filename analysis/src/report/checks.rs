//! What holds of the recordings and what does not, in a line each.

use crate::results::{Check as Named, CheckOutcome as Outcome};

use super::Report;

/// One check of one thing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
}

/// All checks, those that failed first.
pub(super) fn all(report: &Report<'_>) -> Vec<Check> {
    let mut checks = named(report);
    checks.extend(dropped(report));
    checks.extend(roofs(report));
    checks.extend(refusals(report));
    let warning = |warning: &String| Check {
        name: "warning".to_owned(),
        subject: String::new(),
        outcome: Outcome::Warn,
        detail: warning.clone(),
    };
    checks.extend(report.analysis.warnings.iter().map(warning));
    checks.sort_by_key(|check| std::cmp::Reverse(check.outcome));
    checks
}

/// Those of the analysis, but for roofs: the report's points may lie under roofs of their own.
fn named(report: &Report<'_>) -> Vec<Check> {
    let rows = report.analysis.checks.iter().filter(|row| row.check != Named::BelowRoof);
    let several = report.material.bundles.len() > 1;
    let check = |row: &crate::CheckRow| Check {
        name: row.check.as_str().replace('_', " "),
        subject: match several {
            true => format!("{}, {}", row.bundle, row.subject),
            false => row.subject.clone(),
        },
        outcome: row.outcome,
        detail: row.detail.clone(),
    };
    rows.map(check).collect()
}

fn dropped(report: &Report<'_>) -> Vec<Check> {
    let check = |agent: &crate::AgentCost| {
        let lost = agent.drops + agent.bpf_drops.unwrap_or(0);
        Check {
            name: "nothing dropped".to_owned(),
            subject: agent.bundle.to_string(),
            outcome: if lost == 0 { Outcome::Pass } else { Outcome::Warn },
            detail: format!("{lost} readings or events lost to full queues"),
        }
    };
    report.analysis.agents.iter().map(check).collect()
}

fn roofs(report: &Report<'_>) -> Vec<Check> {
    let above = report.points.iter().filter(|point| point.above_roof);
    let mut checks: Vec<Check> = above
        .map(|point| {
            let layer = point.layer.as_ref().map_or_else(String::new, |it| format!(", layer {it}"));
            Check {
                name: "under the roof".to_owned(),
                subject: format!("{} on {}{layer}", point.network, point.component),
                outcome: Outcome::Fail,
                detail: point.verdict.clone(),
            }
        })
        .collect();
    let roofed = report.points.iter().filter(|point| point.peak_gop_per_s.is_some()).count();
    if checks.is_empty() && !report.points.is_empty() {
        let roofless = report.points.len() - roofed;
        checks.push(Check {
            name: "under the roof".to_owned(),
            subject: "all networks and layers".to_owned(),
            outcome: if roofless == 0 { Outcome::Pass } else { Outcome::Warn },
            detail: match roofless {
                0 => format!("{roofed} points, none above its roof"),
                _ => format!(
                    "{roofless} of {} points have no known roof: measure it with `wattline \
                     roofline --out DIR` and name its roofline.csv with --ceilings",
                    report.points.len()
                ),
            },
        });
    }
    checks
}

fn refusals(report: &Report<'_>) -> Vec<Check> {
    let check = |row: &crate::SummaryRow| {
        let why: Vec<String> = row.refusals.iter().map(ToString::to_string).collect();
        (!why.is_empty()).then(|| Check {
            name: "all numbers given".to_owned(),
            subject: format!("{} on {}", row.network, row.component),
            outcome: Outcome::Warn,
            detail: why.join("; "),
        })
    };
    report.analysis.summary.iter().filter_map(check).collect()
}
