//! On the virtual clock a seed decides everything, to the byte.

use crate::place::Place;

const TABLES: [&str; 4] = ["power.csv", "traffic.csv", "spans.csv", "truth.csv"];

#[test]
fn a_seed_decides_every_byte() {
    let place = Place::new();
    for (out, seed) in [("one", 7), ("same", 7), ("other", 8)] {
        let run = "run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu \
                   --images 5 --clock virtual";
        place.wattline(&format!("{run} --seed {seed} --out {out}")).succeeded();
    }
    let [one, same, other] = ["one", "same", "other"].map(|out| place.bundle(out));
    for table in TABLES {
        assert!(one.bytes(table).len() > 1000, "{table} says something");
        assert!(one.bytes(table) == same.bytes(table), "{table} differs under one seed");
    }
    assert!(one.bytes("power.csv") != other.bytes("power.csv"), "noise is of the seed");
    assert_eq!(other.manifest()["seed"], 8);
}
