//! Wishes on the command line that cannot be granted.

use crate::place::Place;

const RUN: &str = "run --network squeezenet --images 1 --out trace";

#[test]
fn what_is_unknown_is_named_with_what_is_known() {
    let place = Place::new();
    for (line, parts) in [
        (format!("{RUN} --board emulated:rpi5 --on cpu"), ["\"rpi5\"", "exynos5422, kirin970"]),
        (format!("{RUN} --board emulated:exynos5422 --on npu"), ["--on npu", "a15, a7, gpu"]),
        (format!("{RUN} --board emulated:exynos5422 --on a15,a7,a15"), ["names a15", "twice"]),
        (format!("{RUN} --board host --on npu"), ["--on npu", "host has cpu"]),
        (format!("{RUN} --board emulated:host --on cpu"), ["emulated:host", "FILE.toml"]),
        (format!("{RUN} --board missing.toml --on cpu"), ["missing.toml", "No such file"]),
        (format!("{RUN} --board host --on cpu --clock virtual"), ["--clock virtual", "emulated"]),
        (format!("{RUN} --board host --on cpu --executor tpu"), ["--executor tpu", "reference"]),
        (format!("{RUN} --board emulated:exynos5422 --on gpu --rate 0"), ["rate", "Hz"]),
        (
            "run --board emulated:exynos5422 --network lenet --on a15 --out trace".to_owned(),
            ["lenet", "squeezenet"],
        ),
    ] {
        place.wattline(&line).refused(&parts);
        assert!(!place.path("trace/power.csv").exists(), "{line}");
    }
}

#[test]
fn a_network_the_npu_refuses() {
    let place = Place::new();
    let run = "run --board emulated:kirin970 --network mobilenet --on gpu,npu --out trace";
    place.wattline(run).refused(&["mobilenet on npu", "conv2/dw", "not supported"]);
    assert!(!place.path("trace").exists(), "nothing is run before all is known to fit");
}

/// Values that no run can have are the parser's: status 2, and the option is named.
#[test]
fn values_out_of_range() {
    let place = Place::new();
    for (wish, option) in [
        ("--count x", "--count"),
        ("--images -1", "-1"),
        ("--idle -1", "-1"),
        ("--idle=-1", "--idle"),
        ("--idle nan", "--idle"),
        ("--clock sundial", "--clock"),
        ("--seed x", "--seed"),
    ] {
        let line = format!(
            "run --board emulated:exynos5422 --network squeezenet --on a15 --out trace {wish}"
        );
        place.wattline(&line).exited(2).says(&[option]);
    }
    for line in ["", "run", "analyze --out out", "analyze trace", "fly", "network export"] {
        place.wattline(line).exited(2).says(&["Usage: wattline"]);
    }
}
