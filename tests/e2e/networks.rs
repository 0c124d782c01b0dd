//! Networks: those of the study, and ONNX files, whole and damaged.

use crate::place::Place;

const RUN: &str = "run --board emulated:exynos5422 --on gpu --images 1 --clock virtual --out trace";

/// A place that holds squeezenet.onnx.
fn place_with_squeezenet() -> Place {
    let place = Place::new();
    let answer = place.wattline("network export squeezenet --out squeezenet.onnx --seed 3");
    answer.succeeded().prints(&["squeezenet.onnx", "MB", "seed 3"]);
    place
}

/// `damage` of squeezenet.onnx is refused, by `run` and by `inspect`, with its name and `parts`.
#[track_caller]
fn refused(damage: impl FnOnce(Vec<u8>) -> Vec<u8>, parts: &[&str]) {
    let place = place_with_squeezenet();
    place.write("bad.onnx", damage(std::fs::read(place.path("squeezenet.onnx")).unwrap()));
    let parts = [&["bad.onnx"], parts].concat();
    place.wattline("network inspect bad.onnx").refused(&parts);
    place.wattline(&format!("{RUN} --network bad.onnx")).refused(&parts);
    assert!(!place.path("trace").exists());
}

#[test]
fn a_file_cut_short() {
    refused(|bytes| bytes[..bytes.len() / 2].to_vec(), &["cut short"]);
}

#[test]
fn an_empty_file() {
    refused(|_| Vec::new(), &["the file is empty"]);
}

#[test]
fn a_file_of_something_else() {
    refused(|_| b"\x7fELF and then some".to_vec(), &["not an ONNX file"]);
}

#[test]
fn an_unknown_operator() {
    let rename = |mut bytes: Vec<u8>| {
        // Field 4 of a NodeProto, its operator: tag, length, name.
        let operator = b"\x22\x07MaxPool";
        let at = bytes.windows(operator.len()).position(|it| it == operator).unwrap();
        bytes[at + 2..at + 9].copy_from_slice(b"MinPool");
        bytes
    };
    refused(rename, &["is a MinPool, which is not supported", "supported are", "MaxPool"]);
}

#[test]
fn a_missing_file() {
    let answer = Place::new().wattline(&format!("{RUN} --network absent.onnx"));
    answer.refused(&["absent.onnx", "No such file"]);
}

/// A file and the network it was exported from are one, to the layer.
#[test]
fn export_and_inspect() {
    let place = place_with_squeezenet();
    let [own, file] = ["squeezenet", "squeezenet.onnx"].map(|name| {
        let answer = place.wattline(&format!("network inspect {name}")).succeeded();
        answer.prints(&["conv1", "G multiply-accumulates", "OI_t", "(FP32)"]);
        answer.stdout
    });
    let layers = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(layers(&own), layers(&file));
    let again = place_with_squeezenet();
    let bytes = |place: &Place| std::fs::read(place.path("squeezenet.onnx")).unwrap();
    assert!(bytes(&place) == bytes(&again), "a seed decides the weights");
}

#[test]
fn a_file_runs_under_its_own_name() {
    let place = place_with_squeezenet();
    std::fs::rename(place.path("squeezenet.onnx"), place.path("mine.onnx")).unwrap();
    place.wattline(&format!("{RUN} --network mine.onnx")).succeeded();
    let manifest = place.bundle("trace").manifest();
    assert_eq!(manifest["models"][0]["name"], "mine");
    assert_eq!(manifest["models"][0]["origin"], "mine.onnx");
}

#[test]
fn the_list_shows_the_study() {
    let answer = Place::new().wattline("network list").succeeded();
    let lines = answer.stdout.lines().skip(1);
    let names: Vec<_> = lines.map(|line| line.split_whitespace().next().unwrap()).collect();
    let study = ["alexnet", "googlenet", "mobilenet", "mobilenet-int8", "resnet50", "squeezenet"];
    assert_eq!(names, study);
}

#[test]
fn export_where_nothing_can_be_written() {
    let place = Place::new();
    let answer = place.wattline("network export squeezenet --out /proc/squeezenet.onnx");
    answer.refused(&["cannot write /proc/squeezenet.onnx"]);
    place.wattline("network export lenet --out x.onnx").refused(&["lenet", "squeezenet"]);
    assert!(!place.path("x.onnx").exists());
}

/// The study's section IV-E: convolutions and conversions of a quantised network are told apart.
#[test]
fn a_quantised_network_runs_and_shows_what_conversions_take() {
    let place = Place::new();
    place.wattline("network export mobilenet-int8 --out int8.onnx").succeeded();
    let size = std::fs::metadata(place.path("int8.onnx")).unwrap().len();
    // A byte for each of 4.2 M weights.
    assert!((4_200_000..5_200_000).contains(&size), "{size} bytes");
    place.wattline("network inspect int8.onnx").succeeded().prints(&[
        "image/quantise",
        "quantised_depthwise_conv2d",
        "pool/quantise",
        "FP32 and 8-bit steps",
    ]);
    let run =
        "run --board host --network int8.onnx --on cpu --threads 1 --images 3 --idle 0 --out trace";
    place.wattline(run).succeeded();
    place.wattline("analyze trace --out results --layers").succeeded().prints(&["dequantise"]);
    let kinds = crate::bundle::Table::read(&place.path("results/layer_kinds.csv"));
    let layers = |kind| kinds.only("kind", kind).integer("layers");
    assert_eq!(["quantise", "dequantise"].map(layers), [2, 2]);
    assert_eq!(["quantised_conv2d", "quantised_depthwise_conv2d"].map(layers), [15, 13]);
    assert!(kinds.rows().all(|row| row.number("share_pct") >= 0.0));
}

/// Nobody has measured how fast the boards' chips multiply bytes.
#[test]
fn an_emulated_board_refuses_a_quantised_network() {
    let place = Place::new();
    let parts = ["mobilenet-int8", "8-bit steps", "calibrated in floating point", "--board host"];
    let network = "--board emulated:exynos5422 --network mobilenet-int8 --on a15";
    place.wattline(&format!("run {network} --out trace")).refused(&parts);
    let simulate = network.replace("emulated:", "");
    place.wattline(&format!("simulate {simulate}")).refused(&parts);
}
