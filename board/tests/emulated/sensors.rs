//! The hwmon tree: what the mainline ina2xx driver shows, and how it is set.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wattline_board::clock::attend;
use wattline_board::description::Description;
use wattline_board::emulated::EmulatedBoard;
use wattline_trace::ClockKind;

use crate::{pass, quiet, start, work};

fn hwmon(board: &EmulatedBoard, number: usize) -> PathBuf {
    board.roots().sysfs.join(format!("class/hwmon/hwmon{number}"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

fn number(path: &Path) -> i64 {
    text(path).parse().unwrap()
}

/// Bus voltage times current: the finest power there is.
fn watts(hwmon: &Path) -> f64 {
    number(&hwmon.join("in1_input")) as f64 * number(&hwmon.join("curr1_input")) as f64 * 1e-6
}

#[test]
fn files_are_the_drivers() {
    for (name, chip, addresses) in
        [("exynos5422", "ina231", &[0x40, 0x41, 0x44, 0x45][..]), ("kirin970", "ina226", &[0x40])]
    {
        let board = start(quiet(name));
        let _here = attend(board.clock());
        pass(&board, 100.0);
        let class = fs::read_dir(board.roots().sysfs.join("class/hwmon")).unwrap();
        assert_eq!(class.count(), addresses.len());
        for (index, (address, rail)) in addresses.iter().zip(&board.description().rails).enumerate()
        {
            let hwmon = hwmon(&board, index);
            let entries = fs::read_dir(&hwmon).unwrap();
            let mut files: Vec<_> =
                entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            let inputs = ["curr1_input", "device", "in0_input", "in1_input", "name"];
            let settings = ["power1_input", "shunt_resistor", "update_interval"];
            assert_eq!(files, [&inputs[..], &settings].concat());

            let device = format!("3-{address:04x}");
            let link = hwmon.join("device");
            assert!(fs::read_link(&link).unwrap().ends_with(&device), "{device}");
            assert!(fs::canonicalize(&link).unwrap().ends_with(format!("i2c-3/{device}")));
            assert_eq!(text(&hwmon.join("name")), chip);
            assert_eq!(number(&hwmon.join("shunt_resistor")), 10_000, "in microohms");
            assert_eq!(number(&hwmon.join("update_interval")), 35, "the driver's default");

            let (idle, volts) = (rail.idle_power.watts(), rail.voltage.volts());
            let seen = number(&hwmon.join("power1_input")) as f64 * 1e-6;
            // The power register counts in 25 current LSBs of 0.25 mA at a volt, rounded down.
            let step = 25.0 * 2.5e-6 / rail.shunt.ohms();
            assert!(seen <= idle && idle < seen + 1.2 * step, "{seen} W of {idle} W");
            assert!((number(&hwmon.join("in1_input")) as f64 - 1e3 * volts).abs() < 10.0);
            let shunt = idle / volts * rail.shunt.ohms() * 1e3;
            assert!((number(&hwmon.join("in0_input")) as f64 - shunt).abs() <= 0.5 + 0.01);
        }
    }
}

/// Ways to write a setting: what a shell does, and what a program with an open file may.
fn write(path: &Path, truncate: bool, text: &[u8]) {
    let file = OpenOptions::new().write(true).truncate(truncate).open(path).unwrap();
    file.write_all_at(text, 0).unwrap();
}

#[test]
fn intervals_are_read_however_they_are_written() {
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    let file = hwmon(&board, 0).join("update_interval");
    for truncate in [true, false] {
        for end in ["\n", ""] {
            // From short to long and back, and twice the same.
            for (wish, shown) in [
                (2, 2),
                (2253, 2253),
                (2, 2),
                (2, 2),
                (9, 9),
                (140, 141),
                (23, 9),
                (4_000_000, 2253),
            ] {
                write(&file, truncate, format!("{wish}{end}").as_bytes());
                pass(&board, 20.0);
                assert_eq!(number(&file), shown, "{wish}{end:?} written, truncated: {truncate}");
            }
            for garbage in [&b"soon"[..], b"-5", b"", b"\xff\xfe\x00", b"1.5"] {
                write(&file, true, b"35\n");
                pass(&board, 20.0);
                write(&file, truncate, garbage);
                pass(&board, 20.0);
                assert_eq!(number(&file), 35, "{garbage:?} is put right again");
            }
        }
    }
}

#[test]
fn a_new_interval_is_in_force_within_20_ms() {
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    let arm = hwmon(&board, 0);
    let idle = board.description().rails[0].idle_power.watts();
    let busy = idle + board.description().component("a15").unwrap().dynamic_power.watts();
    // After 5 ms of load a 2.2 ms conversion has seen nothing else; one of 141 ms may not have
    // ended, and if it did has hardly seen any.
    for (wish, low, high) in [("2", 0.99 * busy, 1.01 * busy), ("141", 0.95 * idle, 2.0 * idle)] {
        write(&arm.join("update_interval"), true, wish.as_bytes());
        pass(&board, 20.0 + 2.0 * 141.0);
        let flight = board.submit("a15", 0, &work(&[(50.0, 0.0, 0.0)]));
        pass(&board, 5.0);
        let seen = watts(&arm);
        assert!((low..=high).contains(&seen), "{wish} ms: {seen} W, idle {idle} W, busy {busy} W");
        board.wait(flight).unwrap();
        pass(&board, 300.0);
    }
}

/// Read once a conversion, the readings hold every joule of a load that comes and goes within
/// them: each is the mean over its conversion.
#[test]
fn readings_are_means_over_conversions() {
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    let (arm, memory) = (hwmon(&board, 0), hwmon(&board, 1));
    // Sixteen pairs of 1.1 ms: with a clock that does not err, the phase stays.
    let conversion_ms = 35.2;
    pass(&board, 4.0 * conversion_ms);
    let idle = [watts(&arm), watts(&memory)];
    let bursts = [(25.0, 60e6, 10e6), (3.0, 0.0, 0.0), (40.0, 100e6, 0.0)];
    let flights: Vec<_> =
        bursts.iter().map(|&burst| board.submit("a15", 0, &work(&[burst]))).collect();
    let mut seen = [0.0; 2];
    for _ in 0..6 {
        pass(&board, conversion_ms);
        for (sum, (rail, idle)) in seen.iter_mut().zip([(&arm, idle[0]), (&memory, idle[1])]) {
            *sum += (watts(rail) - idle) * conversion_ms * 1e-3;
        }
    }
    let done: Vec<_> = flights.into_iter().map(|flight| board.wait(flight).unwrap()).collect();
    for (rail, seen) in seen.into_iter().enumerate() {
        let caused: f64 = done.iter().map(|done| done.image.active_joules[rail]).sum();
        // Two roundings of half a milliampere at 1.25 V over six conversions.
        let steps = 2.0 * 0.5e-3 * 1.25 * 6.0 * conversion_ms * 1e-3;
        assert!((seen - caused).abs() < steps, "rail {rail}: {seen} J of {caused} J");
        assert!(caused > 20.0 * steps, "rail {rail}: {caused} J is enough to tell");
    }
}

/// Everything the sensors of a board show over a second.
fn shown(description: Description, seed: u64) -> Vec<String> {
    let board = EmulatedBoard::start(description, ClockKind::Virtual, seed).unwrap();
    let _here = attend(board.clock());
    let mut shown = Vec::new();
    for _ in 0..28 {
        pass(&board, 35.2);
        for rail in 0..4 {
            let files = ["in0_input", "in1_input", "curr1_input", "power1_input"];
            shown.extend(files.map(|file| text(&hwmon(&board, rail).join(file))));
        }
    }
    shown
}

#[test]
fn noise_is_that_of_its_seed() {
    let noisy = || Description::load("exynos5422").unwrap();
    assert_eq!(shown(noisy(), 7), shown(noisy(), 7));
    assert_ne!(shown(noisy(), 7), shown(noisy(), 8));
    // And there is none where none is described: at rest nothing changes after the first.
    let still = shown(quiet("exynos5422"), 7);
    assert!(still[32..].chunks(16).all(|round| round == &still[16..32]), "{still:?}");
}
