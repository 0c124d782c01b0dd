//! How the command talks: probe, help, and nothing but text where there is no terminal.

use serde_json::Value;

use crate::place::Place;

#[test]
fn probe_finds_the_emulated_rails_at_their_addresses() {
    let place = Place::new();
    let answer = place.wattline("probe --board emulated:exynos5422").succeeded();
    assert!(answer.stdout.starts_with("board exynos5422: emulated Odroid XU3"), "{answer:?}");
    for (rail, address) in
        [("VDD_ARM", "0x40"), ("VDD_MEM", "0x41"), ("VDD_G3D", "0x44"), ("VDD_KFC", "0x45")]
    {
        let mut lines = answer.stdout.lines().map(str::split_whitespace);
        let found = lines.any(|mut words| {
            words.next() == Some(rail)
                && words.next() == Some("ina231")
                && words.next() == Some(address)
        });
        assert!(found, "{rail} {address}: {}", answer.stdout);
    }
    answer.prints(&["cci400", "ppmu"]);
}

#[test]
fn probe_speaks_json() {
    let place = Place::new();
    let emulated = place.wattline("probe --board emulated:exynos5422 --json").succeeded();
    let json: Value = serde_json::from_str(&emulated.stdout).unwrap();
    assert_eq!(json["board"]["name"], "exynos5422");
    let list = |name: &str| json[name].as_array().unwrap_or_else(|| panic!("{name}")).clone();
    assert_eq!(list("components").len(), 3);
    assert_eq!(list("counters").len(), 2);
    assert_eq!(list("missing"), Vec::<Value>::new());
    let rails = list("rails");
    let addresses: Vec<_> = rails.iter().map(|rail| rail["i2c_address"].as_u64()).collect();
    assert_eq!(addresses, [0x40, 0x41, 0x44, 0x45].map(Some));
    for rail in &rails {
        assert!(rail["now"]["watts"].as_f64().is_some_and(|watts| watts > 0.0), "{rail}");
    }
}

/// On any machine at all: what is not there is listed with advice, and is no failure.
#[test]
fn probe_of_this_machine() {
    let place = Place::new();
    let json = place.wattline("probe --board exynos5422 --json").succeeded();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    for list in ["components", "rails", "counters", "missing"] {
        assert!(json[list].is_array(), "{list}");
    }
    let (found, missing) = (json["rails"].as_array(), json["missing"].as_array());
    assert!(found.unwrap().len() + missing.unwrap().len() >= 4);
    for it in missing.unwrap() {
        for part in ["what", "why", "advice"] {
            assert!(it[part].as_str().is_some_and(|text| !text.is_empty()), "{it}");
        }
    }
    place.wattline("probe").succeeded().prints(&["board ", "privileges"]);
}

/// Every command line that help leads to.
fn commands(place: &Place, line: &str, found: &mut Vec<String>) {
    found.push(line.to_owned());
    let help = place.wattline(&format!("{line} --help")).succeeded().stdout;
    let Some((_, list)) = help.split_once("Commands:\n") else { return };
    for entry in list.lines().take_while(|entry| entry.starts_with("  ")) {
        let name = entry.split_whitespace().next().unwrap();
        // Descriptions that wrap are indented further.
        if name != "help" && !entry.starts_with("   ") {
            commands(place, format!("{line} {name}").trim(), found);
        }
    }
}

#[test]
fn every_help_has_an_example() {
    let place = Place::new();
    let mut found = Vec::new();
    commands(&place, "", &mut found);
    for name in ["run", "analyze", "probe", "roofline", "board calibrate", "network export"] {
        assert!(found.iter().any(|line| line == name), "{name} is not in {found:?}");
    }
    for line in &found {
        let help = place.wattline(&format!("{line} --help")).succeeded().stdout;
        let (_, example) = help.split_once("Example").unwrap_or_else(|| panic!("{line}: {help}"));
        assert!(example.contains(format!("wattline {line}").trim()), "{line}: {example}");
    }
    place.wattline("--version").succeeded().prints(&["wattline 0."]);
}

/// Every answer in this suite is checked for escape bytes; here they are asked for by name.
#[test]
fn no_colours_whatever_the_environment_says() {
    let place = Place::new();
    let lines = [
        "--help",
        "fly",
        "run --board emulated:exynos5422 --network squeezenet --on npu --out trace",
        "run --board emulated:exynos5422 --network squeezenet --on gpu --images 2 --clock virtual --out trace --overwrite",
        "analyze trace --out results",
        "board list",
        "network inspect squeezenet",
    ];
    for line in lines {
        for (variable, value) in [("NO_COLOR", "1"), ("TERM", "xterm-256color")] {
            let output = place.command(line).env(variable, value).output().unwrap();
            crate::place::Answer::new(line, output);
        }
    }
}

/// A reader that has seen enough, as `wattline board list | head -0`, is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    let place = Place::new();
    for line in ["board list", "network list", "probe"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(line).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(output.stderr.is_empty(), "{line}: {output:?}");
    }
}
