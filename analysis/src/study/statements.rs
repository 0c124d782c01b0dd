//! What the study says in words where its figures print no numbers, held against these results.

use serde::Serialize;

use super::StudyRow;

/// A statement of the study about one network on one board, and whether it holds here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// The section that makes it.
    pub source: &'static str,
    /// What it says.
    pub says: &'static str,
    /// The board.
    pub board: String,
    /// The network.
    pub network: String,
    /// What was found here.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The components of a board by the efficiency that the study gives them, the best first: "NPU is
/// the most energy-efficient [...] GPUs are the second-most [...] Small clusters also show good
/// energy-efficiency" (III-B-2), and CPUs the worst (III-B-4).
const RANKED: [(&str, &[&str]); 2] =
    [("exynos5422", &["gpu", "a7", "a15"]), ("kirin970", &["npu", "gpu", "a53", "a73"])];

/// Of each board the big cluster, and the small one where co-execution is said to beat it too.
const CLUSTERS: [(&str, &str, Option<&str>); 2] =
    [("exynos5422", "a15", None), ("kirin970", "a73", Some("a53"))];

/// Statements about whatever is in `rows`: those that need a number that is not there are left out.
pub(super) fn check(rows: &[StudyRow]) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (board, network) in boards_and_networks(rows) {
        statements.extend(ranking(rows, board, network));
        statements.extend(co_execution(rows, board, network));
    }
    statements
}

fn boards_and_networks(rows: &[StudyRow]) -> Vec<(&str, &str)> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let pair = (row.board.as_str(), row.network.as_str());
        if !all.contains(&pair) {
            all.push(pair);
        }
    }
    all
}

/// Images per joule of a component alone, by the first bundle that knows it.
fn alone(rows: &[StudyRow], board: &str, network: &str, component: &str) -> Option<f64> {
    let is_it = |row: &&StudyRow| {
        (row.board.as_str(), row.network.as_str(), row.engaged.as_str())
            == (board, network, component)
            && row.source == "Figure 2"
    };
    rows.iter().filter(is_it).find_map(|row| row.value)
}

fn ranking(rows: &[StudyRow], board: &str, network: &str) -> Option<Statement> {
    let (_, ranked) = RANKED.iter().find(|(name, _)| *name == board)?;
    let known: Vec<(&str, f64)> = ranked
        .iter()
        .filter_map(|&name| Some((name, alone(rows, board, network, name)?)))
        .collect();
    if known.len() < 2 {
        return None;
    }
    let found: Vec<String> =
        known.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
    Some(Statement {
        source: "III-B-2",
        says: "images per joule: NPU, then GPU, then small cluster, then big cluster",
        board: board.to_owned(),
        network: network.to_owned(),
        found: found.join(", ") + " images/J",
        holds: known.is_sorted_by(|a, b| a.1 > b.1),
    })
}

fn co_execution(rows: &[StudyRow], board: &str, network: &str) -> Vec<Statement> {
    let Some((_, big, small)) = CLUSTERS.iter().find(|(name, ..)| *name == board) else {
        return Vec::new();
    };
    let is_together = |row: &&StudyRow| {
        (row.board.as_str(), row.network.as_str()) == (board, network) && row.source == "Figure 4"
    };
    let together = rows.iter().filter(is_together).filter_map(|row| Some((row, row.value?)));
    let mut statements = Vec::new();
    for (row, value) in together {
        let better_than = [
            (Some(*big), "co-execution is always more energy-efficient than the big cluster"),
            (
                *small,
                "on the Kirin 970 co-execution is more energy-efficient than the small cluster",
            ),
        ];
        for (cluster, says) in better_than {
            let Some(cluster) = cluster else { continue };
            let Some(other) = alone(rows, board, network, cluster) else { continue };
            statements.push(Statement {
                source: "V-C",
                says,
                board: board.to_owned(),
                network: network.to_owned(),
                found: format!("{} {value:.3}, {cluster} {other:.3} images/J", row.engaged),
                holds: value > other,
            });
        }
    }
    statements
}
