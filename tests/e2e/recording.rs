//! A bundle after a run: whole, consistent, and what was asked for.

use std::collections::HashMap;

use crate::place::Place;

const FILES: [&str; 9] = [
    "agent.csv",
    "counters.csv",
    "cpu.csv",
    "events.csv",
    "manifest.json",
    "power.csv",
    "spans.csv",
    "traffic.csv",
    "truth.csv",
];

#[test]
fn the_bundle_is_whole() {
    let place = Place::new();
    let run = "run --board emulated:exynos5422 --network squeezenet --on a15,gpu --images 3 \
               --clock virtual --seed 5 --out trace";
    let answer = place.wattline(run).succeeded();
    answer.prints(&["recorded: trace", "wattline analyze trace --out"]);
    let bundle = place.bundle("trace");
    assert_eq!(bundle.files(), FILES, "these and no leftovers");
    for table in FILES.iter().filter(|file| file.ends_with(".csv")) {
        bundle.table(table);
    }
    let manifest = bundle.manifest();
    assert_eq!(manifest["complete"], true);
    assert_eq!(manifest["interrupted"], false);
    assert!(manifest["failure"].is_null());
    assert_eq!(manifest["seed"], 5);
    assert_eq!(manifest["clock"]["kind"], "virtual");
    assert_eq!(manifest["board"]["name"], "exynos5422");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(manifest["kernel"], kernel.trim());
    let command = manifest["command"].as_array().unwrap();
    assert!(command[1..].iter().map(|it| it.as_str().unwrap()).eq(run.split_whitespace()));
    let names = |list: &str| -> Vec<String> {
        let records = manifest[list].as_array().unwrap();
        records.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("rails"), ["VDD_ARM", "VDD_MEM", "VDD_G3D", "VDD_KFC"]);
    assert_eq!(names("components"), ["a15", "gpu"]);
    assert_eq!(names("models"), ["squeezenet"]);
    let home = bundle.emulated_home().unwrap();
    assert!(!home.exists(), "{} is left behind", home.display());
}

#[test]
fn spans_nest() {
    let place = Place::new();
    let run = "run --board emulated:kirin970 --network squeezenet --on a73,npu --images 4 \
               --clock virtual --out trace";
    place.wattline(run).succeeded();
    let spans = place.bundle("trace").table("spans.csv");
    let by_id: HashMap<_, _> = spans.rows().map(|row| (row.text("id"), row)).collect();
    assert_eq!(by_id.len(), spans.rows().count(), "ids are unique");
    let of_kind = |kind| spans.with("kind", kind);
    let layers = of_kind("layer");
    assert_eq!((of_kind("run").len(), of_kind("image").len()), (2, 2 * 4));
    assert_eq!(layers.len() % 8, 0, "each image has all layers");
    assert!(layers.len() / 8 > 20);
    for row in spans.rows() {
        let outer_kind = match row.text("kind") {
            "layer" => "image",
            "image" => "run",
            _ => {
                assert!(row.text("parent").is_empty(), "{row:?}");
                continue;
            }
        };
        let outer = by_id[row.text("parent")];
        assert_eq!(outer.text("kind"), outer_kind);
        assert_eq!(outer.text("component"), row.text("component"));
        let [outer_times, times] =
            [outer, row].map(|it| [it.integer("start_ns"), it.integer("end_ns")]);
        assert!(times[0] < times[1], "{row:?}");
        assert!(outer_times[0] <= times[0] && times[1] <= outer_times[1], "{row:?} {outer:?}");
    }
    for outer in of_kind("run").into_iter().chain(of_kind("image")) {
        for column in ["flops", "bytes_theoretical"] {
            let inner = spans.with("parent", outer.text("id"));
            let sum: u64 = inner.iter().map(|row| row.integer(column)).sum();
            assert_eq!(sum, outer.integer(column), "{outer:?}");
        }
    }
    // Images of a component follow one another.
    for component in ["a73", "npu"] {
        let images = of_kind("image").into_iter().filter(|it| it.text("component") == component);
        let images: Vec<_> = images.collect();
        assert!(images.windows(2).all(|it| it[0].integer("end_ns") <= it[1].integer("start_ns")));
    }
}

/// The chip averages 1, 4, 16, ... conversions of 2.2 ms; what is nearest to the wish is set,
/// and what is set is what readings say and how far apart they come.
#[test]
fn windows_are_those_in_force() {
    let place = Place::new();
    for (wish_ms, window_ns) in [(2, 2_200_000), (10, 8_800_000), (35, 35_200_000)] {
        let run = format!(
            "run --board emulated:exynos5422 --network squeezenet --on gpu --images 4 \
             --clock virtual --rate 2000 --update-interval {wish_ms} --out trace --overwrite"
        );
        place.wattline(&run).succeeded();
        let bundle = place.bundle("trace");
        for rail in bundle.manifest()["rails"].as_array().unwrap() {
            assert_eq!(rail["window_ns"], window_ns, "{wish_ms} ms: {rail}");
            let power = bundle.table("power.csv");
            let rows = power.with("rail", rail["name"].as_str().unwrap());
            assert!(rows.iter().all(|row| row.integer("window_ns") == window_ns));
            let time = |row: Option<&crate::bundle::Row<'_>>| row.unwrap().number("t_ns");
            let mean_ns = (time(rows.last()) - time(rows.first())) / (rows.len() - 1) as f64;
            let ratio = mean_ns / window_ns as f64;
            assert!((ratio - 1.0).abs() < 0.03, "{wish_ms} ms: {rail}: {mean_ns} ns apart");
        }
    }
}

/// Power is volts times amps, time ascends, and cumulative counts never fall.
#[test]
fn rows_make_sense() {
    let place = Place::new();
    let run = "run --board emulated:exynos5422 --network squeezenet --on a15,a7 --images 2 \
               --clock virtual --out trace";
    place.wattline(run).succeeded();
    let bundle = place.bundle("trace");
    let mut last: HashMap<String, u64> = HashMap::new();
    let mut ascends = |series: String, now: u64, strictly: bool| {
        let before = last.insert(series.clone(), now);
        let fine = before.is_none_or(|before| if strictly { before < now } else { before <= now });
        assert!(fine, "{series}: {before:?} then {now}");
    };
    for row in bundle.table("power.csv").rows() {
        ascends(format!("time of {}", row.text("rail")), row.integer("t_ns"), true);
        let product = row.number("volts") * row.number("amps");
        assert!((row.number("watts") - product).abs() < 1e-9, "{row:?}");
    }
    for row in bundle.table("traffic.csv").rows() {
        let port = format!("{} {}", row.text("source"), row.text("port"));
        ascends(format!("time of {port}"), row.integer("t_ns"), true);
        for column in ["total_bytes", "read_bytes", "write_bytes"] {
            ascends(format!("{port} {column}"), row.integer(column), false);
        }
    }
    assert_eq!(last.keys().filter(|series| series.starts_with("time of")).count(), 4 + 2 + 4);
}
