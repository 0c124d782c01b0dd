//! Board descriptions: the built-in ones load and say where their numbers are from; wrong ones
//! are refused with file, line, key and what was expected.

use std::path::Path;

use proptest::prelude::*;
use wattline_board::description::{Description, DescriptionError, builtin_names};
use wattline_board::emulated::EmulatedBoard;
use wattline_trace::ClockKind;

const EXYNOS: &str = include_str!("../descriptions/exynos5422.toml");
const KIRIN: &str = include_str!("../descriptions/kirin970.toml");

/// The text with replacements made, each where its `from` is found first.
fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the description no longer has {from:?}");
        text.replacen(from, to, 1)
    })
}

fn parse(text: &str) -> Result<Description, DescriptionError> {
    Description::parse(text, Path::new("mine.toml"))
}

/// What is said of the Exynos's description with some edits, which must be refused at the line
/// that holds `# here`.
#[track_caller]
fn refusal(edits: &[(&str, &str)]) -> String {
    let text = edited(EXYNOS, edits);
    let line = 1 + text.lines().position(|line| line.contains("# here")).expect("a marked line");
    let error = parse(&text).expect_err("must be refused").to_string();
    let (contradiction, syntax) = (format!("mine.toml:{line}: "), format!("line {line},"));
    assert!(
        error.starts_with(&contradiction)
            || error.starts_with("mine.toml: ") && error.contains(&syntax),
        "expected mine.toml and line {line}: {error}"
    );
    error
}

#[track_caller]
fn refused(edits: &[(&str, &str)], expected: &[&str]) {
    let error = refusal(edits);
    for part in expected {
        assert!(error.contains(part), "expected {part:?} in: {error}");
    }
}

#[test]
fn built_in_descriptions_load_and_can_be_emulated() {
    assert_eq!(builtin_names().collect::<Vec<_>>(), ["exynos5422", "kirin970"]);
    for name in builtin_names() {
        let board = Description::load(name).unwrap();
        assert_eq!(board.name, name);
        assert_eq!(board.missing_for_emulation(), None);
    }
    let error = Description::load("exynos5423").unwrap_err().to_string();
    assert!(error.contains("exynos5422, kirin970"), "{error}");
}

/// The quoted strings of a line's code, and its comment.
fn code_and_comment(line: &str) -> (Vec<&str>, &str) {
    let pieces: Vec<&str> = line.split('"').collect();
    let quoted = pieces.iter().skip(1).step_by(2).take_while(|_| !line.starts_with('#'));
    let unquoted = pieces.iter().step_by(2);
    let comment = unquoted.filter_map(|piece| piece.split_once('#')).map(|(_, it)| it).next();
    (quoted.copied().collect(), comment.unwrap_or_default())
}

fn is_quantity(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    words.len() == 2 && words[0].parse::<f64>().is_ok() && words[1].parse::<f64>().is_err()
}

/// A number with a unit says where it is from: on its line or in the comment right above it or the
/// array it stands in, in brackets, in the words of the legend at the file's head.
#[test]
fn every_quantity_carries_its_source() {
    for (name, text) in [("exynos5422", EXYNOS), ("kirin970", KIRIN)] {
        let legend: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#   [")?.split_once(']'))
            .map(|(word, _)| word)
            .collect();
        assert!(legend.contains(&"study") && legend.contains(&"GUESS"), "{legend:?}");
        let is_marked = |comment: &str| {
            let brackets = comment.split('[').skip(1).filter_map(|it| it.split_once(']'));
            let words = |mark: &str| mark.split([' ', ',', ';']).any(|word| legend.contains(&word));
            brackets.map(|(mark, _)| mark).any(words)
        };
        let (mut above, mut within, mut seen) = (String::new(), false, 0);
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                above += line;
                continue;
            }
            let (quoted, comment) = code_and_comment(line);
            if quoted.iter().any(|it| is_quantity(it)) {
                seen += 1;
                let marked = is_marked(comment) || is_marked(&above);
                assert!(marked, "{name}.toml:{}: whence is {line:?}?", index + 1);
            }
            // What stands above an array is said of all its lines.
            match line {
                _ if line.ends_with(" = [") => within = true,
                "]" => within = false,
                _ => {}
            }
            if !within {
                above.clear();
            }
        }
        assert!(seen >= 25, "{name}: {seen} quantities were looked at");
    }
}

#[test]
fn quantities_want_a_number_and_their_own_unit() {
    for wrong in ["\"3.44 W\"", "\"3.44\"", "3.44", "\"-3.44 GB/s\"", "\"GB/s\"", "\"1e999 GB/s\""]
    {
        let edit = format!("bandwidth = {wrong} # here");
        let expected = ["bandwidth", "3.44 GB/s", "units: kB/s, MB/s, GB/s"];
        refused(&[("bandwidth = \"3.44 GB/s\"", &edit)], &expected);
    }
}

#[test]
fn keys_are_known_and_there() {
    refused(&[("rail = \"VDD_ARM\"", "rial = \"VDD_ARM\" # here")], &["rial", "`rail`"]);
    refused(&[("[[rails]]", "[[rails]] # here"), ("chip = \"ina231\"", "")], &["field `chip`"]);
    for (text, expected) in [
        ("", "field `name`"),
        ("name = \"mine\"\nmodel = \"mine\"\n", "field `components`"),
        ("name = \"mine\"\nmodel = \"mine\"\ncomponents = []\n", "at least one [[components]]"),
        ("this is no TOML", "line 1,"),
        ("\0\u{1}\u{7f}", "line 1,"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("mine.toml") && error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn names_are_unique_and_lead_somewhere() {
    refused(
        &[("name = \"a7\"", "name = \"a15\" # here")],
        &["components.name", "\"a15\"", "twice"],
    );
    refused(&[("name = \"VDD_KFC\"", "name = \"VDD_MEM\" # here")], &["rails.name", "twice"]);
    refused(&[("name = \"VDD_KFC\"", "name = \"\" # here")], &["rails.name", "printable"]);
    refused(&[("name = \"a7\"", "name = \"all\" # here")], &["components.name", "together"]);
    refused(
        &[("rail = \"VDD_KFC\"", "rail = \"VDD_A7\" # here")],
        &["components.a7.rail", "no rail \"VDD_A7\"", "VDD_ARM, VDD_MEM, VDD_G3D, VDD_KFC"],
    );
    refused(
        &[("counter = \"ppmu\"", "counter = \"pmu\" # here")],
        &["memory.counter", "no counter \"pmu\"", "cci400, ppmu"],
    );
    refused(
        &[("number = 3, component = \"a7\" },", "number = 3, component = \"a8\" }, # here")],
        &["counters.cci400.ports.s3.component", "no component \"a8\"", "a15, a7, gpu"],
    );
    refused(
        &[("{ component = \"a7\", share = 0.15 }", "{ component = \"a8\", share = 0.15 } # here")],
        &["components.gpu.driver.component", "no component \"a8\""],
    );
}

/// Gives the component with this dispatch time a driver.
fn driven_by(dispatch: &str, driver: &str, mark: &str) -> (String, String) {
    let line = format!("dispatch = \"{dispatch}\"");
    let driver = format!("driver = {{ component = \"{driver}\", share = 0.1 }}{mark}");
    (line.clone(), format!("{driver}\n{line}"))
}

#[test]
fn drivers_and_rails_go_in_no_circle() {
    let (from, to) = driven_by("60 us", "a7", " # here");
    refused(&[(&from, &to)], &["components.a7.driver", "a7 → a7"]);
    let (from, to) = driven_by("60 us", "gpu", " # here");
    refused(&[(&from, &to)], &["components.a7.driver", "a7 → gpu → a7"]);
    let (a7, a7_driven) = driven_by("60 us", "a15", "");
    let (a15, a15_driven) = driven_by("30 us", "gpu", " # here");
    let edits = [(a7.as_str(), a7_driven.as_str()), (&a15, &a15_driven)];
    refused(&edits, &["components.a15.driver", "a15 → gpu → a7 → a15"]);
    refused(
        &[
            ("name = \"VDD_ARM\"", "name = \"VDD_ARM\"\ninside = \"VDD_MEM\" # here"),
            ("name = \"VDD_MEM\"", "name = \"VDD_MEM\"\ninside = \"VDD_ARM\""),
        ],
        &["rails.VDD_ARM.inside", "VDD_ARM → VDD_MEM → VDD_ARM"],
    );
    let (from, to) = driven_by("30 us", "gpu", " # here");
    let alone = ("driver = { component = \"a7\", share = 0.15 }", "");
    refused(&[alone, (&from, &to)], &["components.a15.driver.component", "no CPU cluster"]);
}

#[test]
fn components_do_not_contradict_themselves() {
    let a15 = ("name = \"a15\"", "name = \"a15\" # here");
    for (edit, expected) in [
        (("cpus = [0, 1, 2, 3]", "cpus = [3, 4]"), ["components.a15.cpus", "CPU 4", "\"a7\""]),
        (("cpus = [4, 5, 6, 7]", "cpus = [4, 5, 4]"), ["components.a15.cpus", "CPU 4", "twice"]),
        (("cpus = [4, 5, 6, 7]", ""), ["components.a15.cpus", "lists its CPUs", "[0, 1, 2, 3]"]),
        (("\"64 GFLOP/s\"", "\"0 GFLOP/s\""), ["components.a15.peak", "above zero", "none"]),
        (("\"3.44 GB/s\"", "\"0 GB/s\""), ["components.a15.bandwidth", "above zero", "none"]),
        (("\"200 MHz\"", "\"2 GHz\""), ["components.a15.operating_points", "lowest", "first"]),
        (("\"0.9 V\"", "\"1.1 V\""), ["components.a15.operating_points", "voltages", "fall"]),
        (("\"140 us\"", "\"0 us\""), ["components.a15.switching", "takes no time", "leave it out"]),
    ] {
        refused(&[a15, edit], &expected);
    }
    for share in ["1.01", "-0.01", "nan"] {
        let edit = format!("share = {share} }} # here");
        let expected = ["components.gpu.driver.share", "no share", "0 to 1"];
        refused(&[("share = 0.15 }", &edit)], &expected);
    }
    let edit = ("leakage = 0.2 ", "leakage = 1.2 # here");
    refused(&[edit], &["components.a15.leakage", "1.2", "0 to 1"]);
    for efficiency in ["0.0", "1.01", "-0.1", "nan"] {
        let edit = format!("images_per_s = 3.1, efficiency = {efficiency} }} # here");
        let expected = ["components.a15.calibration.alexnet.efficiency", "above 0 and up to 1"];
        refused(&[("images_per_s = 3.1, efficiency = 0.08240 }", &edit)], &expected);
    }
    for rate in ["0.0", "-3.1", "nan", "inf"] {
        let edit = format!("images_per_s = {rate}, efficiency = 0.08240 }} # here");
        let expected = ["components.a15.calibration.alexnet.images_per_s", "above 0"];
        refused(&[("images_per_s = 3.1, efficiency = 0.08240 }", &edit)], &expected);
    }
}

#[test]
fn rails_memory_and_noise_are_possible() {
    let arm = ("name = \"VDD_ARM\"", "name = \"VDD_ARM\" # here");
    for (edit, expected) in [
        (("shunt = \"10 mOhm\"", "shunt = \"0 mOhm\""), ["rails.VDD_ARM.shunt", "above zero"]),
        (("voltage = \"1.25 V\"", "voltage = \"0 V\""), ["rails.VDD_ARM.voltage", "above zero"]),
        (("= 0x41", "= 0x40"), ["rails.VDD_ARM.i2c_address", "\"VDD_MEM\" has the same"]),
        (("= 0x40", "= 0x80"), ["rails.VDD_ARM.i2c_address", "0x08 to 0x77"]),
    ] {
        refused(&[arm, edit], &expected);
    }
    for bandwidth in ["0 GB/s", "25 MB/s"] {
        let edit = format!("bandwidth = \"{bandwidth}\" # here");
        let expected = ["memory.bandwidth", "more than the idle traffic, 25 MB/s"];
        refused(&[("bandwidth = \"13.2 GB/s\"", &edit)], &expected);
    }
    for share in ["1.0", "-0.01", "nan"] {
        let edit = format!("[noise]\nconversion_clock = {share} # here\n[memory]");
        refused(&[("[memory]", &edit)], &["noise.conversion_clock", "0 to 0.5"]);
    }
}

#[test]
fn counters_can_be_mapped_and_count_all_their_ports() {
    let cci = ("name = \"cci400\"", "name = \"cci400\" # here");
    let ppmu = ("name = \"ppmu\"", "name = \"ppmu\" # here");
    let more = "ports = [\n    { name = \"s2\", number = 2 },";
    for (name, edit, expected) in [
        (cci, ("ports = [", more), ["counters.cci400.ports", "1 to 2 ports"]),
        (cci, ("number = 3", "number = 5"), ["counters.cci400.ports.s3", "0 to 4, not 5"]),
        (cci, ("number = 3", "number = 4"), ["counters.cci400.ports.s4", "same name or number"]),
        (cci, ("0x10d20000", "0x10d20800"), ["counters.cci400.bases", "multiples of 0x1000"]),
        (cci, ("[0x10d20000]", "[]"), ["counters.cci400.bases", "1 in all"]),
        (ppmu, ("0x10d10000", "0x10d00000"), ["counters.ppmu.bases", "0x10d00000 is there twice"]),
        (ppmu, ("0x10d00000", "0x10d20000"), ["counters.ppmu.bases", "0x10d20000 is there twice"]),
        (ppmu, (", 0x10d70000", ""), ["counters.ppmu.bases", "4 in all"]),
        (ppmu, ("number = 0", "number = 1"), ["counters.ppmu.ports.dmc0_0", "expected 0"]),
    ] {
        refused(&[name, edit], &expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    let load = || Description::load(path.to_str().unwrap());
    assert!(matches!(load(), Err(DescriptionError::Read { path: named, .. }) if named == path));
    std::fs::write(&path, [0xff, 0xfe, 0x00, 0x80]).unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("mine.toml") && error.contains("UTF-8"), "{error}");
    std::fs::write(&path, EXYNOS).unwrap();
    assert_eq!(load().unwrap().name, "exynos5422");
}

#[test]
fn what_emulation_lacks_is_named() {
    let calibration = EXYNOS.find("[components.calibration]").unwrap();
    let calibration = EXYNOS[calibration..].split_once("\n\n").unwrap().0;
    for (from, to, key) in [
        ("bandwidth = \"13.2 GB/s\"", "", "memory.bandwidth"),
        ("peak = { fp32 = \"64 GFLOP/s\" }", "", "components.a15.peak"),
        ("fp32 = \"64 GFLOP/s\"", "fp16 = \"64 GFLOP/s\"", "components.a15.peak"),
        ("bandwidth = \"6.15 GB/s\"", "", "components.gpu.bandwidth"),
        (calibration, "", "components.a15.calibration"),
    ] {
        // The sustained bandwidth would do for the interface's.
        let edits = [("sustained = \"6.2 GB/s\"", ""), (from, to)];
        let board = parse(&edited(EXYNOS, &edits)).unwrap();
        assert_eq!(board.missing_for_emulation().as_deref(), Some(key));
        let error = EmulatedBoard::start(board, ClockKind::Virtual, 1).unwrap_err().to_string();
        assert!(error.contains("exynos5422") && error.contains(key), "{error}");
    }
}

#[test]
fn a_components_rails_are_its_own_its_drivers_and_the_memorys() {
    let rails = |board: &Description, component: &str| {
        let component = board.component(component).unwrap();
        board.rails_of(component).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let exynos = Description::load("exynos5422").unwrap();
    assert_eq!(rails(&exynos, "a15"), ["VDD_ARM", "VDD_MEM"]);
    assert_eq!(rails(&exynos, "gpu"), ["VDD_G3D", "VDD_KFC", "VDD_MEM"]);
    assert_eq!(rails(&Description::load("kirin970").unwrap(), "gpu"), ["SOCKET"]);
    // The GPU's rail inside the A7's, and then with another in between.
    let inside = |rail: &str, outer: &str| {
        (format!("name = \"{rail}\""), format!("name = \"{rail}\"\ninside = \"{outer}\""))
    };
    let (from, to) = inside("VDD_G3D", "VDD_KFC");
    let nested = parse(&edited(EXYNOS, &[(&from, &to)])).unwrap();
    assert_eq!(rails(&nested, "gpu"), ["VDD_KFC", "VDD_MEM"]);
    let (from, to) = inside("VDD_G3D", "VDD_ARM");
    let (between, and_on) = inside("VDD_ARM", "VDD_KFC");
    let deeper = parse(&edited(EXYNOS, &[(&from, &to), (&between, &and_on)])).unwrap();
    assert_eq!(rails(&deeper, "gpu"), ["VDD_KFC", "VDD_MEM"]);
}

proptest! {
    /// Whatever happens to a file, it is read or refused.
    #[test]
    fn damage_is_no_panic(
        kirin in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = if kirin { KIRIN } else { EXYNOS }.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for length in [bytes.len(), keep.index(bytes.len())] {
            match parse(&String::from_utf8_lossy(&bytes[..length])) {
                Ok(board) => prop_assert!(!board.components.is_empty()),
                Err(error) => prop_assert!(error.to_string().starts_with("mine.toml")),
            }
        }
    }
}
