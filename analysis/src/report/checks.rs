//! What holds of the recordings and what does not, in a line each.

use crate::results::Verdict;

use super::Report;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Pass,
    Warn,
    Fail,
}

impl Outcome {
    /// The word that stands in the table.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Warn => "warn",
            Outcome::Fail => "fail",
        }
    }
}

/// One check of one thing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) subject: String,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
}

/// All checks, those that failed first.
pub(super) fn all(report: &Report<'_>) -> Vec<Check> {
    let mut checks = recordings(report);
    checks.extend(conservation(report));
    checks.extend(roofs(report));
    checks.extend(refusals(report));
    let warning = |warning: &String| Check {
        name: "warning",
        subject: String::new(),
        outcome: Outcome::Warn,
        detail: warning.clone(),
    };
    checks.extend(report.analysis.warnings.iter().map(warning));
    checks.sort_by_key(|check| match check.outcome {
        Outcome::Fail => 0,
        Outcome::Warn => 1,
        Outcome::Pass => 2,
    });
    checks
}

fn recordings(report: &Report<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for recorded in &report.material.bundles {
        let manifest = &recorded.manifest;
        let (outcome, detail) = match (manifest.complete, manifest.interrupted) {
            (true, false) => (Outcome::Pass, "it ended in order".to_owned()),
            (true, true) => (Outcome::Warn, "the user ended it early".to_owned()),
            (false, _) => {
                let why = manifest.failure.as_deref().unwrap_or("the recorder was cut off");
                (Outcome::Fail, format!("it is incomplete: {why}"))
            }
        };
        let subject = recorded.bundle.clone();
        checks.push(Check { name: "recording complete", subject, outcome, detail });
    }
    for agent in &report.analysis.agents {
        let lost = agent.drops + agent.bpf_drops.unwrap_or(0);
        checks.push(Check {
            name: "nothing dropped",
            subject: agent.bundle.to_string(),
            outcome: if lost == 0 { Outcome::Pass } else { Outcome::Warn },
            detail: format!("{lost} readings or events lost to full queues"),
        });
    }
    checks
}

fn conservation(report: &Report<'_>) -> Vec<Check> {
    let check = |row: &crate::ConservationRow| {
        let outcome = match row.verdict {
            Verdict::Closed => Outcome::Pass,
            Verdict::IdleUnknown | Verdict::NoReadings => Outcome::Warn,
            Verdict::Broken | Verdict::Overdrawn => Outcome::Fail,
        };
        let detail = format!(
            "{}: attributed {:.4} + idle {:.4} + unattributed {:.4} J of {:.4} J",
            row.verdict.as_str().replace('_', " "),
            row.attributed_joules,
            row.idle_joules,
            row.unattributed_joules,
            row.integral_joules
        );
        let subject = format!("{}, rail {}", row.bundle, row.rail);
        Check { name: "joules conserved", subject, outcome, detail }
    };
    report.analysis.conservation.iter().map(check).collect()
}

fn roofs(report: &Report<'_>) -> Vec<Check> {
    let above = report.points.iter().filter(|point| point.above_roof);
    let mut checks: Vec<Check> = above
        .map(|point| {
            let layer = point.layer.as_ref().map_or_else(String::new, |it| format!(", layer {it}"));
            Check {
                name: "under the roof",
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
            name: "under the roof",
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
            name: "all numbers given",
            subject: format!("{} on {}", row.network, row.component),
            outcome: Outcome::Warn,
            detail: why.join("; "),
        })
    };
    report.analysis.summary.iter().filter_map(check).collect()
}
