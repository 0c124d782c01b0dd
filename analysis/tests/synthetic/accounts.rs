//! CPU time of a cluster, the target's and others'.

use wattline_trace::rows::CpuRow;

use super::MS;

/// Whose time a CPU spent from an instant on, at which frequency, as parts of it.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub from: u64,
    pub target: f64,
    pub others: f64,
    pub khz: Option<u32>,
}

/// A cluster of two CPUs, accounted every 10 ms; the loads are those of both.
pub fn accounts(loads: &[Load], end: u64) -> Vec<CpuRow> {
    let mut rows = Vec::new();
    let (mut target_ns, mut busy_ns) = (0.0, 0.0);
    for t_ns in (0..end).step_by(10 * MS as usize).skip(1) {
        let load = loads.iter().rfind(|load| load.from < t_ns).unwrap();
        target_ns += load.target * 10e6;
        busy_ns += (load.target + load.others) * 10e6;
        rows.extend([0, 1].map(|cpu| CpuRow {
            t_ns,
            cpu,
            target_busy_ns: Some(target_ns as u64),
            busy_ns: busy_ns as u64,
            freq_khz: load.khz,
        }));
    }
    rows
}
