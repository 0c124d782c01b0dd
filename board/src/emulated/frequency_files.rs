//! The clocks' settings as Linux shows them, in a directory: cpufreq of clusters, devfreq of a GPU.
//!
//! A cluster has `devices/system/cpu/cpufreq/policyN`, to which `cpufreq` of each of its CPUs leads,
//! in kHz; a GPU `class/devfreq/N.gpu`, in Hz. Both run at the highest frequency that their limits
//! allow, as under the governor `performance`. [Documentation/admin-guide/pm/cpufreq.rst,
//! Documentation/ABI/testing/sysfs-class-devfreq]

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use wattline_trace::{create_dir_all_for_invoker, create_file_for_invoker};

use super::frequency::points;
use super::setting::SettingFile;
use crate::description::{Component, ComponentKind};

/// The files of one component's clock.
#[derive(Debug)]
pub(super) struct FrequencyFiles {
    min: SettingFile,
    max: SettingFile,
    current: File,
    /// What there is, lowest first, in the files' unit.
    available: Vec<u64>,
    /// The files' unit, in kHz⁻¹: 1 for kHz, 1000 for Hz.
    per_kilohertz: u64,
}

/// What the files of one of the two interfaces are called.
struct Names {
    available: &'static str,
    min: &'static str,
    max: &'static str,
    current: &'static str,
    governor: &'static str,
}

const CPUFREQ: Names = Names {
    available: "scaling_available_frequencies",
    min: "scaling_min_freq",
    max: "scaling_max_freq",
    current: "scaling_cur_freq",
    governor: "scaling_governor",
};

const DEVFREQ: Names = Names {
    available: "available_frequencies",
    min: "min_freq",
    max: "max_freq",
    current: "cur_freq",
    governor: "governor",
};

impl FrequencyFiles {
    /// Creates them; none for a component whose frequencies are not known, or of a kind whose clock
    /// Linux does not show.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub(super) fn create(sysfs: &Path, component: &Component) -> io::Result<Option<Self>> {
        let (place, names, per_kilohertz) = match (component.kind, component.cpus.first()) {
            (ComponentKind::Cpu, Some(first)) => {
                (format!("devices/system/cpu/cpufreq/policy{first}"), CPUFREQ, 1)
            }
            (ComponentKind::Gpu, _) => {
                (format!("class/devfreq/{}.gpu", component.name()), DEVFREQ, 1000)
            }
            (ComponentKind::Cpu | ComponentKind::Npu, _) => return Ok(None),
        };
        let known = points(component);
        let available: Vec<u64> =
            known.iter().map(|(kilohertz, _)| kilohertz * per_kilohertz).collect();
        let (Some(&lowest), Some(&highest)) = (available.first(), available.last()) else {
            return Ok(None);
        };
        let directory = sysfs.join(&place);
        create_dir_all_for_invoker(&directory)?;
        for cpu in &component.cpus {
            let cpu = sysfs.join(format!("devices/system/cpu/cpu{cpu}"));
            create_dir_all_for_invoker(&cpu)?;
            symlink(format!("../../../../{place}"), cpu.join("cpufreq"))?;
        }
        let listed: Vec<String> = available.iter().map(u64::to_string).collect();
        let write = |file: &str, text: String| {
            let mut file = create_file_for_invoker(&directory.join(file))?;
            file.write_all(text.as_bytes()).map(|()| file)
        };
        write(names.available, listed.join(" ") + "\n")?;
        write(names.governor, "performance\n".to_owned())?;
        Ok(Some(FrequencyFiles {
            min: SettingFile::create(&directory.join(names.min), lowest)?,
            max: SettingFile::create(&directory.join(names.max), highest)?,
            current: write(names.current, current_text(highest))?,
            available,
            per_kilohertz,
        }))
    }

    /// The frequency that follows from limits somebody wrote since the last look, in kHz. A limit
    /// beyond what there is is brought back to it, and one that crosses the other is put right again.
    pub(super) fn wish(&mut self) -> Option<u64> {
        let (max, min) = (self.max.wish(), self.min.wish());
        max.or(min)?;
        let (&lowest, &highest) = (self.available.first()?, self.available.last()?);
        let within = |wish: u64| wish.clamp(lowest, highest);
        let (wanted_max, wanted_min) =
            (max.map_or(self.max.shown(), within), min.map_or(self.min.shown(), within));
        let (wanted_min, wanted_max) = match wanted_min <= wanted_max {
            true => (wanted_min, wanted_max),
            false => (self.min.shown(), self.max.shown()),
        };
        self.max.show(wanted_max);
        self.min.show(wanted_min);
        let allowed = self.available.iter().rev().find(|it| **it <= wanted_max);
        let frequency = *allowed.unwrap_or(&lowest);
        // As with a setting: a tree somebody took away needs no report.
        let _ = self.current.write_all_at(current_text(frequency).as_bytes(), 0);
        Some(frequency / self.per_kilohertz)
    }
}

/// Of one length, so that a reader never sees the rest of a longer number.
fn current_text(value: u64) -> String {
    format!("{value:>11}\n")
}
