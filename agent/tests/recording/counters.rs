//! Register blocks: programmed, read across wraps, left as found.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use wattline_agent::{Inventory, Recorder, Settings};
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_board::description::Description;
use wattline_board::registers::{RegisterWindow, cci_counter, cci400, cci550, pmcr, ppmu};
use wattline_trace::BundleWriter;

use crate::fake::{FakeBoard, exynos5422};

const CCI400: u64 = 0x10d2_0000;
const CCI550: u64 = 0xe810_0000;
const PPMU: [u64; 4] = [0x10d0_0000, 0x10d1_0000, 0x10d6_0000, 0x10d7_0000];

fn wall() -> Arc<dyn Clock> {
    Arc::new(WallClock)
}

fn start(board: &FakeBoard, description: &Description, rate_hz: f64) -> (Recorder, BundleWriter) {
    let inventory = Inventory::discover(description, &board.roots);
    let settings = Settings {
        rate_hz,
        update_interval_ms: None,
        priority: None,
        lock_memory: false,
        ..Settings::default()
    };
    let bundle = board.bundle();
    (Recorder::start(inventory, &wall(), &bundle, &settings).unwrap(), bundle)
}

/// A word for each register, none of them what we would write.
fn scramble(window: &RegisterWindow, size: usize, seed: u32) -> Vec<u32> {
    let word = |offset: usize| (offset as u32).wrapping_mul(0x9e37_79b9).wrapping_add(seed) | 8;
    for offset in (0..size).step_by(4) {
        window.write(offset, word(offset));
    }
    snapshot(window, size)
}

fn snapshot(window: &RegisterWindow, size: usize) -> Vec<u32> {
    (0..size).step_by(4).map(|offset| window.read(offset)).collect()
}

#[test]
fn cci400_counts_requests_of_the_described_ports() {
    let board = FakeBoard::exynos();
    let window = board.registers(CCI400, cci400::SIZE);
    let before = scramble(&window, cci400::SIZE, 1);
    let (recorder, bundle) = start(&board, &exynos5422(), 100.0);
    assert_eq!(window.read(cci400::PMCR) & pmcr::ENABLE, 1);
    // Reads and writes of slave interfaces 3 and 4. [drivers/perf/arm-cci.c]
    for (counter, event) in [0x60, 0x6c, 0x80, 0x8c].into_iter().enumerate() {
        let base = cci400::counter(counter);
        assert_eq!(window.read(base + cci_counter::EVENT_SELECT), event);
        assert_eq!(window.read(base + cci_counter::CONTROL) & 1, 1);
    }
    let count = cci400::counter(3) + cci_counter::COUNT;
    window.write(count, window.read(count).wrapping_add(10));
    recorder.stop(attend(&wall()));
    drop(bundle);
    window.write(count, window.read(count).wrapping_sub(10));
    assert_eq!(snapshot(&window, cci400::SIZE), before, "left as found");
    let rows = board.traffic();
    let last = rows.iter().rfind(|row| row.source == *"cci400" && row.port == *"s4").unwrap();
    assert_eq!((last.read_bytes, last.write_bytes, last.total_bytes), (Some(0), Some(640), 640));
}

#[test]
fn cci550_counts_beats_of_the_memory_ports() {
    let board = FakeBoard::bare();
    board.add_cci550();
    let window = board.registers(CCI550, cci550::SIZE);
    let before = scramble(&window, cci550::SIZE, 2);
    let (recorder, bundle) = start(&board, &Description::load("kirin970").unwrap(), 100.0);
    assert_eq!(window.read(cci550::PMCR) & pmcr::ENABLE, 1);
    for port in 0..4u32 {
        for write in 0..2u32 {
            let base = cci550::counter((2 * port + write) as usize);
            assert_eq!(window.read(base + cci_counter::EVENT_SELECT), (8 + port) << 5 | write);
        }
    }
    let count = cci550::counter(4) + cci_counter::COUNT;
    window.write(count, window.read(count).wrapping_add(3));
    recorder.stop(attend(&wall()));
    drop(bundle);
    window.write(count, window.read(count).wrapping_sub(3));
    assert_eq!(snapshot(&window, cci550::SIZE), before);
    let rows = board.traffic();
    let last = rows.iter().rfind(|row| row.port == *"m2").unwrap();
    assert_eq!((last.read_bytes, last.write_bytes), (Some(48), Some(0)));
}

#[test]
fn ppmu_counts_on_its_first_two_counters_and_leaves_the_kernels_alone() {
    let board = FakeBoard::exynos();
    let window = board.registers(PPMU[2], ppmu::SIZE);
    window.write(ppmu::COUNTER_ENABLE, 1 << 3 | 1);
    let before = snapshot(&window, ppmu::SIZE);
    let (recorder, bundle) = start(&board, &exynos5422(), 100.0);
    assert_eq!(window.read(ppmu::COUNTER_ENABLE), 0b1011);
    assert_eq!(window.read(ppmu::PMNC), 1);
    assert_eq!(window.read(ppmu::event_select(0)), ppmu::READ_DATA);
    assert_eq!(window.read(ppmu::event_select(1)), ppmu::WRITE_DATA);
    recorder.stop(attend(&wall()));
    drop(bundle);
    // Switching a counter off is a write of its bit to another register.
    assert_eq!(window.read(ppmu::COUNTER_DISABLE), 0b0010);
    window.write(ppmu::COUNTER_DISABLE, 0);
    assert_eq!(snapshot(&window, ppmu::SIZE), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever the counters start at and however they move, the last row is the exact total.
    #[test]
    fn totals_are_exact_across_wraps(
        first in any::<u32>(),
        increments in proptest::collection::vec(any::<u32>(), 1..6),
    ) {
        let board = FakeBoard::exynos();
        let windows = PPMU.map(|base| board.registers(base, ppmu::SIZE));
        windows.iter().for_each(|window| window.write(ppmu::count(0), first));
        let (recorder, bundle) = start(&board, &exynos5422(), 1000.0);
        let mut register = first;
        for increment in &increments {
            register = register.wrapping_add(*increment);
            windows.iter().for_each(|window| window.write(ppmu::count(0), register));
            // Long enough that the sampler sees each step.
            std::thread::sleep(Duration::from_millis(20));
        }
        recorder.stop(attend(&wall()));
    drop(bundle);
        let total: u64 = increments.iter().map(|&it| u64::from(it)).sum();
        for port in ["dmc0_0", "dmc0_1", "dmc1_0", "dmc1_1"] {
            let rows = board.traffic();
            let rows: Vec<_> = rows.iter().filter(|row| row.port == *port).collect();
            prop_assert_eq!(rows.last().unwrap().read_bytes, Some(total * ppmu::BYTES_PER_COUNT));
            prop_assert!(rows.windows(2).all(|it| it[0].read_bytes <= it[1].read_bytes));
        }
    }
}
