//! PMUs as boards have them, made of files.

use std::fs;
use std::path::PathBuf;

use wattline_board::description::{ComponentKind, Description};
use wattline_board::detect::unknown_component;
use wattline_board::{RegisterSource, Roots};

use super::discovery::{common_events, discover, shares};
use super::event::Event;
use super::pmu;
use crate::perf_event::{self, Code};

/// A PMU, CPUs and coded events.
type Mapped = (String, Vec<u32>, Vec<(Event, Code)>);

struct Machine {
    _directory: tempfile::TempDir,
    roots: Roots,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots {
            sysfs: directory.path().join("sys"),
            procfs: directory.path().join("proc"),
            registers: RegisterSource::DevMem,
        };
        let machine = Machine { _directory: directory, roots };
        machine.file("software/type", "1");
        machine
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = perf_event::directory(&self.roots).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{text}\n")).unwrap();
        path
    }

    fn pmu(
        self,
        name: &str,
        kind: u32,
        cpus: Option<(&str, &str)>,
        events: &[(&str, &str)],
    ) -> Self {
        self.file(&format!("{name}/type"), &kind.to_string());
        if let Some((file, list)) = cpus {
            self.file(&format!("{name}/{file}"), list);
        }
        for (event, terms) in events {
            self.file(&format!("{name}/events/{event}"), terms);
        }
        self
    }

    /// PMU, CPUs and coded events of each CPU component.
    fn mapped(&self, description: &Description) -> Vec<Mapped> {
        let described: Vec<String> =
            description.components.iter().flat_map(|it| it.pmus.clone()).collect();
        let pmus = pmu::find_all(&self.roots, &described);
        let mut mapped = Vec::new();
        for component in description.components.iter().filter(|it| !it.cpus.is_empty()) {
            let shares = shares(component, &pmus);
            let events = common_events(&shares);
            for (number, (pmu, cpus)) in shares.iter().enumerate() {
                let codes = events.iter().map(|(event, _, codes)| (*event, codes[number]));
                mapped.push((pmu.name.clone(), cpus.clone(), codes.collect()));
            }
        }
        mapped
    }
}

const ARM_EVENTS: [Event; 5] =
    [Event::L2Refill, Event::L2WriteBack, Event::Cycles, Event::Instructions, Event::BusAccess];

fn arm(kind: u32, cycles: u64) -> Vec<(Event, Code)> {
    let codes = [0x17, 0x18, cycles, 0x08, 0x19];
    let coded = |(event, config)| (event, Code { kind, config, config1: 0 });
    ARM_EVENTS.into_iter().zip(codes).map(coded).collect()
}

const NAMED: [(&str, &str); 5] = [
    ("cpu_cycles", "event=0xff"),
    ("inst_retired", "event=0x08"),
    ("l2d_cache_refill", "event=0x17"),
    ("l2d_cache_wb", "event=0x18"),
    ("bus_access", "event=0x19"),
];

#[test]
fn an_odroid_has_a_pmu_a_cluster() {
    let machine = Machine::new().pmu("armv7_cortex_a15", 7, Some(("cpus", "4-7")), &NAMED).pmu(
        "armv7_cortex_a7",
        8,
        Some(("cpus", "0-3")),
        &NAMED,
    );
    machine.file("armv7_cortex_a7/format/event", "config:0-7");
    let mapped = machine.mapped(&Description::load("exynos5422").unwrap());
    assert_eq!(
        mapped,
        [
            ("armv7_cortex_a15".into(), vec![4, 5, 6, 7], arm(7, 0xff)),
            ("armv7_cortex_a7".into(), vec![0, 1, 2, 3], arm(8, 0xff)),
        ]
    );
}

/// The board's kernel calls the big cluster's `armv8_pmuv3`, and one without `events` and `cpus`
/// leaves both to the codes of the architecture and to the description.
#[test]
fn a_hikey_is_counted_by_the_codes_of_the_architecture() {
    let machine = Machine::new()
        .pmu("armv8_pmuv3", 7, None, &[])
        .pmu("armv8_cortex_a53", 8, Some(("cpus", "0-3")), &[])
        .pmu("arm_dsu_0", 9, Some(("cpumask", "0")), &[])
        .pmu("CCI_550", 10, Some(("cpumask", "0")), &[]);
    assert_eq!(
        machine.mapped(&Description::load("kirin970").unwrap()),
        [
            ("armv8_pmuv3".into(), vec![4, 5, 6, 7], arm(7, 0x11)),
            ("armv8_cortex_a53".into(), vec![0, 1, 2, 3], arm(8, 0x11)),
        ]
    );
}

#[test]
fn an_event_that_the_kernel_does_not_list_is_not_counted() {
    let machine = Machine::new().pmu("armv8_cortex_a53", 8, Some(("cpus", "0-3")), &NAMED[..3]);
    let mapped = machine.mapped(&Description::load("kirin970").unwrap());
    let events: Vec<_> = mapped[0].2.iter().map(|(event, _)| *event).collect();
    assert_eq!(events, [Event::L2Refill, Event::Cycles, Event::Instructions]);
}

fn host(cpus: impl IntoIterator<Item = u32>) -> Description {
    let mut description = Description::load("exynos5422").unwrap();
    let mut component = unknown_component("cpu", ComponentKind::Cpu);
    component.cpus = cpus.into_iter().collect();
    description.components = vec![component];
    description
}

#[test]
fn a_hybrid_x86_sums_both_kinds_of_core() {
    let machine = Machine::new().pmu("cpu_core", 4, Some(("cpus", "0-3")), &[]).pmu(
        "cpu_atom",
        10,
        Some(("cpus", "4-5")),
        &[],
    );
    let mapped = machine.mapped(&host(0..6));
    assert_eq!((&mapped[0].0[..], &mapped[0].1[..]), ("cpu_atom", &[4, 5][..]));
    assert_eq!((&mapped[1].0[..], &mapped[1].1[..]), ("cpu_core", &[0, 1, 2, 3][..]));
    let code = |config| Code { kind: 0, config, config1: 0 };
    let generic = |pmu: u64| {
        vec![
            (Event::Cycles, code(pmu << 32)),
            (Event::Instructions, code(pmu << 32 | 1)),
            (Event::CacheMisses, code(pmu << 32 | 3)),
        ]
    };
    assert_eq!((&mapped[0].2, &mapped[1].2), (&generic(10), &generic(4)));
}

#[test]
fn fields_go_where_their_format_says() {
    let events = [
        ("cpu-cycles", "event=0x3c"),
        ("instructions", "event=0xc0"),
        ("cache-misses", "event=0x12e,umask=0x41,edge"),
    ];
    let machine = Machine::new().pmu("cpu", 4, None, &events);
    machine.file("cpu/format/event", "config:0-7,32-35");
    machine.file("cpu/format/umask", "config:8-15");
    machine.file("cpu/format/edge", "config1:18");
    fs::create_dir_all(machine.roots.sysfs.join("devices/system/cpu")).unwrap();
    fs::write(machine.roots.sysfs.join("devices/system/cpu/online"), "0-1\n").unwrap();
    let mapped = machine.mapped(&host(0..2));
    assert_eq!(mapped[0].1, [0, 1], "the one PMU of a machine counts on all its CPUs");
    let misses = Code { kind: 4, config: 1 << 32 | 0x412e, config1: 1 << 18 };
    assert_eq!(mapped[0].2[2], (Event::CacheMisses, misses));
}

#[test]
fn what_does_not_fit_its_field_is_not_counted() {
    let machine =
        Machine::new().pmu("cpu", 4, Some(("cpus", "0")), &[("cpu-cycles", "event=0x1ff")]);
    let format = machine.file("cpu/format/event", "config:0-7");
    assert!(machine.mapped(&host(0..1))[0].2.is_empty());
    for format_text in ["config:7-0", "config:0-64", "config9:0-7", "config", ""] {
        fs::write(&format, format_text).unwrap();
        let events = machine.mapped(&host(0..1))[0].2.clone();
        assert!(format_text.is_empty() || events.is_empty(), "{format_text:?} {events:?}");
    }
}

#[test]
fn a_machine_without_a_pmu_is_told_so_once() {
    let machine = Machine::new();
    let (found, missing) = discover(&Description::load("exynos5422").unwrap(), &machine.roots);
    assert!(found.is_empty());
    let text: Vec<_> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 1, "{text:?}");
    assert!(text[0].contains("no PMU of a CPU") && text[0].contains("virtual machine"), "{text:?}");
}

#[test]
fn a_cluster_that_no_pmu_counts_is_named() {
    let machine = Machine::new().pmu("armv7_cortex_a7", 99_999, Some(("cpus", "0-3")), &[]);
    let (found, missing) = discover(&Description::load("exynos5422").unwrap(), &machine.roots);
    assert!(found.is_empty());
    let of = |component: &str| missing.iter().find(|it| it.what.ends_with(component)).unwrap();
    assert!(of("counters of a15").why.contains("armv7_cortex_a7"), "{missing:?}");
}

#[test]
fn an_emulated_board_is_not_missed_its_pmus() {
    let mut machine = Machine::new();
    machine.roots.registers = RegisterSource::Directory(machine.roots.sysfs.join("registers"));
    machine.roots.sysfs = machine.roots.sysfs.join("emulated");
    let (found, missing) = discover(&Description::load("exynos5422").unwrap(), &machine.roots);
    assert!(found.is_empty() && missing.is_empty(), "{missing:?}");
}
