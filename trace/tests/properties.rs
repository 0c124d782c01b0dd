//! Properties of the bundle: write then read is the identity for every row type, and damage of
//! any kind is an answer, never a panic.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use wattline_trace::rows::*;
use wattline_trace::*;

fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA_VERSION,
        wattline: "0.1.0".into(),
        board: BoardRecord {
            name: "test".into(),
            model: "A test, \"quoted\"".into(),
            emulated: true,
            unit: None,
        },
        kernel: "6.12".into(),
        command: vec!["wattline".into(), "run".into()],
        clock: ClockRecord { kind: ClockKind::Virtual, utc_offset_ns: -5 },
        seed: 1,
        rails: vec![],
        counters: vec![],
        hardware_counters: Vec::new(),
        dram_source: None,
        components: vec![],
        models: vec![],
        coexecution: None,
        dither: None,
        inputs: None,
        complete: false,
        interrupted: false,
        failure: None,
    }
}

fn bundle(directory: &Path) -> BundleWriter {
    BundleWriter::create(directory, &manifest(), true).unwrap()
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![".{0,12}", "[a-z0-9_/,\"]{1,10}", Just("VDD_ARM".to_owned())]
        .prop_map(|text| Name::new(&text))
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |value| value.is_finite())
}

fn span_kind() -> impl Strategy<Value = SpanKind> {
    prop::sample::select(SpanKind::ALL)
}

prop_compose! {
    fn power()(t_ns: u64, rail in name(), volts in finite(), amps in finite(), watts in finite(), window_ns: u64) -> PowerRow {
        PowerRow { t_ns, rail, volts, amps, watts, window_ns }
    }
}
prop_compose! {
    fn traffic()(
        t_ns: u64,
        source in name(),
        port in name(),
        total_bytes: u64,
        read_bytes: Option<u64>,
        write_bytes: Option<u64>,
        scaled: bool,
    ) -> TrafficRow {
        TrafficRow { t_ns, source, port, total_bytes, read_bytes, write_bytes, scaled }
    }
}
prop_compose! {
    fn cpu()(t_ns: u64, cpu: u32, target_busy_ns: Option<u64>, busy_ns: u64, freq_khz: Option<u32>) -> CpuRow {
        CpuRow { t_ns, cpu, target_busy_ns, busy_ns, freq_khz }
    }
}
prop_compose! {
    fn span()(id: u64, parent: Option<u64>, kind in span_kind(), name in name(), component in name(), image: Option<u64>,
              start_ns: u64, end_ns: u64, flops: Option<u64>, bytes_theoretical: Option<u64>) -> SpanRow {
        SpanRow { id, parent, kind, name, component, image, start_ns, end_ns, flops, bytes_theoretical }
    }
}
prop_compose! {
    fn counter()(t_ns: Option<u64>, span: Option<u64>, component in name(), event in name(), value: u64, scaled: bool) -> CounterRow {
        CounterRow { t_ns, span, component, event, value, scaled }
    }
}
prop_compose! {
    fn event()(t_ns: u64, kind in prop::sample::select(EventKind::ALL), source in name(), detail in name(), count: u64) -> EventRow {
        EventRow { t_ns, kind, source, detail, count }
    }
}
prop_compose! {
    fn agent()(t_ns: u64, cpu_ns: u64, resident_bytes: u64, ticks: u64, samples: u64, repeats: u64, drops: u64,
               overruns: u64, lateness_p50_ns: u64, lateness_p99_ns: u64, bpf_ns: Option<u64>, bpf_runs: Option<u64>,
               bpf_drops: Option<u64>) -> AgentRow {
        AgentRow { t_ns, cpu_ns, resident_bytes, ticks, samples, repeats, drops, overruns, lateness_p50_ns, lateness_p99_ns,
                   bpf_ns, bpf_runs, bpf_drops }
    }
}
prop_compose! {
    fn truth()(scope in span_kind(), component in name(), image: Option<u64>, subject in name(), start_ns: u64, end_ns: u64,
               quantity in prop::sample::select(TruthQuantity::ALL), name in name(), value in finite()) -> TruthRow {
        TruthRow { scope, component, image, name, start_ns, end_ns, quantity, subject, value }
    }
}

prop_compose! {
    fn frame()(image: u64, arrival_ns: u64, start_ns: u64, end_ns: u64, delivered_ns: u64, component in name(), queued: u64,
               reordering: u64) -> FrameRow {
        FrameRow { image, arrival_ns, start_ns, end_ns, delivered_ns, component, queued, reordering }
    }
}

fn read<R: Row>(directory: &Path) -> Vec<R> {
    BundleReader::open(directory).unwrap().table().unwrap().collect::<Result<_, _>>().unwrap()
}

/// Writes rows, reads them, and expects the same.
fn round_trip<R: Row>(rows: &[R]) {
    let directory = tempfile::tempdir().unwrap();
    let writer = bundle(directory.path());
    let table = writer.table().unwrap();
    for row in rows {
        table.write(row).unwrap();
    }
    writer.finish(manifest(), Outcome::Completed).unwrap();
    assert_eq!(read::<R>(directory.path()), rows);
    assert!(BundleReader::open(directory.path()).unwrap().manifest().complete);
}

macro_rules! identity {
    ($($test:ident: $strategy:ident),*) => { proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        $(#[test] fn $test(rows in prop::collection::vec($strategy(), 0..40)) { round_trip(&rows); })*
    } };
}
identity!(
    power_rows: power, frame_rows: frame, traffic_rows: traffic, cpu_rows: cpu, span_rows: span,
    counter_rows: counter, event_rows: event, agent_rows: agent, truth_rows: truth
);

/// Reads a table that may be damaged to its end: any answer but a panic.
fn read_damaged<R: Row>(path: &Path) -> (usize, Option<TornLine>, Option<ReadError>) {
    let mut reader = match TableReader::<R>::open(path) {
        Ok(reader) => reader,
        Err(error) => return (0, None, Some(error)),
    };
    let mut rows = 0;
    for row in reader.by_ref() {
        match row {
            Ok(_) => rows += 1,
            Err(error) => return (rows, reader.torn().cloned(), Some(error)),
        }
    }
    (rows, reader.torn().cloned(), None)
}

fn written<R: Row>(rows: &[R]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let writer = bundle(directory.path());
    let table = writer.table().unwrap();
    rows.iter().for_each(|row| table.write(row).unwrap());
    drop(writer);
    fs::read(directory.path().join(R::FILE)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A cut anywhere loses the torn line and nothing before it.
    #[test]
    fn truncation_keeps_every_whole_line(rows in prop::collection::vec(span(), 1..20), cut in 0.0..1.0f64) {
        let bytes = written(&rows);
        let kept = &bytes[..(bytes.len() as f64 * cut) as usize];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spans.csv");
        fs::write(&path, kept).unwrap();
        let (read, torn, error) = read_damaged::<SpanRow>(&path);
        let lines = kept.iter().filter(|&&byte| byte == b'\n').count();
        if lines == 0 {
            let no_header = matches!(error, Some(ReadError::Header { .. }));
            prop_assert!(no_header);
        } else {
            prop_assert!(error.is_none(), "{error:?}");
            prop_assert_eq!(read, lines - 1);
            prop_assert_eq!(torn.is_some(), kept.last() != Some(&b'\n'));
        }
    }

    /// Random bytes in random places: an answer, never a panic.
    #[test]
    fn byte_damage_never_panics(rows in prop::collection::vec(power(), 1..20),
                                damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = written(&rows);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("power.csv");
        fs::write(&path, &bytes).unwrap();
        read_damaged::<PowerRow>(&path);
        read_damaged::<SpanRow>(&path);
    }

    /// The manifest too.
    #[test]
    fn manifest_damage_never_panics(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let directory = tempfile::tempdir().unwrap();
        drop(bundle(directory.path()));
        let path = directory.path().join("manifest.json");
        let mut bytes = fs::read(&path).unwrap();
        // Without the end of its last line alone it is whole.
        let whole = bytes.trim_ascii_end().len();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fs::write(&path, &bytes).unwrap();
        let _ = BundleReader::open(directory.path());
        fs::write(&path, &bytes[..cut.index(whole)]).unwrap();
        prop_assert!(BundleReader::open(directory.path()).is_err());
    }
}

/// A co-execution's part of the manifest is there as it was written, and not there where there
/// was none.
#[test]
fn a_coexecution_is_in_the_manifest_if_there_was_one() {
    let sources = [
        SourceRecord::Finite { images: 9 },
        SourceRecord::Endless,
        SourceRecord::Camera { fps: 29.97, images: None, late: LateRecord::Dropped },
        SourceRecord::Camera { fps: 5.0, images: Some(3), late: LateRecord::Queued },
    ];
    for source in sources {
        let record = CoexecutionRecord {
            policy: "steal".into(),
            window: 64,
            source,
            dropped: 3,
            faults: vec![FaultRecord {
                t_ns: 7,
                component: "gpu".into(),
                image: 4,
                what: "stalled for 1.000 s".into(),
            }],
            profiles: vec![ProfileRecord {
                component: "gpu".into(),
                seconds_per_image: 0.125,
                joules_per_image: None,
                from: "solo phase of this run, 5 images".into(),
            }],
        };
        let directory = tempfile::tempdir().unwrap();
        let whole = Manifest { coexecution: Some(record.clone()), ..manifest() };
        bundle(directory.path()).finish(whole, Outcome::Completed).unwrap();
        let reader = BundleReader::open(directory.path()).unwrap();
        assert_eq!(reader.manifest().coexecution, Some(record));
    }
    let directory = tempfile::tempdir().unwrap();
    drop(bundle(directory.path()));
    let text = fs::read_to_string(directory.path().join("manifest.json")).unwrap();
    assert!(!text.contains("coexecution"), "{text}");
    assert_eq!(BundleReader::open(directory.path()).unwrap().manifest().coexecution, None);
}

#[test]
fn a_wrong_field_names_file_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("power.csv");
    fs::write(
        &path,
        "t_ns,rail,volts,amps,watts,window_ns\n1,VDD_ARM,1.0,2.0,2.0,5\n2,VDD_ARM,1.0,x,2.0,5\n",
    )
    .unwrap();
    let (rows, _, error) = read_damaged::<PowerRow>(&path);
    assert_eq!(rows, 1);
    let message = error.unwrap().to_string();
    assert!(
        message.contains("power.csv:3: column 4 (amps) holds \"x\", expected a finite number"),
        "{message}"
    );
}

#[test]
fn not_a_number_is_refused_and_the_rest_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let writer = bundle(directory.path());
    let table = writer.table::<PowerRow>().unwrap();
    let good =
        PowerRow { t_ns: 1, rail: "R".into(), volts: 1.0, amps: 1.0, watts: 1.0, window_ns: 1 };
    table.write(&good).unwrap();
    let error = table.write(&PowerRow { amps: f64::NAN, ..good.clone() }).unwrap_err();
    assert!(error.to_string().contains("amps"), "{error}");
    table.write(&good).unwrap();
    drop(writer);
    assert_eq!(read::<PowerRow>(directory.path()), [good.clone(), good]);
}

#[test]
fn rows_reach_the_disk_within_two_seconds_without_a_flush() {
    let directory = tempfile::tempdir().unwrap();
    let writer = bundle(directory.path());
    let row = EventRow {
        t_ns: 1,
        kind: EventKind::Note,
        source: "a".into(),
        detail: "b".into(),
        count: 1,
    };
    writer.table().unwrap().write(&row).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while read::<EventRow>(directory.path()).is_empty() {
        assert!(std::time::Instant::now() < deadline, "the row never reached the disk");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!BundleReader::open(directory.path()).unwrap().manifest().complete);
}

#[test]
fn an_occupied_directory_is_refused_unless_told() {
    let directory = tempfile::tempdir().unwrap();
    drop(bundle(directory.path()));
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    let refused = BundleWriter::create(directory.path(), &manifest(), false).unwrap_err();
    assert!(refused.to_string().contains("--overwrite"), "{refused}");
    drop(bundle(directory.path()));
    assert!(
        directory.path().join("notes.txt").exists(),
        "only the bundle's own files are replaced"
    );
}

#[test]
fn another_schema_is_refused_by_version() {
    let directory = tempfile::tempdir().unwrap();
    drop(bundle(directory.path()));
    let path = directory.path().join("manifest.json");
    let ours = format!("\"schema\": {SCHEMA_VERSION}");
    let text = fs::read_to_string(&path).unwrap();
    for other in [SCHEMA_VERSION - 1, 99] {
        fs::write(&path, text.replace(&ours, &format!("\"schema\": {other}"))).unwrap();
        let error = BundleReader::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("schema version {other},")), "{error}");
    }
}

/// `/dev/full` answers "no space left": the write fails, and the failure names the table.
#[test]
fn a_full_disk_is_an_error_that_names_the_table() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", directory.path().join("power.csv")).unwrap();
    let error = BundleWriter::create(directory.path(), &manifest(), false).unwrap_err().to_string();
    assert!(error.contains("power.csv") && error.contains("No space left"), "{error}");
}
