//! `wattline probe` on a board of ARM: sensors by their addresses, counters, what the kernel offers.

use serde_json::Value;
use wattline_arm_tests::architecture::Architecture;

use crate::place::Place;

crate::in_each_guest!(finds_four_sensors_and_the_counters);

/// Rails by I2C address, as the board's description has them; the device tree has no labels.
const RAILS: [(&str, u64); 4] =
    [("VDD_ARM", 0x40), ("VDD_MEM", 0x41), ("VDD_G3D", 0x44), ("VDD_KFC", 0x45)];

fn finds_four_sensors_and_the_counters(architecture: Architecture) {
    let mut place = Place::whole(architecture);
    let text = place.sh("wattline probe --board /board.toml --json 2>/dev/null");
    let probe: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let list = |key: &str| probe[key].as_array().cloned().unwrap_or_default();
    let rails = list("rails");
    assert_eq!(rails.len(), RAILS.len(), "{rails:#?}");
    for (rail, (name, address)) in rails.iter().zip(RAILS) {
        assert_eq!(rail["name"], name);
        assert_eq!(rail["chip"], "ina231");
        assert_eq!(rail["i2c_address"], address);
        assert_eq!(rail["update_interval_ms"], 35, "{rail:#?}");
        assert!(rail["now"]["watts"].as_f64().is_some_and(|watts| watts > 0.0), "{rail:#?}");
        let path = rail["path"].as_str().unwrap();
        let link = place.sh(&format!("readlink -f {path}/device"));
        assert!(link.trim().ends_with(&format!("-{address:04x}")), "{name}: {link}");
    }
    let counters: Vec<_> =
        list("counters").iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    for counter in ["cci400", "ppmu", "cci550"] {
        assert!(counters.iter().any(|it| it == counter), "{counter}: {text}");
    }
    let pmus = probe["traffic_pmus"].to_string();
    assert!(pmus.contains("wattline_ppmu"), "{pmus}");
    let bpf = list("bpf");
    assert!(bpf.is_empty(), "an object: {bpf:?}");
    let essential = probe["bpf"]["findings"].as_array().cloned().unwrap_or_default();
    let bad: Vec<_> =
        essential.iter().filter(|it| it["essential"] == true && it["good"] == false).collect();
    assert!(!essential.is_empty() && bad.is_empty(), "{bad:#?}");
    // For people it says the same, and does not fail on what an emulated machine lacks.
    let told = place.sh("wattline probe --board /board.toml");
    for (name, _) in RAILS {
        assert!(told.contains(name), "{told}");
    }
}
