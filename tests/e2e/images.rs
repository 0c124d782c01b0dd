//! Photographs: a directory of them, whole and broken, and what the network takes them for.

use std::path::Path;

use image::{Rgb, RgbImage};

use crate::place::Place;

const RUN: &str = "run --board host --network squeezenet --on cpu --idle 0 --out trace";

/// A picture of its own colour and proportions.
fn photograph(path: &Path, number: u8) {
    let (width, height) = (300 + 20 * u32::from(number), 260);
    let colour = |x: u32, y: u32| Rgb([(x * 3) as u8, (y * 5) as u8, number.wrapping_mul(80)]);
    RgbImage::from_fn(width, height, colour).save(path).unwrap();
}

/// A place with `photographs`: three images, one of them a JPEG, and a file that is none.
pub(crate) fn photographs() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("photographs")).unwrap();
    for (number, name) in (0..).zip(["b.png", "a.jpg", "c.PNG"]) {
        photograph(&place.path("photographs").join(name), number);
    }
    place.write("photographs/readme.txt", "not an image");
    place
}

#[test]
fn each_image_of_a_directory_runs_once_by_name() {
    let place = photographs();
    let answer = place.wattline(&format!("{RUN} --images photographs")).succeeded();
    // The weights are drawn, and nobody may take the classes for more.
    answer.says(&["RGB", "centre", "mean 123.675", "not trained"]);
    let bundle = place.bundle("trace");
    assert_eq!(bundle.table("spans.csv").with("kind", "image").len(), 3);
    let inputs = &bundle.manifest()["inputs"];
    assert_eq!(inputs["files"], serde_json::json!(["a.jpg", "b.png", "c.PNG"]));
    assert_eq!(inputs["skipped"], 0);
    assert!(inputs["preprocessing"].as_str().unwrap().contains("RGB"), "{inputs}");
}

#[test]
fn a_count_goes_round_the_directory_or_stops_early() {
    let place = photographs();
    for (count, files) in [(5, 3), (2, 2)] {
        let line = format!("{RUN} --images photographs --count {count} --overwrite");
        place.wattline(&line).succeeded();
        let bundle = place.bundle("trace");
        assert_eq!(bundle.table("spans.csv").with("kind", "image").len(), count);
        assert_eq!(bundle.manifest()["inputs"]["files"].as_array().unwrap().len(), files);
    }
}

#[test]
fn a_broken_image_is_reported_and_the_rest_runs() {
    let place = photographs();
    let whole = std::fs::read(place.path("photographs/a.jpg")).unwrap();
    // What is cut off an image a decoder may fill in; what is cut off a header it cannot.
    place.write("photographs/aa_cut.jpg", &whole[..40]);
    place.write("photographs/bad.png", "text under an image's name");
    let answer = place.wattline(&format!("{RUN} --images photographs")).succeeded();
    answer.says(&["left out aa_cut.jpg: it cannot be decoded", "left out bad.png"]);
    answer.prints(&["recorded: trace", "2 image file(s) could not be read"]);
    let bundle = place.bundle("trace");
    assert_eq!(bundle.table("spans.csv").with("kind", "image").len(), 3);
    assert_eq!(bundle.manifest()["inputs"]["skipped"], 2);
    let events = bundle.table("events.csv");
    let left_out: Vec<_> =
        events.with("source", "images").iter().map(|it| it.text("detail")).collect();
    assert_eq!(left_out.len(), 2);
    assert!(left_out[0].contains("aa_cut.jpg") && left_out[1].contains("bad.png"), "{left_out:?}");
}

#[test]
fn a_directory_without_a_usable_image_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    std::fs::create_dir(place.path("broken")).unwrap();
    place.write("broken/a.png", "");
    place.write("broken/b.jpeg", [0xff, 0xd8, 0xff]);
    for (directory, parts) in [
        ("empty", ["empty holds no file", ".jpg, .jpeg or .png"]),
        ("broken", ["none of its 2 image files", "give a directory"]),
        ("absent", ["absent", "No such file"]),
    ] {
        place.wattline(&format!("{RUN} --images {directory} --overwrite")).refused(&parts);
        assert!(!place.path("trace/manifest.json").exists(), "{directory}");
    }
}

#[test]
fn constants_are_the_networks_or_the_users() {
    let place = photographs();
    let emulated = "run --board emulated:exynos5422 --on gpu --clock virtual --out trace";
    let answer = place
        .wattline(&format!("{emulated} --network googlenet --images photographs --count 1"))
        .succeeded();
    answer.says(&["BGR", "mean 123, 117, 104", "std 1, 1, 1"]);
    place.wattline("network export squeezenet --out mine.onnx").succeeded();
    let mine = format!("{RUN} --images photographs --count 1 --overwrite");
    let mine = mine.replace("--network squeezenet", "--network mine.onnx");
    place.wattline(&mine).succeeded().says(&["torchvision's constants", "--mean"]);
    let own = format!("{mine} --mean 127.5,127.5,127.5 --std 128,128,128 --channels bgr");
    place.wattline(&own).succeeded().says(&["BGR", "mean 127.5, 127.5, 127.5", "std 128"]);
    place.wattline(&format!("{mine} --std 0.229,0.224,0.225")).refused(&["0.229", "by 255"]);
    place.wattline(&format!("{mine} --mean 1,2")).exited(2).says(&["--mean", "three numbers"]);
    let synthetic = format!("{RUN} --images 3 --count 2 --overwrite");
    place.wattline(&synthetic).refused(&["--count is for a directory", "--images 3"]);
}

/// Rank, class, label and probability; the class's label is that line of the file.
#[test]
fn classes_are_printed_by_name() {
    let place = photographs();
    let labels: Vec<_> = (0..1000).map(|class| format!("thing number {class}")).collect();
    place.write("labels.txt", labels.join("\n"));
    for (images, first) in [("photographs", "a.jpg"), ("2", "synthetic 0")] {
        let line = format!("{RUN} --images {images} --classes labels.txt --overwrite");
        let answer = place.wattline(&line).succeeded();
        let mut lines = answer.stdout.lines();
        let header: Vec<_> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(header, ["image", "rank", "class", "label", "probability"]);
        let best = lines.next().unwrap();
        assert!(best.trim_start().starts_with(first), "{best}");
        let words: Vec<_> =
            best.trim_start().strip_prefix(first).unwrap().split_whitespace().collect();
        let [rank, class, "thing", "number", named, probability] = words[..] else {
            panic!("{best}")
        };
        assert_eq!((rank, class), ("1", named));
        let probabilities: Vec<f64> = std::iter::once(best)
            .chain(lines.take(4))
            .map(|line| line.split_whitespace().next_back().unwrap().parse().unwrap())
            .collect();
        assert_eq!(probabilities[0], probability.parse::<f64>().unwrap());
        assert!(probabilities.is_sorted_by(|a, b| a >= b), "{probabilities:?}");
    }
    place.write("few.txt", "one\ntwo\n");
    let few = format!("{RUN} --images 1 --classes few.txt --overwrite");
    place.wattline(&few).refused(&["few.txt has 2 lines", "1000 classes"]);
}

/// On an emulated board the outputs are those of the photographs too.
#[test]
fn an_emulated_board_computes_what_the_host_does() {
    let place = photographs();
    let labels: Vec<_> = (0..1000).map(|class| format!("n{class}")).collect();
    place.write("labels.txt", labels.join("\n"));
    let tail = "--network squeezenet --images photographs --classes labels.txt --out";
    let table = |line: String| {
        let answer = place.wattline(&line).succeeded();
        let lines = answer.stdout.lines().filter(|line| !line.contains("recorded"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let host = table(format!("run --board host --on cpu --idle 0 {tail} host"));
    let board = "run --board emulated:exynos5422 --on a15,gpu --clock virtual";
    assert_eq!(table(format!("{board} {tail} emulated")), host);
    assert_eq!(host.len(), 1 + 3 * 5);
}
