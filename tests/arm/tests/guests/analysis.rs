//! Bundles of a guest, analysed by the wattline that recorded them: that architecture's program, run
//! here by QEMU's user emulation.

use std::path::Path;

use serde::Deserialize;
use wattline_arm_tests::architecture::Architecture;

use crate::place::target;

/// What `wattline analyze --json` says of a run, as far as tests look at it.
#[derive(Debug, Deserialize)]
pub(crate) struct SummaryRow {
    pub(crate) network: String,
    pub(crate) component: String,
    pub(crate) joules_per_image: Option<f64>,
    pub(crate) joules_per_image_ci95: Option<f64>,
    pub(crate) truth: Option<Truth>,
    pub(crate) refusals: Vec<serde_json::Value>,
    pub(crate) remarks: Vec<serde_json::Value>,
}

/// How far off it is, percent of what the emulated board knows.
#[derive(Debug, Deserialize)]
pub(crate) struct Truth {
    pub(crate) energy_error_pct: Option<f64>,
    pub(crate) traffic_error_pct: Option<f64>,
}

/// Analyses a bundle in which there is the truth. The gains of the emulated chips are exact, unlike
/// those of the board whose description it is: what sensors may lie off is no part of an interval
/// here, which so has to hold by what the readings tell.
#[track_caller]
pub(crate) fn of_one_run(architecture: Architecture, bundle: &Path) -> SummaryRow {
    #[derive(Debug, Deserialize)]
    struct Analysis {
        summary: Vec<SummaryRow>,
    }
    let mut wattline = architecture.run(target(), "wattline");
    wattline.args(["analyze", "--check-truth", "--json", "--sensor-tolerance", "0%", "--out"]);
    let tables = bundle.with_extension("tables");
    let ended = wattline.arg(tables).arg(bundle).output().unwrap();
    let (said, complaint) = (ended.stdout, String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{wattline:?}: {}: {complaint}", ended.status);
    let Analysis { summary } = serde_json::from_slice(&said)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said)));
    let Ok([row]) = <[SummaryRow; 1]>::try_from(summary) else { panic!("not one run: {bundle:?}") };
    row
}
