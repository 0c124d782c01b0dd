//! The probe as a person reads it.

use std::fmt;

use wattline_board::quantity::{Bandwidth, FlopRate, Time};

use super::{Counter, Probe, Rail, SensorChannel};

/// Rows whose columns line up, under a heading; nothing at all of a table without rows.
fn table(f: &mut fmt::Formatter<'_>, heading: &str, rows: &[Vec<String>]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f, "{heading}")?;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("  {cell:<width$}"));
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "board {}: {} ({})", self.board.name, self.board.model, self.board.found)?;
        table(f, "components", &self.component_rows())?;
        if self.rails.is_empty() {
            writeln!(f, "power rails: none")?;
        }
        table(f, "power rails", &self.rails.iter().map(rail_row).collect::<Vec<_>>())?;
        table(f, "sensor chips", &self.chip_rows())?;
        if self.counters.is_empty() {
            writeln!(f, "traffic counters: none")?;
        }
        let counters: Vec<_> = self.counters.iter().map(counter_row).collect();
        table(f, "traffic counters", &counters)?;
        if self.hardware_counters.is_empty() {
            writeln!(f, "hardware counters: none")?;
        }
        table(f, "hardware counters", &self.hardware_rows())?;
        table(f, "perf PMUs of memory traffic", &self.pmu_rows())?;
        table(f, "RAPL domains", &self.powercap_rows())?;
        table(f, "CPU frequencies", &self.cpufreq_rows())?;
        table(f, "BPF programs", &self.bpf_rows())?;
        table(f, "privileges", &self.privilege_rows())?;
        if !self.missing.is_empty() {
            writeln!(f, "missing")?;
        }
        self.missing.iter().try_for_each(|missing| {
            writeln!(f, "  {}: {}", missing.what, missing.why)?;
            writeln!(f, "    → {}", missing.advice)
        })
    }
}

impl Probe {
    fn component_rows(&self) -> Vec<Vec<String>> {
        let row = |it: &super::Component| {
            let cpus: Vec<_> = it.cpus.iter().map(ToString::to_string).collect();
            let cpus = if cpus.is_empty() { "".into() } else { format!("CPUs {}", cpus.join(" ")) };
            let peak = it.peak_flops_per_s.map(|peak| FlopRate::new(peak).to_string());
            let bandwidth = it.bandwidth_bytes_per_s.map(|it| Bandwidth::new(it).to_string());
            vec![
                it.name.clone(),
                it.kind.into(),
                cpus,
                peak.unwrap_or_default(),
                bandwidth.unwrap_or_default(),
            ]
        };
        self.components.iter().map(row).collect()
    }

    fn chip_rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for chip in &self.chips {
            for channel in &chip.channels {
                let label = channel.label.clone().unwrap_or_default();
                let path = format!("{}/{}", chip.path, channel.file);
                rows.push(vec![chip.name.clone(), label, channel_value(channel), path]);
            }
        }
        rows
    }

    fn hardware_rows(&self) -> Vec<Vec<String>> {
        let row = |it: &super::HardwareCounters| {
            let cpus: Vec<_> = it.cpus.iter().map(ToString::to_string).collect();
            let turns = match it.groups_per_cpu {
                0 | 1 => "all the time".to_owned(),
                groups => format!("{groups} groups in turns, scaled"),
            };
            let cpus = format!("CPUs {}", cpus.join(" "));
            let read = if it.at_marks { "at samples and marks" } else { "at samples" };
            let events = it.events.join(" ");
            vec![it.component.clone(), it.pmus.join(" "), cpus, turns, read.into(), events]
        };
        self.hardware_counters.iter().map(row).collect()
    }

    fn pmu_rows(&self) -> Vec<Vec<String>> {
        let row = |pmu: &super::TrafficPmu| {
            let recorded = pmu.recorded_as.as_ref().map(|counter| format!("recorded as {counter}"));
            let recorded = recorded.unwrap_or_else(|| "not recorded".to_owned());
            let cpu = format!("CPU {}", pmu.cpumask);
            vec![pmu.name.clone(), cpu, recorded, shortened(&pmu.events)]
        };
        self.traffic_pmus.iter().map(row).collect()
    }

    fn powercap_rows(&self) -> Vec<Vec<String>> {
        let row = |domain: &super::PowerDomain| {
            let readable = if domain.readable { "readable" } else { "not readable: run as root" };
            vec![domain.directory.clone(), domain.name.clone(), readable.into()]
        };
        self.powercap.iter().map(row).collect()
    }

    fn cpufreq_rows(&self) -> Vec<Vec<String>> {
        let mhz = |khz: Option<u64>| khz.map_or("?".to_owned(), |khz| format!("{}", khz / 1000));
        let row = |policy: &super::FrequencyPolicy| {
            let (now, highest) = (mhz(policy.now_khz), mhz(policy.highest_khz));
            let cpus = format!("CPUs {}", policy.cpus);
            vec![
                policy.name.clone(),
                cpus,
                policy.governor.clone(),
                format!("{now} of {highest} MHz"),
            ]
        };
        self.cpufreq.iter().map(row).collect()
    }

    fn bpf_rows(&self) -> Vec<Vec<String>> {
        let findings = self.bpf.iter().flat_map(|bpf| &bpf.findings);
        let row = |finding: &wattline_ebpf::Finding| {
            let state = match (finding.good, finding.essential) {
                (true, _) => "yes",
                (false, true) => "no",
                (false, false) => "note",
            };
            vec![state.into(), finding.what.into(), finding.finding.clone()]
        };
        findings.map(row).collect()
    }

    fn privilege_rows(&self) -> Vec<Vec<String>> {
        let row = |need: &crate::privileges::Need| {
            let held = if need.held { "yes" } else { "no" };
            vec![held.into(), need.capability.clone(), need.purpose.into()]
        };
        self.privileges.iter().map(row).collect()
    }
}

fn rail_row(rail: &Rail) -> Vec<String> {
    let address = rail.i2c_address.map_or(String::new(), |address| format!("{address:#04x}"));
    let now = match (&rail.now, &rail.error) {
        (Some(now), _) if now.volts == 0.0 && now.amps == 0.0 => format!("{:.3} W", now.watts),
        (Some(now), _) => format!("{:.3} V {:.3} A {:.3} W", now.volts, now.amps, now.watts),
        (None, error) => error.clone().unwrap_or_default(),
    };
    let nanoseconds = |ns: u64| Time::new(ns as f64 / 1e9).to_string();
    let window = rail
        .window_ns
        .map_or("window unknown".into(), |ns| format!("mean over {}", nanoseconds(ns)));
    let fastest = rail.fastest_hz.map_or(String::new(), |hz| format!("up to {hz:.0} Hz"));
    let inside = rail.inside.as_ref().map_or(String::new(), |outer| format!("inside {outer}"));
    vec![
        rail.name.clone(),
        rail.chip.clone(),
        address,
        now,
        window,
        fastest,
        rail.path.clone(),
        inside,
    ]
}

fn channel_value(channel: &SensorChannel) -> String {
    match (channel.value, &channel.error) {
        (Some(value), _) => format!("{value:.3} {}", channel.unit),
        (None, error) => error.clone().unwrap_or_default(),
    }
}

/// The first of many names: some interconnects have a hundred events.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let first = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(" ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn counter_row(counter: &Counter) -> Vec<String> {
    let ports = counter.ports.join(" ");
    let unit = format!("{} B a count, {}", counter.bytes_per_count, counter.provenance);
    let role = if counter.is_dram { "DRAM" } else { "" };
    vec![
        counter.name.clone(),
        role.into(),
        counter.kind.clone(),
        ports,
        unit,
        counter.covers.clone(),
        counter.path.clone(),
    ]
}
