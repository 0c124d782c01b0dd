//! `--out`: where it cannot be, what is there already, and what of that is kept.

use std::collections::BTreeMap;
use std::fs;

use crate::place::Place;

const RUN: &str =
    "run --board emulated:exynos5422 --network squeezenet --on gpu --images 2 --clock virtual";

#[test]
fn where_nothing_can_be_written() {
    let place = Place::new();
    place.write("file", "in the way");
    for out in ["file", "file/trace", "/proc/trace", "/dev/null/trace"] {
        let answer = place.wattline(&format!("{RUN} --out {out}"));
        answer.refused(&["cannot create", out.split("/trace").next().unwrap(), "--out"]);
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"in the way");
    place.wattline(&format!("{RUN} --out a/b/trace")).succeeded();
    place.wattline("analyze a/b/trace --out file").refused(&["cannot write", "file"]);
}

#[test]
fn a_bundle_that_is_there_is_kept() {
    let place = Place::new();
    place.wattline(&format!("{RUN} --out trace")).succeeded();
    place.write("trace/notes.txt", "mine");
    let content = || -> BTreeMap<_, _> {
        let bundle = place.bundle("trace");
        bundle.files().into_iter().map(|file| (file.clone(), bundle.bytes(&file))).collect()
    };
    let before = content();
    let again = place.wattline(&format!("{RUN} --seed 2 --out trace"));
    again.refused(&["trace holds a recorded run already", "--overwrite"]);
    assert!(content() == before, "not a byte is changed");

    place.wattline(&format!("{RUN} --seed 2 --out trace --overwrite")).succeeded();
    let after = content();
    assert_eq!(after["notes.txt"], b"mine");
    assert!(after["power.csv"] != before["power.csv"]);
    assert!(after.keys().eq(before.keys()));
}
