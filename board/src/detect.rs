//! Which board this is: by its device tree, else a description generated from procfs and sysfs.

use std::fs;
use std::path::Path;

use toml::Spanned;

use crate::description::{
    Component, ComponentKind, Description, DescriptionError, Memory, Noise, OperatingPoint, Peak,
    Precision, builtin_names,
};
use crate::quantity::{Capacity, Frequency};
use crate::roots::Roots;

/// The name of a description that was generated from the machine at hand.
pub const HOST: &str = "host";

/// A board and how it was recognised.
#[derive(Debug, Clone)]
pub struct Detected {
    /// Its description.
    pub description: Description,
    /// How it was recognised, in words.
    pub how: String,
}

/// Recognises the board by `/proc/device-tree/compatible`, or generates a description of the
/// machine.
///
/// # Errors
/// Only if a built-in description is broken.
pub fn detect(roots: &Roots) -> Result<Detected, DescriptionError> {
    let tree = roots.procfs.join("device-tree");
    let compatible = fs::read(tree.join("compatible")).unwrap_or_default();
    let compatible: Vec<_> = compatible
        .split(|&byte| byte == 0)
        .map(|entry| String::from_utf8_lossy(entry).into_owned())
        .filter(|entry| !entry.is_empty())
        .collect();
    for name in builtin_names() {
        let description = Description::load(name)?;
        if let Some(entry) = compatible.iter().find(|it| description.compatible.contains(it)) {
            let how = format!("device tree: compatible {entry:?}");
            return Ok(Detected { description, how });
        }
    }
    let how = match text(&tree.join("model")) {
        Some(model) => format!("device tree: model {model:?} is not known; described from procfs"),
        None => "no device tree; described from procfs and sysfs".to_owned(),
    };
    Ok(Detected { description: host(roots), how })
}

/// A description of the machine at hand: its CPUs as one component, and nothing that is not
/// known.
pub fn host(roots: &Roots) -> Description {
    let cpus = online_cpus(roots);
    let component = Component {
        operating_points: cpus.first().map_or_else(Vec::new, |cpu| operating_points(roots, *cpu)),
        cpus,
        ..unknown_component("cpu", ComponentKind::Cpu)
    };
    Description {
        name: HOST.to_owned(),
        model: model(roots),
        compatible: Vec::new(),
        memory: Memory::default(),
        rails: Vec::new(),
        counters: Vec::new(),
        components: vec![component],
        noise: Noise::default(),
    }
}

/// A component of which nothing is known but what it is.
pub fn unknown_component(name: &str, kind: ComponentKind) -> Component {
    Component {
        name: Spanned::new(0..0, name.to_owned()),
        kind,
        cpus: Vec::new(),
        pmus: Vec::new(),
        peak: Peak::default(),
        precision: Precision::Fp32,
        bandwidth: None,
        last_level_cache: Default::default(),
        private_caches: Default::default(),
        dispatch: Default::default(),
        rail: None,
        dynamic_power: Default::default(),
        leakage: Spanned::new(0..0, 0.0),
        operating_points: Vec::new(),
        switching: None,
        driver: None,
        refuses: Vec::new(),
        calibration: Default::default(),
    }
}

/// The machine's model in words, from whichever file has it.
fn model(roots: &Roots) -> String {
    let dmi = roots.sysfs.join("class/dmi/id");
    let vendor_and_product = || {
        let product = text(&dmi.join("product_name"))?;
        Some(match text(&dmi.join("sys_vendor")) {
            Some(vendor) => format!("{vendor} {product}"),
            None => product,
        })
    };
    let processor = || {
        let cpuinfo = fs::read_to_string(roots.procfs.join("cpuinfo")).ok()?;
        let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    text(&roots.procfs.join("device-tree/model"))
        .or_else(vendor_and_product)
        .or_else(processor)
        .unwrap_or_else(|| "unknown machine".to_owned())
}

/// What tells this machine from others of its model, as its sensors err in a way of their own: a mark
/// of the serial number of board or chip, which itself nobody needs to know. None where neither
/// device tree nor `/proc/cpuinfo` says one. (A machine-id would not do: it is copied with an SD card.)
pub fn unit(roots: &Roots) -> Option<String> {
    let of_chip = || {
        let cpuinfo = fs::read_to_string(roots.procfs.join("cpuinfo")).ok()?;
        let line = cpuinfo.lines().find(|line| line.starts_with("Serial"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let serial = text(&roots.procfs.join("device-tree/serial-number")).or_else(of_chip)?;
    // Some firmware fills it with zeros.
    let says_something = serial.chars().any(|it| it.is_alphanumeric() && it != '0');
    says_something.then(|| format!("{:08x}", crc32fast::hash(serial.as_bytes())))
}

/// CPUs that are online; CPU 0 if the machine does not say.
pub fn online_cpus(roots: &Roots) -> Vec<u32> {
    text(&roots.sysfs.join("devices/system/cpu/online"))
        .and_then(|list| parse_cpu_list(&list))
        .filter(|cpus| !cpus.is_empty())
        .unwrap_or_else(|| vec![0])
}

/// The largest cache of a CPU, the one before the memory; none if the machine does not say.
pub fn last_level_cache(roots: &Roots, cpu: u32) -> Option<Capacity> {
    let caches = roots.sysfs.join(format!("devices/system/cpu/cpu{cpu}/cache"));
    let size = |index: usize| {
        let size = text(&caches.join(format!("index{index}/size")))?;
        let kibibytes: f64 = size.strip_suffix('K')?.parse().ok()?;
        Some(Capacity::new(kibibytes * 1024.0))
    };
    // The kernel numbers them from zero without gaps.
    (0..).map_while(size).max_by(|a, b| a.bytes().total_cmp(&b.bytes()))
}

/// Parses the kernel's list format, such as `0-3,6`.
pub fn parse_cpu_list(list: &str) -> Option<Vec<u32>> {
    const MOST: usize = 4096;
    let mut cpus = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || (last - first) as usize >= MOST {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Frequencies a CPU offers, lowest first; its voltages are not shown.
fn operating_points(roots: &Roots, cpu: u32) -> Vec<OperatingPoint> {
    let cpufreq = roots.sysfs.join(format!("devices/system/cpu/cpu{cpu}/cpufreq"));
    let listed = text(&cpufreq.join("scaling_available_frequencies")).unwrap_or_default();
    let mut kilohertz: Vec<f64> =
        listed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if kilohertz.is_empty() {
        let limit = |file: &str| text(&cpufreq.join(file))?.parse().ok();
        kilohertz =
            ["cpuinfo_min_freq", "cpuinfo_max_freq"].iter().filter_map(|it| limit(it)).collect();
    }
    kilohertz.sort_by(f64::total_cmp);
    kilohertz.dedup();
    let point =
        |value: f64| OperatingPoint { frequency: Frequency::new(value * 1e3), voltage: None };
    kilohertz.into_iter().map(point).collect()
}

/// A file's text without the blanks and NULs around it; none if there is nothing left.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::RegisterSource;

    fn machine() -> (tempfile::TempDir, Roots) {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots {
            sysfs: directory.path().join("sys"),
            procfs: directory.path().join("proc"),
            registers: RegisterSource::DevMem,
        };
        fs::create_dir_all(roots.procfs.join("device-tree")).unwrap();
        fs::create_dir_all(roots.sysfs.join("devices/system/cpu/cpu0/cpufreq")).unwrap();
        (directory, roots)
    }

    #[test]
    fn boards_are_known_by_their_device_tree() {
        for (compatible, name) in [
            ("hardkernel,odroid-xu3\0samsung,exynos5800\0samsung,exynos5\0", "exynos5422"),
            ("Hardkernel,odroid-xu3\0", "exynos5422"),
            ("hisilicon,hi3670-hikey970\0hisilicon,hi3670\0", "kirin970"),
        ] {
            let (_directory, roots) = machine();
            fs::write(roots.procfs.join("device-tree/compatible"), compatible).unwrap();
            assert_eq!(detect(&roots).unwrap().description.name, name);
        }
    }

    #[test]
    fn an_unknown_machine_is_described_by_what_it_says() {
        let (_directory, roots) = machine();
        fs::write(roots.procfs.join("device-tree/model"), "Some Board\0").unwrap();
        fs::write(roots.sysfs.join("devices/system/cpu/online"), "0-2,5\n").unwrap();
        let cpufreq = roots.sysfs.join("devices/system/cpu/cpu0/cpufreq");
        fs::write(cpufreq.join("scaling_available_frequencies"), "1400000 200000 \n").unwrap();
        let board = detect(&roots).unwrap().description;
        assert_eq!((board.name.as_str(), board.model.as_str()), ("host", "Some Board"));
        assert_eq!(board.components[0].cpus, [0, 1, 2, 5]);
        assert_eq!(board.components[0].operating_points[0].frequency.hertz(), 200e6);
    }

    #[test]
    fn units_of_a_model_are_told_apart_by_their_serial_numbers() {
        let (_directory, roots) = machine();
        assert_eq!(unit(&roots), None);
        let cpuinfo = |serial: &str| {
            fs::write(
                roots.procfs.join("cpuinfo"),
                format!("model name: x\nSerial\t\t: {serial}\n"),
            )
            .unwrap();
            unit(&roots)
        };
        assert_eq!(cpuinfo("0000000000000000"), None);
        let one = cpuinfo("00000000a1b2c3d4").unwrap();
        assert!(!one.contains("a1b2"), "{one}");
        assert_ne!(cpuinfo("00000000a1b2c3d5").unwrap(), one);
        fs::write(roots.procfs.join("device-tree/serial-number"), "X1\0").unwrap();
        assert_ne!(unit(&roots).unwrap(), one, "the board's own is asked first");
    }

    #[test]
    fn the_last_level_cache_is_the_largest() {
        let (_directory, roots) = machine();
        assert_eq!(last_level_cache(&roots, 0), None);
        for (index, size) in [(0, "32K"), (1, "32K"), (2, "512K"), (3, "32768K")] {
            let cache = roots.sysfs.join(format!("devices/system/cpu/cpu0/cache/index{index}"));
            fs::create_dir_all(&cache).unwrap();
            fs::write(cache.join("size"), format!("{size}\n")).unwrap();
        }
        assert_eq!(last_level_cache(&roots, 0), Some(Capacity::new(32.0 * 1048576.0)));
    }

    #[test]
    fn a_machine_that_says_nothing_has_one_cpu() {
        let (_directory, roots) = machine();
        assert_eq!(detect(&roots).unwrap().description.components[0].cpus, [0]);
        for wrong in ["", "x", "3-1", "0-99999999", "1,,2"] {
            assert!(parse_cpu_list(wrong).is_none(), "{wrong:?}");
        }
    }
}
