//! The clock of a component: held at one frequency for a run, and put back as it was found.
//!
//! Linux shows a cluster's clock as cpufreq policies, in kHz, and a GPU's as a devfreq device, in
//! Hz. Either has a lower and an upper limit; with both at one frequency every governor runs at it.
//! [Documentation/admin-guide/pm/cpufreq.rst, Documentation/ABI/testing/sysfs-class-devfreq]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wattline_board::Roots;
use wattline_board::clock::Clock;
use wattline_board::description::{Component, ComponentKind};
use wattline_board::quantity::Frequency;

use crate::setting::HeldSetting;

/// A clock takes a new limit within this.
const SETTLING_NS: u64 = 200_000_000;
/// And is looked at this often meanwhile.
const LOOK_NS: u64 = 10_000_000;

/// A component's frequency could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FrequencyError {
    /// Linux shows no clock of it.
    #[error("the frequency of {component} cannot be set: {why}")]
    NoClock {
        /// The component.
        component: String,
        /// What was looked for.
        why: String,
    },
    /// A limit cannot be read or written.
    #[error("the frequency of {component} cannot be set: {}: {source}; it takes root, and a kernel that lets it be set", path.display())]
    Setting {
        /// The component.
        component: String,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no such frequency.
    #[error("{component} does not run at {frequency}: {} offers {offered}", path.display())]
    NotOffered {
        /// The component.
        component: String,
        /// What was asked for.
        frequency: Frequency,
        /// The file that lists frequencies.
        path: PathBuf,
        /// What it lists.
        offered: String,
    },
    /// The clock did not follow, or not for long.
    #[error("{component} runs at {found} and not at {frequency}, by {}: something else limits it, as heat does", path.display())]
    NotHeld {
        /// The component.
        component: String,
        /// What was asked for.
        frequency: Frequency,
        /// What there is.
        found: Frequency,
        /// The file that says so.
        path: PathBuf,
    },
}

/// A component's clock, opened and not yet changed. What is held is put back when this is dropped,
/// through files that were opened with it: neither a change of privileges nor an error path in
/// between leaves the board changed.
#[derive(Debug)]
pub struct FrequencyControl {
    component: String,
    /// Several where a cluster's cores have clocks of their own.
    domains: Vec<Domain>,
    held: Option<Frequency>,
}

/// A policy of cpufreq, or a device of devfreq.
#[derive(Debug)]
struct Domain {
    directory: PathBuf,
    names: Names,
    min: HeldSetting,
    max: HeldSetting,
}

/// What its files are called, and the unit they count in.
#[derive(Debug, Clone, Copy)]
struct Names {
    available: &'static str,
    min: &'static str,
    max: &'static str,
    current: &'static str,
    hertz: f64,
}

const CPUFREQ: Names = Names {
    available: "scaling_available_frequencies",
    min: "scaling_min_freq",
    max: "scaling_max_freq",
    current: "scaling_cur_freq",
    hertz: 1e3,
};

const DEVFREQ: Names = Names {
    available: "available_frequencies",
    min: "min_freq",
    max: "max_freq",
    current: "cur_freq",
    hertz: 1.0,
};

/// What the devfreq device of a GPU is called after: its node in the device tree, or its driver.
const GPU_DEVICES: [&str; 4] = ["gpu", "mali", "kgsl", "panfrost"];

impl FrequencyControl {
    /// Opens the limits of a component's clock without changing them.
    ///
    /// # Errors
    /// [`FrequencyError::NoClock`] and [`FrequencyError::Setting`].
    pub fn open(component: &Component, roots: &Roots) -> Result<Self, FrequencyError> {
        let name = component.name().to_owned();
        let (places, names) = match component.kind {
            ComponentKind::Cpu => (policies(component, roots), CPUFREQ),
            ComponentKind::Gpu => (gpu_devices(roots), DEVFREQ),
            ComponentKind::Npu => (Ok(Vec::new()), DEVFREQ),
        };
        let no_clock = |why| FrequencyError::NoClock { component: name.clone(), why };
        let places = places.map_err(no_clock)?;
        if places.is_empty() {
            return Err(no_clock("Linux has no interface to an NPU's clock".to_owned()));
        }
        let domains = places.into_iter().map(|directory| {
            let open = |file: &str| {
                let path = directory.join(file);
                HeldSetting::open(path.clone()).map_err(|source| FrequencyError::Setting {
                    component: name.clone(),
                    path,
                    source,
                })
            };
            Ok(Domain { min: open(names.min)?, max: open(names.max)?, directory, names })
        });
        let domains = domains.collect::<Result<Vec<_>, _>>()?;
        Ok(FrequencyControl { component: name, domains, held: None })
    }

    /// Holds a frequency, and waits until the clock has taken it. The calling thread must attend
    /// `clock`.
    ///
    /// # Errors
    /// If there is no such frequency, or the clock does not follow; it is then put back.
    pub fn hold(&mut self, frequency: Frequency, clock: &dyn Clock) -> Result<(), FrequencyError> {
        let done = self.try_to_hold(frequency, clock);
        if done.is_err() {
            self.put_back();
        }
        done
    }

    fn try_to_hold(
        &mut self,
        frequency: Frequency,
        clock: &dyn Clock,
    ) -> Result<(), FrequencyError> {
        self.held = Some(frequency);
        for domain in &mut self.domains {
            let offered = domain.offered();
            let wanted = domain.count(frequency);
            if let Some(offered) = offered.filter(|it| !it.contains(&wanted)) {
                let in_words = |&count: &u64| domain.frequency(count).to_string();
                return Err(FrequencyError::NotOffered {
                    component: self.component.clone(),
                    frequency,
                    path: domain.directory.join(domain.names.available),
                    offered: offered.iter().map(in_words).collect::<Vec<_>>().join(", "),
                });
            }
            domain.limit(wanted).map_err(|(path, source)| FrequencyError::Setting {
                component: self.component.clone(),
                path,
                source,
            })?;
        }
        let until_ns = clock.now_ns().saturating_add(SETTLING_NS);
        while let Err(error) = self.check() {
            if clock.now_ns() >= until_ns {
                return Err(error);
            }
            clock.sleep_until(clock.now_ns() + LOOK_NS);
        }
        Ok(())
    }

    /// Whether the clock still is where it is held; true where nothing is held.
    ///
    /// # Errors
    /// [`FrequencyError::NotHeld`].
    pub fn check(&self) -> Result<(), FrequencyError> {
        let Some(frequency) = self.held else { return Ok(()) };
        let wrong = |domain: &Domain| {
            let (path, found) = domain.current()?;
            (found != domain.count(frequency)).then(|| (path, domain.frequency(found)))
        };
        match self.domains.iter().find_map(wrong) {
            None => Ok(()),
            Some((path, found)) => Err(FrequencyError::NotHeld {
                component: self.component.clone(),
                frequency,
                found,
                path,
            }),
        }
    }

    /// Puts the limits back as they were found; so does dropping this.
    pub fn put_back(&mut self) {
        self.held = None;
        self.domains.iter_mut().for_each(Domain::put_back);
    }

    /// Where its limits are, for people.
    pub fn place(&self) -> String {
        let places: Vec<_> =
            self.domains.iter().map(|it| it.directory.display().to_string()).collect();
        places.join(", ")
    }
}

impl Drop for FrequencyControl {
    fn drop(&mut self) {
        self.put_back();
    }
}

impl Domain {
    fn count(&self, frequency: Frequency) -> u64 {
        (frequency.hertz() / self.names.hertz).round() as u64
    }

    fn frequency(&self, count: u64) -> Frequency {
        Frequency::new(count as f64 * self.names.hertz)
    }

    /// What it offers, where it has a table. Drivers without one take anything and choose.
    fn offered(&self) -> Option<Vec<u64>> {
        let text = fs::read_to_string(self.directory.join(self.names.available)).ok()?;
        let mut offered: Vec<u64> =
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        offered.sort_unstable();
        (!offered.is_empty()).then_some(offered)
    }

    /// The file that says what the clock does, and what it says. Where there is no table the
    /// current frequency is what a core happened to need: there the limits are looked at.
    fn current(&self) -> Option<(PathBuf, u64)> {
        if self.offered().is_none() {
            return Some((self.max.path().to_owned(), self.max.read().ok()?));
        }
        let path = self.directory.join(self.names.current);
        let found = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
        Some((path, found))
    }

    /// Brings both limits to a value. The kernel refuses limits that cross, so the one on the far
    /// side goes first.
    fn limit(&mut self, value: u64) -> Result<(), (PathBuf, io::Error)> {
        let upwards = self.max.read().is_ok_and(|max| value > max);
        let (first, second) = match upwards {
            true => (&mut self.max, &mut self.min),
            false => (&mut self.min, &mut self.max),
        };
        for setting in [first, second] {
            setting.write(value).map_err(|source| (setting.path().to_owned(), source))?;
        }
        Ok(())
    }

    fn put_back(&mut self) {
        let above = self.min.found().zip(self.max.read().ok()).is_some_and(|(min, max)| min > max);
        let (first, second) = match above {
            true => (&mut self.max, &mut self.min),
            false => (&mut self.min, &mut self.max),
        };
        first.put_back();
        second.put_back();
    }
}

/// The policies of a cluster's CPUs, each once.
fn policies(component: &Component, roots: &Roots) -> Result<Vec<PathBuf>, String> {
    let mut policies: Vec<PathBuf> = Vec::new();
    for cpu in &component.cpus {
        let path = roots.sysfs.join(format!("devices/system/cpu/cpu{cpu}/cpufreq"));
        let policy = path.canonicalize().map_err(|error| {
            format!("{}: {error}; this machine's clock is not Linux's to set", path.display())
        })?;
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    Ok(policies)
}

/// The one devfreq device that is a GPU's.
fn gpu_devices(roots: &Roots) -> Result<Vec<PathBuf>, String> {
    let class = roots.sysfs.join("class/devfreq");
    let is_gpu = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        name.is_some_and(|name| GPU_DEVICES.iter().any(|device| name.contains(device)))
    };
    let entries = fs::read_dir(&class).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_gpu).collect();
    found.sort();
    match &found[..] {
        [only] => Ok(vec![only.clone()]),
        [] => Err(format!("no device of a GPU in {}", class.display())),
        several => Err(format!("several devices may be the GPU's: {}", names(several))),
    }
}

fn names(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| Path::display(path).to_string();
    paths.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use wattline_board::RegisterSource;
    use wattline_board::clock::WallClock;
    use wattline_board::description::Description;

    use super::*;

    /// Two policies of one cluster, found at limits of a user's.
    fn machine() -> (tempfile::TempDir, Roots, Component) {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots {
            sysfs: directory.path().to_owned(),
            procfs: directory.path().to_owned(),
            registers: RegisterSource::DevMem,
        };
        for cpu in 4..8 {
            let policy = roots.sysfs.join(format!("devices/system/cpu/cpu{cpu}/cpufreq"));
            fs::create_dir_all(&policy).unwrap();
            for (file, text) in [
                ("scaling_available_frequencies", "200000 1000000 1400000 2000000 \n"),
                ("scaling_min_freq", "1000000\n"),
                ("scaling_max_freq", "1400000\n"),
                ("scaling_cur_freq", "2000000\n"),
            ] {
                fs::write(policy.join(file), text).unwrap();
            }
        }
        let board = Description::load("exynos5422").unwrap();
        (directory, roots, board.component("a15").unwrap().clone())
    }

    fn limits(roots: &Roots, cpu: u32) -> (String, String) {
        let policy = roots.sysfs.join(format!("devices/system/cpu/cpu{cpu}/cpufreq"));
        let text = |file| fs::read_to_string(policy.join(file)).unwrap().trim().to_owned();
        (text("scaling_min_freq"), text("scaling_max_freq"))
    }

    #[test]
    fn both_limits_are_set_and_put_back() {
        let (_directory, roots, a15) = machine();
        let mut control = FrequencyControl::open(&a15, &roots).unwrap();
        let found = ("1000000".to_owned(), "1400000".to_owned());
        control.hold(Frequency::new(2e9), &WallClock).unwrap();
        let at_top = ("2000000".to_owned(), "2000000".to_owned());
        assert_eq!((limits(&roots, 4), limits(&roots, 7)), (at_top.clone(), at_top));
        control.check().unwrap();
        control.put_back();
        assert_eq!((limits(&roots, 4), limits(&roots, 7)), (found.clone(), found.clone()));
        // What is dropped, as when a thread panics, is put back too.
        let held = std::panic::catch_unwind(move || {
            control.hold(Frequency::new(2e9), &WallClock).unwrap();
            assert_eq!(control.place().split(", ").count(), 4);
            panic!("on the way");
        });
        assert!(held.is_err());
        assert_eq!(limits(&roots, 5), found);
    }

    #[test]
    fn a_clock_that_does_not_follow_is_told_and_put_back() {
        let (_directory, roots, a15) = machine();
        let mut control = FrequencyControl::open(&a15, &roots).unwrap();
        let error = control.hold(Frequency::new(1e9), &WallClock).unwrap_err().to_string();
        assert!(error.contains("runs at 2 GHz and not at 1 GHz"), "{error}");
        assert_eq!(limits(&roots, 4), ("1000000".to_owned(), "1400000".to_owned()));
        let error = control.hold(Frequency::new(1.2e9), &WallClock).unwrap_err().to_string();
        assert!(error.contains("offers 200 MHz, 1 GHz, 1.4 GHz, 2 GHz"), "{error}");
    }

    #[test]
    fn what_linux_does_not_show_is_refused() {
        let (_directory, roots, a15) = machine();
        let refused = |component: &Component| {
            FrequencyControl::open(component, &roots).unwrap_err().to_string()
        };
        let other = Component { cpus: vec![0], ..a15.clone() };
        assert!(refused(&other).contains("cpu0/cpufreq"), "{}", refused(&other));
        let board = Description::load("kirin970").unwrap();
        assert!(refused(board.component("npu").unwrap()).contains("NPU"));
        let gpu = board.component("gpu").unwrap();
        assert!(refused(gpu).contains("no device of a GPU"), "{}", refused(gpu));
        for device in ["e82c0000.mali", "fff35000.gpu"] {
            fs::create_dir_all(roots.sysfs.join("class/devfreq").join(device)).unwrap();
        }
        assert!(refused(gpu).contains("several devices"), "{}", refused(gpu));
    }
}
