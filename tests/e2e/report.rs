//! What `wattline report` writes, and how its page fares in a browser.

use crate::browser::{Browser, program};
use crate::bundle::Table;
use crate::place::Place;

const RUN: &str = "run --board emulated:exynos5422 --network squeezenet --images 6 --clock virtual";

#[test]
fn numbers_stand_beside_the_studys() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on a15,a7,gpu --policy steal --out trace")).succeeded();
    place.wattline("report trace --out report").succeeded().prints(&["report/report.html"]);
    let study = Table::read(&place.path("report/study.csv"));
    let alone = study.with("source", "Table I");
    assert_eq!(alone.len(), 3);
    for row in &alone {
        assert!(row.number("difference_pct").abs() < 2.0, "{row:?}");
        assert_eq!(row.text("provenance"), "emulated");
    }
    let together = study.with("source", "Table II");
    let published = |quantity: &str, component: &str| {
        let is_it = |row: &&crate::bundle::Row<'_>| {
            row.text("quantity") == quantity && row.text("component") == component
        };
        together.iter().find(is_it).unwrap().maybe("published")
    };
    assert_eq!(published("images_per_s", "all"), Some(13.8));
    assert_eq!(published("gain_pct", "all"), Some(73.9));
    assert_eq!(published("frames_pct", "gpu"), None);
    let markdown = std::fs::read_to_string(place.path("report/study.md")).unwrap();
    assert!(markdown.contains("## Table I:") && markdown.contains("(8, "), "{markdown}");
}

/// It has a mark of each measurement, and its name at one.
#[test]
fn a_network_measured_twice_is_named_once() {
    let place = Place::new();
    let run =
        "run --board emulated:exynos5422 --network squeezenet --on a15 --images 3 --clock virtual";
    for seed in [1, 2] {
        place.wattline(&format!("{run} --seed {seed} --out run{seed}")).succeeded();
    }
    place.wattline("report run1 run2 --out report").succeeded();
    for (figure, name) in
        [("roofline-exynos5422", "squeezenet"), ("roofline-squeezenet-a15", "conv1")]
    {
        let svg =
            std::fs::read_to_string(place.path(&format!("report/figures/{figure}.svg"))).unwrap();
        let names = svg.lines().filter(|line| line.trim() == name).count();
        assert_eq!(names, 1, "{figure} names {name} {names} times");
    }
}

#[test]
fn what_table_iii_holds_back_stays_empty() {
    let place = Place::new();
    let run = "run --board emulated:kirin970 --network alexnet --on a53,a73,gpu,npu --policy steal \
               --images 12 --clock virtual --out trace";
    place.wattline(run).succeeded();
    place.wattline("report trace --out report").succeeded();
    let study = Table::read(&place.path("report/study.csv"));
    let held = study.with("source", "Table III");
    assert_eq!(held.len(), 6, "throughput, gain, and a share for each of four: {held:?}");
    assert!(held.iter().all(|row| row.text("published").is_empty()), "{held:?}");
    assert!(held.iter().all(|row| row.text("note") == "held back"), "{held:?}");
}

#[test]
fn layers_are_told_what_bounds_them_and_a_wrong_roof_is_noticed() {
    let place = Place::new();
    let run =
        "run --board emulated:exynos5422 --network alexnet --on a15 --images 3 --clock virtual";
    place.wattline(&format!("{run} --out trace")).succeeded();
    place.wattline("report trace --out report").succeeded();
    let points = Table::read(&place.path("report/roofline_points.csv"));
    assert!(points.rows().all(|row| row.text("above_roof") == "false"));
    let network = points.only("layer", "");
    assert!(network.number("oi_empirical") >= network.number("oi_theoretical"), "{network:?}");
    assert_eq!(points.only("layer", "fc6").text("bound"), "bandwidth");
    assert_eq!(points.only("layer", "conv2").text("bound"), "compute");
    // As if someone had written GFLOP/s for TFLOP/s.
    let roof = "row,component,name,gflop_per_s,gb_per_s\n\
                ceiling,a15,peak fp32,0.064,\nceiling,a15,bandwidth read,,3.44\n";
    place.write("roofline.csv", roof);
    place.wattline("report trace --out wrong --ceilings roofline.csv").succeeded();
    let points = Table::read(&place.path("wrong/roofline_points.csv"));
    let network = points.only("layer", "");
    assert_eq!(network.text("above_roof"), "true");
    assert!(network.text("verdict").contains("a unit or a ceiling is wrong"), "{network:?}");
    let page = std::fs::read_to_string(place.path("wrong/report.html")).unwrap();
    assert!(page.contains("above the roof"));
    place.write("roofline.csv", "a,b\n1,2\n");
    let line = "report trace --out bad --ceilings roofline.csv";
    place.wattline(line).refused(&["roofline.csv", "wattline roofline --out"]);
    assert!(!place.path("bad/report.html").exists());
}

#[test]
fn figures_come_as_svg_and_png() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on a15,gpu --out trace")).succeeded();
    place.wattline("report trace --out report").succeeded();
    let mut names: Vec<String> = std::fs::read_dir(place.path("report/figures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let wanted = ["energy-exynos5422", "roofline-exynos5422", "roofline-squeezenet-gpu"];
    for name in wanted {
        for ending in ["svg", "png"] {
            assert!(names.contains(&format!("{name}.{ending}")), "{names:?}");
        }
        let svg = std::fs::read_to_string(place.path(&format!("report/figures/{name}.svg")));
        let svg = svg.unwrap();
        assert!(svg.contains("emulated Odroid XU3") && svg.contains("sampled at"), "{svg}");
        let png = image::open(place.path(&format!("report/figures/{name}.png"))).unwrap();
        assert_eq!(png.width(), 1720);
    }
}

/// The study's section IV-E, on this machine: no emulated board runs 8-bit layers.
#[test]
fn a_quantised_network_stands_beside_its_twin() {
    let place = Place::new();
    for network in ["mobilenet", "mobilenet-int8"] {
        let run =
            format!("run --board host --network {network} --on cpu --images 2 --out {network}");
        place.wattline(&run).succeeded();
    }
    place.wattline("report mobilenet mobilenet-int8 --out report").succeeded();
    let rows = Table::read(&place.path("report/quantisation.csv"));
    let (plain, quantised) =
        (rows.only("network", "mobilenet"), rows.only("network", "mobilenet-int8"));
    let layers = Table::read(&place.path("report/quantisation_layers.csv"));
    let first = layers.only("layer", "conv1");
    assert_eq!(first.text("part"), "convolution");
    assert!(first.number("speedup") > 0.0);
    let conversions = layers.with("part", "conversion");
    assert!(!conversions.is_empty());
    assert!(conversions.iter().all(|row| row.maybe("fp32_seconds").is_none()));
    assert_eq!((plain.text("quantised"), quantised.text("quantised")), ("false", "true"));
    assert_eq!(plain.number("conversion_s"), 0.0);
    assert!(quantised.number("conversion_s") > 0.0, "{quantised:?}");
    let seconds = |row: &crate::bundle::Row<'_>| {
        ["convolution_s", "conversion_s", "other_s"]
            .map(|part| row.number(part))
            .iter()
            .sum::<f64>()
    };
    let speedup = seconds(&plain) / seconds(&quantised);
    assert!((quantised.number("speedup") / speedup - 1.0).abs() < 1e-9, "{quantised:?}");
    assert!(place.path("report/figures/quantisation-roofline-host-cpu.svg").exists());
    place.wattline("report mobilenet --out plain").succeeded();
    assert!(!place.path("plain/quantisation.csv").exists());
}

/// Text of a bundle is text on the page, whatever it says; nothing else is loaded.
#[test]
fn the_page_is_one_file_that_a_name_cannot_break() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on gpu --out trace")).succeeded();
    let hostile = "<script src=//evil.example/x.js></script>\\\"'&";
    place.bundle("trace").edit("manifest.json", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replacen("\"command\": [", &format!("\"command\": [\"{hostile}\","), 1);
        text.replace("Odroid XU3", "<img src=http://evil.example/y onerror=alert(1)>").into_bytes()
    });
    place.wattline("report trace --out report").succeeded();
    let page = std::fs::read_to_string(place.path("report/report.html")).unwrap();
    assert!(page.contains("evil.example"));
    assert!(!page.contains("<script src") && !page.contains("<img"), "markup of a name");
    let Some(program) = program("a hostile page was not opened") else { return };
    let mut browser = Browser::start(&program);
    browser.open(&place.path("report/report.html"), 1440, false);
    assert_only_itself(&browser);
    assert_eq!(browser.complaints(), [] as [&serde_json::Value; 0]);
}

#[test]
fn the_page_is_good_on_a_phone_and_on_a_desk() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --on a15,a7,gpu --policy steal --out trace")).succeeded();
    place.wattline("report trace --out report").succeeded();
    let Some(program) = program("the report was not opened in a browser") else { return };
    let mut browser = Browser::start(&program);
    for (width, is_dark) in [(360, false), (1440, false), (360, true), (1440, true)] {
        browser.open(&place.path("report/report.html"), width, is_dark);
        // The page does not scroll sideways: what is wider scrolls in itself.
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{wide} at {width}");
        let hidden = "[...document.querySelectorAll('details')].forEach(it => it.open = true)";
        browser.evaluate(hidden);
        // Of each figure one layout is seen, whole, with letters that can be read.
        let figures = browser.evaluate(
            "[...document.querySelectorAll('figure')].map(figure => {
               const seen = [...figure.querySelectorAll('svg')].filter(it => it.getClientRects().length);
               const box = seen[0]?.getBoundingClientRect();
               const letters = [...seen[0]?.querySelectorAll('text') ?? []]
                 .map(it => it.getBoundingClientRect().height);
               return [seen.length, box?.width ?? 0, box?.right ?? 1e9, letters.length, Math.min(...letters)];
             })",
        );
        let figures = figures.as_array().unwrap();
        assert!(figures.len() >= 6, "{figures:?}");
        for figure in figures {
            let number = |index: usize| figure[index].as_f64().unwrap();
            assert_eq!(number(0), 1.0, "{figure}");
            assert!(number(1) > 250.0 && number(2) <= f64::from(width), "{figure} at {width}");
            assert!(number(3) > 5.0 && number(4) >= 9.0, "{figure} at {width}");
        }
        // A press on a heading sorts by it, a second the other way round.
        let rates = "[...document.querySelector('table').tBodies[0].rows]
                     .map(row => +row.cells[2].dataset.value)";
        let press = "document.querySelectorAll('table')[0].tHead.rows[0].cells[2]
                     .querySelector('button').click()";
        for descending in [false, true] {
            browser.evaluate(press);
            let rates = browser.evaluate(rates);
            let rates: Vec<f64> =
                rates.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
            assert!(rates.is_sorted_by(|a, b| if descending { a >= b } else { a <= b }));
        }
        assert_only_itself(&browser);
        assert_eq!(browser.complaints(), [] as [&serde_json::Value; 0]);
    }
}

#[track_caller]
fn assert_only_itself(browser: &Browser) {
    let others: Vec<_> = browser
        .requests()
        .into_iter()
        .filter(|url| !url.ends_with("/report/report.html") && !url.starts_with("data:"))
        .collect();
    assert_eq!(others, [] as [&str; 0], "requests that left the page");
    assert!(!browser.requests().is_empty(), "the page itself was asked for");
}
