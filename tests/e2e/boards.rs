//! Board descriptions: those built in, and files of one's own with something wrong in them.

use crate::place::Place;

const EXYNOS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/board/descriptions/exynos5422.toml"));

/// A description with `old` replaced by `new` once, and the line the change stands on.
#[track_caller]
fn changed(old: &str, new: &str) -> (String, usize) {
    let at = EXYNOS.find(old).unwrap_or_else(|| panic!("no {old:?} in the description"));
    let line = 1 + EXYNOS[..at].matches('\n').count();
    (EXYNOS.replacen(old, new, 1), line)
}

/// A changed description is refused with its file, that line and `parts`, by every command that
/// takes a board.
#[track_caller]
fn refused(old: &str, new: &str, parts: &[&str]) {
    let place = Place::new();
    let (text, line) = changed(old, new);
    assert_ne!(text, EXYNOS);
    place.write("mine.toml", text);
    for command in [
        "run --network squeezenet --on a15 --out trace --board emulated:mine.toml",
        "probe --board mine.toml",
        "board show mine.toml",
    ] {
        let answer = place.wattline(command).exited(1);
        answer.says(&["mine.toml"]);
        answer.says(parts);
        let places = [format!("mine.toml:{line}: "), format!("at line {line}, column")];
        assert!(places.iter().any(|it| answer.stderr.contains(it)), "line {line}: {answer:?}");
    }
}

#[test]
fn a_wrong_unit() {
    let expected = ["bandwidth", "13.2 W", "a number and a unit such as", "GB/s"];
    refused("bandwidth = \"13.2 GB/s\"", "bandwidth = \"13.2 W\"", &expected);
}

#[test]
fn a_number_without_a_unit() {
    refused("shunt = \"10 mOhm\"", "shunt = 10", &["shunt", "such as \"10 mOhm\""]);
}

#[test]
fn an_unknown_key() {
    let expected = ["unknown field `i2c_adress`", "`i2c_address`"];
    refused("i2c_address = 0x40", "i2c_adress = 0x40", &expected);
}

#[test]
fn drivers_in_a_circle() {
    let old = "dynamic_power = \"0.5 W\"";
    let new = "driver = { component = \"gpu\", share = 0.1 }\n";
    refused(old, new, &["components.a7.driver", "a7 → gpu → a7"]);
}

#[test]
fn rails_inside_one_another_in_a_circle() {
    let text = EXYNOS
        .replace("name = \"VDD_ARM\"", "inside = \"VDD_MEM\"\nname = \"VDD_ARM\"")
        .replace("name = \"VDD_MEM\"", "inside = \"VDD_ARM\"\nname = \"VDD_MEM\"");
    let line = 1 + text[..text.find("inside").unwrap()].matches('\n').count();
    let place = Place::new();
    place.write("mine.toml", text);
    let place_of_it = format!("mine.toml:{line}: rails.VDD_ARM.inside");
    let answer = place.wattline("board show mine.toml");
    answer.refused(&[&place_of_it, "circle", "VDD_ARM → VDD_MEM → VDD_ARM"]);
}

#[test]
fn names_that_lead_nowhere() {
    refused("rail = \"VDD_G3D\"", "rail = \"VDD_GPU\"", &["components.gpu.rail", "VDD_G3D"]);
}

#[test]
fn a_file_that_is_no_toml() {
    refused("name = \"exynos5422\"", "name = exynos5422", &["TOML parse error"]);
    let place = Place::new();
    place.write("mine.toml", [0xff, 0xfe, 0x00]);
    place.wattline("board show mine.toml").refused(&["mine.toml", "UTF-8"]);
}

#[test]
fn a_description_that_says_too_little_to_be_emulated() {
    let place = Place::new();
    place.write("mine.toml", EXYNOS.replace("bandwidth = \"6.15 GB/s\"", "# not known"));
    let run = "run --network squeezenet --on gpu --out trace --board emulated:mine.toml";
    place.wattline(run).refused(&["cannot be emulated", "components.gpu.bandwidth"]);
    // As a real board it may stay unknown.
    place.wattline("board show mine.toml").succeeded().prints(&["not known"]);
}

/// A board of one's own is emulated like one that is built in.
#[test]
fn a_board_of_ones_own() {
    let place = Place::new();
    place.write("mine.toml", EXYNOS.replace("name = \"exynos5422\"", "name = \"mine\""));
    let run = "run --network squeezenet --on gpu --images 2 --out trace --clock virtual \
               --board emulated:mine.toml";
    place.wattline(run).succeeded();
    assert_eq!(place.bundle("trace").manifest()["board"]["name"], "mine");
}

#[test]
fn the_list_shows_what_is_built_in() {
    let answer = Place::new().wattline("board list").succeeded();
    answer.prints(&["exynos5422", "Odroid XU3", "a15, a7, gpu", "ppmu"]);
    answer.prints(&["kirin970", "HiKey 970", "a73, a53, gpu, npu", "cci550"]);
}

#[test]
fn show_tells_rails_with_addresses_and_drivers() {
    let place = Place::new();
    let answer = place.wattline("board show emulated:exynos5422").succeeded();
    answer.prints(&["emulated Odroid XU3", "0x40", "0x41", "0x44", "0x45", "10 mOhm"]);
    let gpu = answer.stdout.lines().find(|line| line.trim().starts_with("gpu")).unwrap();
    assert!(gpu.contains("VDD_G3D, VDD_KFC, VDD_MEM") && gpu.contains("a7"), "{gpu}");
    place.wattline("board show kirin970").succeeded().prints(&["depthwise_conv2d", "FP16"]);
    place.wattline("board show pi").refused(&["\"pi\"", "exynos5422, kirin970"]);
}

/// What `calibrate` computes is what stands in the description it computed it from.
#[test]
fn calibrate_reproduces_the_built_in_efficiencies() {
    let place = Place::new();
    let known = EXYNOS.lines().filter(|line| line.contains("efficiency = 0."));
    let answer = place.wattline("board calibrate exynos5422").succeeded();
    assert!(known.clone().count() >= 12);
    for line in known {
        assert!(answer.stdout.lines().any(|printed| printed == line), "{line}");
    }
    let (text, _) = changed("images_per_s = 8.0", "images_per_s = 8000.0");
    place.write("mine.toml", text);
    place.wattline("board calibrate mine.toml").refused(&["squeezenet on gpu", "8000"]);
}
