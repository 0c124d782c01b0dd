//! Many predictions: every board, every network, every policy.

use anyhow::Result;
use clap::ValueEnum;
use wattline_analysis::SummaryRow;
use wattline_board::description::{Description, builtin_names};
use wattline_inference::coexecution::policy::PolicyKind;
use wattline_inference::zoo;

use super::predict::{Question, predict};

/// What is varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Axis {
    /// Every built-in board
    Boards,
    /// Every network of the study
    Networks,
    /// Every policy; `energy` only with --fps
    Policies,
}

/// Predicts for every combination of what `axes` name, the rest as in `question`.
pub(super) fn sweep(question: &Question, axes: &[Axis]) -> Result<Vec<SummaryRow>> {
    let boards = match axes.contains(&Axis::Boards) {
        true => builtin_names().map(Description::load).collect::<Result<Vec<_>, _>>()?,
        false => vec![question.board.clone()],
    };
    let networks = match axes.contains(&Axis::Networks) {
        true => zoo::STUDY.map(str::to_owned).to_vec(),
        false => vec![question.network.clone()],
    };
    let mut policies = vec![question.policy];
    if axes.contains(&Axis::Policies) {
        policies = PolicyKind::ALL.to_vec();
        if question.fps.is_none() {
            policies.retain(|policy| *policy != PolicyKind::Energy);
            eprintln!("wattline: policy energy is left out: it needs --fps");
        }
    }
    let mut rows = Vec::new();
    for board in &boards {
        for network in &networks {
            for &policy in &policies {
                let (board, network) = (board.clone(), network.clone());
                rows.extend(predict(&Question { board, network, policy, ..question.clone() })?);
            }
        }
    }
    Ok(rows)
}
