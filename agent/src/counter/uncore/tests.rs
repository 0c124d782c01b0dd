//! PMUs as their drivers make them, of files: what is opened on which CPU, and what a count is.

use std::fs::{self, File};
use std::io;

use wattline_board::description::Description;
use wattline_board::{RegisterSource, Roots};
use wattline_trace::Provenance;

use super::{Source, UncoreCounter, adopted, described, find_all};
use crate::perf_event::{Code, directory};

struct Machine {
    _directory: tempfile::TempDir,
    roots: Roots,
}

/// A PMU's files besides `type`: their names in its directory, and their texts.
type Files<'a> = &'a [(&'a str, &'a str)];

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots {
            sysfs: directory.path().join("sys"),
            procfs: directory.path().join("proc"),
            registers: RegisterSource::DevMem,
        };
        Machine { _directory: directory, roots }
    }

    fn pmu(self, name: &str, kind: u32, files: Files<'_>) -> Self {
        let pmu = directory(&self.roots).join(name);
        fs::create_dir_all(pmu.join("events")).unwrap();
        fs::create_dir_all(pmu.join("format")).unwrap();
        fs::write(pmu.join("type"), format!("{kind}\n")).unwrap();
        for (file, text) in files {
            fs::write(pmu.join(file), format!("{text}\n")).unwrap();
        }
        self
    }

    /// What is opened as the DRAM counter of a machine that nobody described.
    fn dram(&self) -> Option<Opened> {
        let pmus = find_all(&self.roots);
        let (source, unusable) = adopted(&pmus.iter().collect::<Vec<_>>());
        let opened = source.map(|source| open(source, &self.roots, 8));
        assert!(opened.is_none() || unusable.is_empty(), "{unusable:?}");
        opened
    }

    /// Why there is no such counter.
    fn unusable(&self) -> Vec<String> {
        let pmus = find_all(&self.roots);
        let (source, unusable) = adopted(&pmus.iter().collect::<Vec<_>>());
        assert!(source.is_none(), "{source:?}");
        unusable
    }

    /// What is opened in place of a described counter, of a PMU with so many counters.
    fn in_place_of(&self, board: &str, counter: &str, counters: usize) -> Opened {
        let description = Description::load(board).unwrap();
        let counter = description.counters.iter().find(|it| it.name() == counter).unwrap();
        let pmus = find_all(&self.roots);
        open(described(counter, &pmus).unwrap().unwrap(), &self.roots, counters)
    }
}

struct Opened {
    counter: UncoreCounter,
    /// (CPU, code, whether it leads a group) of each event.
    events: Vec<(u32, Code, bool)>,
}

impl Opened {
    fn ports(&self) -> Vec<&str> {
        self.counter.ports.iter().map(|port| port.as_str()).collect()
    }

    /// `config` of each event.
    fn configs(&self) -> Vec<u64> {
        self.events.iter().map(|(_, code, _)| code.config).collect()
    }
}

/// Opens a source whose PMUs have so many counters each.
fn open(source: Source<'_>, roots: &Roots, counters: usize) -> Opened {
    let (mut events, mut in_group) = (Vec::new(), 0);
    let mut opener = |code: Code, cpu: u32, leader: Option<&File>| {
        in_group = if leader.is_some() { in_group + 1 } else { 1 };
        if in_group > counters {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        events.push((cpu, code, leader.is_none()));
        File::open("/dev/null")
    };
    let counter = source.open(roots, &mut opener).unwrap();
    Opened { counter, events }
}

const EVENT: (&str, &str) = ("format/event", "config:0-7");

#[test]
fn rockchip_ddr_is_read_by_its_totals_of_all_channels() {
    let megabyte = "9.536743164e-07";
    let machine = Machine::new().pmu(
        "rockchip_ddr",
        12,
        &[
            EVENT,
            ("cpumask", "0"),
            ("events/cycles", "event=0x00"),
            ("events/read-bytes", "event=0x09"),
            ("events/read-bytes.unit", "MB"),
            ("events/read-bytes.scale", megabyte),
            ("events/write-bytes", "event=0x0a"),
            ("events/write-bytes.unit", "MB"),
            ("events/write-bytes.scale", megabyte),
            ("events/bytes", "event=0x0b"),
            ("events/bytes.unit", "MB"),
            ("events/bytes.scale", megabyte),
            ("events/read-bytes0", "event=0x01"),
            ("events/read-bytes0.unit", "MB"),
            ("events/read-bytes0.scale", megabyte),
        ],
    );
    let opened = machine.dram().unwrap();
    let code = |config| Code { kind: 12, config, config1: 0 };
    assert_eq!(opened.events, [(0, code(9), true), (0, code(10), false)]);
    assert_eq!((opened.counter.name.as_str(), opened.ports()), ("rockchip_ddr", vec!["all"]));
    assert_eq!(opened.counter.bytes_per_count, 1);
    assert_eq!(opened.counter.provenance(), Provenance::Measured);
}

#[test]
fn meson_ddr_bw_has_one_number_of_reads_and_writes() {
    let sixteen = "1.52587890625e-05";
    let machine = Machine::new().pmu(
        "meson_ddr_bw",
        9,
        &[
            EVENT,
            ("format/gpu", "config1:7"),
            ("cpumask", "2"),
            ("identifier", "meson_ddr_bw"),
            ("events/total_rw_bytes", "event=0x00"),
            ("events/total_rw_bytes.unit", "MB"),
            ("events/total_rw_bytes.scale", sixteen),
            ("events/chan_1_rw_bytes", "event=0x01"),
            ("events/chan_1_rw_bytes.unit", "MB"),
            ("events/chan_1_rw_bytes.scale", sixteen),
        ],
    );
    let opened = machine.dram().unwrap();
    assert_eq!(opened.events, [(2, Code { kind: 9, config: 0, config1: 0 }, true)]);
    assert_eq!(opened.counter.bytes_per_count, 16);
    assert!(
        matches!(&opened.counter.sums[..], [super::PortSum::Together(terms)] if terms.len() == 1)
    );
}

fn imx8(identifier: Option<&str>) -> Machine {
    let mut files = vec![
        EVENT,
        ("format/axi_id", "config1:0-15"),
        ("format/axi_mask", "config1:16-31"),
        ("format/axi_port", "config2:0-2"),
        ("cpumask", "0"),
        ("events/cycles", "event=0x00"),
        ("events/read-cycles", "event=0x2a"),
        ("events/write-cycles", "event=0x2b"),
        ("events/read", "event=0x35"),
        ("events/write", "event=0x38"),
        ("events/axid-read", "event=0x41"),
        ("events/axid-write", "event=0x42"),
    ];
    files.extend(identifier.map(|identifier| ("identifier", identifier)));
    Machine::new().pmu("imx8_ddr0", 10, &files)
}

#[test]
fn imx8_ddr_counts_cycles_whose_bytes_depend_on_the_soc() {
    for (identifier, bytes) in [("i.MX8MM", 16), ("i.MX8MQ", 16), ("i.MX8MN", 8)] {
        let opened = imx8(Some(identifier)).dram().unwrap();
        assert_eq!(opened.configs(), [0x2a, 0x2b]);
        assert_eq!(opened.counter.bytes_per_count, bytes, "{identifier}");
        assert_eq!(opened.counter.provenance(), Provenance::Estimated);
    }
    let opened = imx8(Some("i.MX8MP")).dram().unwrap();
    let code = |config| Code { kind: 10, config, config1: 0xffff_0000 };
    assert_eq!(opened.events, [(0, code(0x41), true), (0, code(0x42), false)]);
    assert_eq!(opened.counter.bytes_per_count, 1);
    assert_eq!(opened.counter.provenance(), Provenance::Measured);
}

#[test]
fn imx8_ddr_of_a_soc_that_is_not_known_is_no_guess() {
    assert!(imx8(None).unusable()[0].contains("identifier"));
    assert!(imx8(Some("i.MX8DXL")).unusable()[0].contains("i.MX8DXL"));
}

#[test]
fn imx9_ddr_counts_beats_where_it_counts_those_written_too() {
    let imx9 = |events: Files<'_>| {
        let files = [EVENT, ("format/counter", "config:8-15"), ("format/axi_mask", "config2:0-17")];
        let files = [&files[..], &[("cpumask", "0")], events].concat();
        Machine::new().pmu("imx9_ddr0", 11, &files)
    };
    let opened = imx9(&[
        ("events/eddrtq_pm_rd_beat_filt0", "event=0x49,counter=3"),
        ("events/eddrtq_pm_wr_beat_filt", "event=0x49,counter=2"),
    ]);
    let opened = opened.dram().unwrap();
    assert_eq!((opened.configs(), opened.counter.bytes_per_count), (vec![0x349, 0x249], 32));
    // i.MX93 has one event of beats read, and none of beats written.
    let imx93 = imx9(&[("events/eddrtq_pm_rd_beat_filt", "event=0x49")]);
    assert!(imx93.unusable()[0].contains("i.MX91, 93"));
}

#[test]
fn a_clients_uncore_imc_has_reads_and_writes_among_requests_of_others() {
    let mut files = vec![EVENT, ("cpumask", "0")];
    let events = ["data_reads", "data_writes", "gt_requests", "ia_requests", "io_requests"];
    let terms = ["event=0x01", "event=0x02", "event=0x03", "event=0x04", "event=0x05"];
    let names: Vec<[String; 3]> = events
        .map(|name| ["", ".unit", ".scale"].map(|suffix| format!("events/{name}{suffix}")))
        .to_vec();
    for ([name, unit, scale], terms) in names.iter().zip(terms) {
        files.extend([(&name[..], terms), (&unit[..], "MiB"), (&scale[..], "6.103515625e-5")]);
    }
    let opened = Machine::new().pmu("uncore_imc", 20, &files).dram().unwrap();
    assert_eq!((opened.configs(), opened.counter.bytes_per_count), (vec![1, 2], 64));
    assert_eq!(opened.ports(), ["all"]);
}

const FREE_RUNNING: Files<'static> = &[
    EVENT,
    ("format/umask", "config:8-15"),
    ("cpumask", "0"),
    ("events/data_total", "event=0xff,umask=0x10"),
    ("events/data_total.unit", "MiB"),
    ("events/data_total.scale", "6.103515625e-5"),
    ("events/data_read", "event=0xff,umask=0x20"),
    ("events/data_read.unit", "MiB"),
    ("events/data_read.scale", "6.103515625e-5"),
    ("events/data_write", "event=0xff,umask=0x30"),
    ("events/data_write.unit", "MiB"),
    ("events/data_write.scale", "6.103515625e-5"),
];

const CAS_COUNTS: Files<'static> = &[
    EVENT,
    ("format/umask", "config:8-15"),
    ("cpumask", "0,28"),
    ("events/cas_count_read", "event=0x04,umask=0x03"),
    ("events/cas_count_read.unit", "MiB"),
    ("events/cas_count_read.scale", "6.103515625e-5"),
    ("events/cas_count_write", "event=0x04,umask=0x0c"),
    ("events/cas_count_write.unit", "MiB"),
    ("events/cas_count_write.scale", "6.103515625e-5"),
];

#[test]
fn a_servers_controllers_are_ports_of_one_counter_on_each_socket() {
    let machine = Machine::new();
    let machine = machine.pmu("uncore_imc_10", 31, CAS_COUNTS).pmu("uncore_imc_2", 30, CAS_COUNTS);
    let opened = machine.dram().unwrap();
    let ports =
        ["uncore_imc_2@cpu0", "uncore_imc_2@cpu28", "uncore_imc_10@cpu0", "uncore_imc_10@cpu28"];
    assert_eq!(opened.ports(), ports);
    let (read, write) = (0x304, 0xc04);
    let on = |kind, cpu| {
        let code = |config| Code { kind, config, config1: 0 };
        [(cpu, code(read), true), (cpu, code(write), false)]
    };
    assert_eq!(opened.events, [on(30, 0), on(30, 28), on(31, 0), on(31, 28)].concat());
    assert!(opened.counter.path.ends_with("uncore_imc_2 and 1 more"), "{}", opened.counter.path);
}

#[test]
fn free_running_counters_come_before_those_that_others_may_want() {
    let machine = Machine::new()
        .pmu("uncore_imc_0", 30, CAS_COUNTS)
        .pmu("uncore_imc_free_running_0", 40, FREE_RUNNING)
        .pmu("uncore_imc_free_running_1", 41, FREE_RUNNING);
    let opened = machine.dram().unwrap();
    assert_eq!(opened.counter.name, *"uncore_imc_free_running");
    assert_eq!(opened.ports(), ["uncore_imc_free_running_0", "uncore_imc_free_running_1"]);
    assert_eq!(opened.configs(), [0x20ff, 0x30ff, 0x20ff, 0x30ff]);
}

#[test]
fn subchannels_are_added_up() {
    let subchannel = |name: &str, terms: &str| {
        let event = (format!("events/{name}"), terms.to_owned());
        let unit = (format!("events/{name}.unit"), "MiB".to_owned());
        [event, unit, (format!("events/{name}.scale"), "6.103515625e-5".to_owned())]
    };
    let owned: Vec<(String, String)> = [
        subchannel("cas_count_read_sch0", "event=0x05,umask=0xcf"),
        subchannel("cas_count_read_sch1", "event=0x06,umask=0xcf"),
        subchannel("cas_count_write_sch0", "event=0x05,umask=0xf0"),
        subchannel("cas_count_write_sch1", "event=0x06,umask=0xf0"),
    ]
    .concat();
    let mut files = vec![EVENT, ("format/umask", "config:8-15"), ("cpumask", "0")];
    files.extend(owned.iter().map(|(file, text)| (&file[..], &text[..])));
    let opened = Machine::new().pmu("uncore_imc_0", 30, &files).dram().unwrap();
    assert_eq!(opened.configs(), [0xcf05, 0xcf06, 0xf005, 0xf006]);
    let [super::PortSum::Apart { reads, writes }] = &opened.counter.sums[..] else { panic!() };
    let positions = |terms: &[super::Term]| terms.iter().map(|it| it.position).collect::<Vec<_>>();
    assert_eq!((positions(reads), positions(writes)), (vec![0, 1], vec![2, 3]));
}

#[test]
fn amd_umc_counts_cas_commands_that_no_file_names() {
    let umc: Files<'_> =
        &[EVENT, ("format/rdwrmask", "config:8-9"), ("cpumask", "0"), ("events/none", "")];
    let opened = Machine::new().pmu("amd_umc_0", 50, umc).pmu("amd_umc_1", 51, umc).dram().unwrap();
    assert_eq!(opened.configs(), [0x10a, 0x20a, 0x10a, 0x20a]);
    assert_eq!(
        (opened.ports(), opened.counter.bytes_per_count),
        (vec!["amd_umc_0", "amd_umc_1"], 64)
    );
    let old = Machine::new().pmu("amd_umc_0", 50, &[EVENT, ("cpumask", "0")]);
    assert!(old.unusable()[0].contains("rdwrmask"));
}

const CCI400: Files<'static> = &[
    ("format/event", "config:0-4"),
    ("format/source", "config:5-7"),
    ("cpumask", "0"),
    ("events/si_rrq_hs_any", "source=?,event=0x0"),
    ("events/si_wrq_hs_any", "source=?,event=0xc"),
    ("events/cycles", "config=0xff"),
];

const CCI5XX: Files<'static> = &[
    ("format/event", "config:0-4"),
    ("format/source", "config:5-8"),
    ("cpumask", "0"),
    ("events/mi_r_data_beat_any", "source=?,event=0x0"),
    ("events/mi_w_data_beat_any", "source=?,event=0x1"),
    ("events/cci_wrq", "event=0xb,source=0xf"),
];

#[test]
fn mainlines_cci400_counts_what_is_described_of_it_under_that_name() {
    for name in ["CCI_400", "CCI_400_r1"] {
        let machine = Machine::new().pmu(name, 8, CCI400);
        let opened = machine.in_place_of("exynos5422", "cci400", 4);
        assert_eq!((opened.counter.name.as_str(), opened.ports()), ("cci400", vec!["s3", "s4"]));
        // The codes that go into the registers where there is no PMU.
        assert_eq!(opened.configs(), [0x60, 0x6c, 0x80, 0x8c]);
        assert_eq!(opened.counter.bytes_per_count, 64);
        assert_eq!(opened.counter.provenance(), Provenance::Estimated);
        assert!(machine.unusable().is_empty(), "its requests are not the DRAM's traffic");
    }
}

#[test]
fn mainlines_cci550_counts_beats_of_the_described_ports() {
    let machine = Machine::new().pmu("CCI_550", 8, CCI5XX);
    let opened = machine.in_place_of("kirin970", "cci550", 8);
    assert_eq!(opened.ports(), ["m0", "m1", "m2", "m3"]);
    assert_eq!(opened.configs(), [0x100, 0x101, 0x120, 0x121, 0x140, 0x141, 0x160, 0x161]);
    assert_eq!(opened.events.iter().filter(|(.., leads)| *leads).count(), 1, "one group");
    assert_eq!(opened.counter.provenance(), Provenance::Measured);
}

/// The driver crashes the kernel on an event that is none: 0xff is what CCI-400s count cycles by.
#[test]
fn an_undescribed_cci5xx_is_asked_for_no_event_that_it_has_not() {
    for (name, masters) in [("CCI_550", 7), ("CCI_500", 6)] {
        let opened = Machine::new().pmu(name, 8, CCI5XX).dram().unwrap();
        let expected: Vec<u64> = (8..8 + masters).flat_map(|m| [m << 5, m << 5 | 1]).collect();
        assert_eq!(opened.configs(), expected);
        assert_eq!(opened.ports()[0], "m0");
        assert_eq!(opened.counter.provenance(), Provenance::Scaled, "its counters take turns");
        assert_eq!(opened.counter.groups().len(), 2);
    }
}

fn own(name: &str, source: &str, ports: &[&str], what: &str, scale: &str) -> Machine {
    let mut files = vec![("format/event".to_owned(), "config:0-7".to_owned())];
    files.push(("format/source".to_owned(), source.to_owned()));
    files.push(("format/sources".to_owned(), "config:16-31".to_owned()));
    files.push(("cpumask".to_owned(), "0".to_owned()));
    for (total, event) in [("read-bytes", 5), ("write-bytes", 6)] {
        files.push((format!("events/{total}"), format!("event={event},sources=0xf")));
        files.push((format!("events/{total}.unit"), "Bytes".to_owned()));
        files.push((format!("events/{total}.scale"), scale.to_owned()));
    }
    for (index, port) in ports.iter().enumerate() {
        for (direction, event) in [("read", 5), ("write", 6)] {
            let file = format!("events/{port}-{direction}-{what}");
            files.push((file, format!("event={event},source={index}")));
        }
    }
    let files: Vec<_> = files.iter().map(|(file, text)| (&file[..], &text[..])).collect();
    Machine::new().pmu(name, 15, &files)
}

#[test]
fn our_modules_pmus_count_the_described_ports() {
    let ports = ["dmc0_0", "dmc0_1", "dmc1_0", "dmc1_1"];
    let machine = own("wattline_ppmu", "config:8-11", &ports, "beats", "16");
    let opened = machine.in_place_of("exynos5422", "ppmu", 8);
    assert_eq!(opened.ports(), ports);
    assert_eq!(opened.configs(), [0x5, 0x6, 0x105, 0x106, 0x205, 0x206, 0x305, 0x306]);
    assert_eq!(opened.counter.bytes_per_count, 16);
    let machine = own("wattline_cci400", "config:8-11", &["s3", "s4"], "requests", "64");
    let opened = machine.in_place_of("exynos5422", "cci400", 4);
    assert_eq!((opened.ports(), opened.counter.bytes_per_count), (vec!["s3", "s4"], 64));
    assert_eq!(opened.counter.provenance(), Provenance::Estimated);
    for name in ["wattline_cci500", "wattline_cci550"] {
        let machine = own(name, "config:8-11", &["m0", "m1", "m2", "m3"], "beats", "16");
        assert_eq!(machine.in_place_of("kirin970", "cci550", 8).ports(), ["m0", "m1", "m2", "m3"]);
    }
}

#[test]
fn our_modules_totals_do_where_ports_are_not_those_described_or_nothing_is() {
    let machine = own("wattline_ppmu", "config:8-11", &["left", "right"], "beats", "16");
    let opened = machine.in_place_of("exynos5422", "ppmu", 8);
    assert_eq!((opened.ports(), opened.configs()), (vec!["all"], vec![0xf_0005, 0xf_0006]));
    let opened = machine.dram().unwrap();
    assert_eq!((opened.counter.name.as_str(), opened.ports()), ("wattline_ppmu", vec!["all"]));
}

#[test]
fn our_module_comes_before_the_registers_it_owns_and_before_mainlines_driver() {
    let description = Description::load("exynos5422").unwrap();
    let machine = own("wattline_cci400", "config:8-11", &["s3", "s4"], "requests", "64");
    let machine = machine.pmu("CCI_400_r1", 8, CCI400);
    assert_eq!(machine.in_place_of("exynos5422", "cci400", 4).counter.pmus, ["wattline_cci400"]);
    let pmus = find_all(&machine.roots);
    assert!(described(&description.counters[1], &pmus).is_none(), "nothing counts as a PPMU");
}

#[test]
fn a_controller_that_nobody_knows_is_taken_at_its_units_word() {
    let bytes: Files<'_> = &[
        EVENT,
        ("cpumask", "1"),
        ("events/read-bytes", "event=1"),
        ("events/read-bytes.unit", "Bytes"),
        ("events/write-bytes", "event=2"),
        ("events/write-bytes.unit", "Bytes"),
    ];
    let opened = Machine::new().pmu("acme_ddr", 60, bytes).dram().unwrap();
    assert_eq!((opened.counter.name.as_str(), opened.configs()), ("acme_ddr", vec![1, 2]));
    // Bytes of something else are not the memory's, and a CPU's PMU has no cpumask.
    assert!(Machine::new().pmu("acme_pcie", 60, bytes).dram().is_none());
    let cpus: Files<'_> = &[EVENT, ("cpus", "0-3"), bytes[2], bytes[3], bytes[4], bytes[5]];
    assert!(Machine::new().pmu("acme_ddr", 60, cpus).dram().is_none());
}

#[test]
fn a_counter_lacks_no_port_that_is_refused() {
    let machine = Machine::new().pmu("CCI_550", 8, CCI5XX);
    let pmus = find_all(&machine.roots);
    let (source, _) = adopted(&pmus.iter().collect::<Vec<_>>());
    let mut opener = |code: Code, _: u32, _: Option<&File>| match code.config {
        0x120 => Err(io::Error::from_raw_os_error(libc::ENOENT)),
        _ => File::open("/dev/null"),
    };
    let missing = source.unwrap().open(&machine.roots, &mut opener).unwrap_err();
    assert!(missing.why.contains("CCI_550"), "{missing}");
    assert!(missing.advice.contains("perf list"), "{missing}");
}
