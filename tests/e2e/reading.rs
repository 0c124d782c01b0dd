//! What others read of our results: Parquet in DuckDB and pandas, traces by Perfetto's schema.

use serde_json::Value;

use crate::bundle::Table;
use crate::place::Place;
use crate::python::{python, run};

/// Compares each CSV file with the Parquet file beside it, cell by cell, and prints the number of
/// cells.
const COMPARE: &str = r#"
import glob, pandas
cells = 0
for file in sorted(glob.glob("tables/*/*.parquet")):
    typed = pandas.read_parquet(file)
    plain = pandas.read_csv(file.replace(".parquet", ".csv"), dtype=str, keep_default_na=False)
    assert list(typed.columns) == list(plain.columns), file
    assert len(typed) == len(plain), file
    for column in typed:
        for value, text in zip(typed[column], plain[column]):
            cells += 1
            if pandas.isna(value):
                assert text == "", (file, column, text)
            elif isinstance(value, str):
                assert value == text, (file, column, value, text)
            else:
                assert float(value) == float(text), (file, column, value, text)
print(cells)
"#;

/// The fenced block of this language in docs/tables.md.
fn documented(language: &str) -> &'static str {
    let page = include_str!("../../docs/tables.md");
    let after = page.split_once(&format!("```{language}\n")).unwrap().1;
    after.split_once("```").unwrap().0
}

#[test]
fn parquet_holds_what_csv_holds_and_the_documented_queries_run() {
    let place = Place::new();
    for (board, components) in [("exynos5422", "a15,gpu"), ("kirin970", "a73,npu")] {
        let run = format!(
            "run --board emulated:{board} --network squeezenet --on {components} --images 6 \
             --clock virtual --out {board}"
        );
        place.wattline(&run).succeeded();
        let analyze = format!("analyze {board} --out tables/{board} --format parquet");
        place.wattline(&analyze).succeeded();
    }
    let Some(python) = python("Parquet was not read by DuckDB and pandas") else { return };
    place.write("compare.py", COMPARE);
    let here = place.path(".");
    let cells: u64 = run(&python, &here, &["compare.py"]).trim().parse().unwrap();
    assert!(cells > 1000, "{cells}");
    let sql = documented("sql").replace('"', "\\\"");
    place.write(
        "query.py",
        format!("import duckdb\nfor row in duckdb.sql(\"\"\"{sql}\"\"\").fetchall(): print(*row)"),
    );
    let answer = run(&python, &here, &["query.py"]);
    let rows: Vec<Vec<&str>> =
        answer.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{answer}");
    assert_eq!(rows[0][..3], ["exynos5422", "squeezenet", "gpu"]);
    assert_eq!(rows[1][..3], ["kirin970", "squeezenet", "npu"]);
    let best = Table::read(&place.path("tables/exynos5422/summary.csv"));
    let best = best.only("component", "gpu").number("images_per_joule");
    assert_eq!(rows[0][3].parse::<f64>().unwrap(), best);
    place.write("shares.py", documented("python"));
    let shares = run(&python, &here, &["shares.py"]);
    assert!(shares.contains("conv2d") && shares.contains("npu"), "{shares}");
}

/// An analysis without Parquet leaves none that would contradict its CSV files.
#[test]
fn no_parquet_of_an_earlier_analysis_stays_behind() {
    let place = Place::new();
    let run =
        "run --board emulated:exynos5422 --network squeezenet --on gpu --images 4 --clock virtual";
    place.wattline(&format!("{run} --out trace")).succeeded();
    place.wattline("analyze trace --out tables --format parquet").succeeded();
    assert!(place.path("tables/summary.parquet").exists());
    place.wattline("analyze trace --out tables").succeeded();
    assert!(!place.path("tables/summary.parquet").exists());
    assert!(place.path("tables/summary.csv").exists());
    place.wattline("analyze trace --out tables --format orc").exited(2).says(&["parquet"]);
}

#[test]
fn a_trace_is_what_the_published_schema_says() {
    let place = Place::new();
    let run_line = "run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu \
                    --policy steal --images 12 --clock virtual --out trace";
    place.wattline(run_line).succeeded();
    place.wattline("report trace --out report").succeeded();
    let Some(python) = python("the Perfetto trace was not decoded") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/read_trace.py");
    let answer = run(&python, &place.path("report"), &[script, "trace.perfetto-trace"]);
    let trace: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(trace["problems"], serde_json::json!([]), "{answer}");
    assert_eq!(trace["clocks"], serde_json::json!([3, 1]));
    let spans = Table::read(&place.path("trace/spans.csv"));
    for component in ["a15", "a7", "gpu"] {
        for kind in ["run", "image", "layer"] {
            let is_it = |row: &crate::bundle::Row<'_>| {
                row.text("component") == component && row.text("kind") == kind
            };
            let count = spans.rows().filter(is_it).count();
            assert_eq!(trace["slices"][format!("{component} {kind}")], count);
        }
        assert_eq!(trace["deepest"][component], 3, "layers in images in runs");
    }
    let power = Table::read(&place.path("trace/power.csv"));
    for rail in ["VDD_ARM", "VDD_MEM", "VDD_G3D", "VDD_KFC"] {
        let track = format!("{rail} power");
        let watts: Vec<f64> = power
            .rows()
            .filter(|row| row.text("rail") == rail)
            .map(|row| row.number("watts"))
            .collect();
        assert_eq!(trace["counters"][&track]["count"], watts.len());
        let mean = watts.iter().sum::<f64>() / watts.len() as f64;
        assert!((trace["counters"][&track]["mean"].as_f64().unwrap() / mean - 1.0).abs() < 1e-9);
        assert_eq!(trace["units"][&track], "W");
    }
    assert_eq!(trace["units"]["ppmu dmc0_0 read"], "MB/s");
}
