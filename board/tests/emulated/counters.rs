//! Register files: programmed and read by mapping them, as a driver would.

use wattline_board::clock::attend;
use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::fluid::Completion;
use wattline_board::registers::{RegisterWindow, cci_counter, cci400, cci550, pmcr, ppmu};

use crate::{pass, quiet, start, work};

fn window(board: &EmulatedBoard, base: u64, size: usize) -> RegisterWindow {
    let (path, offset) = board.roots().registers.locate(base);
    RegisterWindow::open(&path, offset, size).unwrap()
}

/// Has a CCI counter, by its block, count an event.
fn select(window: &RegisterWindow, block: usize, event: u32) {
    window.write(block + cci_counter::EVENT_SELECT, event);
    window.write(block + cci_counter::CONTROL, 1);
}

fn enable(window: &RegisterWindow, on: bool) {
    let others = window.read(cci400::PMCR) & !pmcr::ENABLE;
    window.write(cci400::PMCR, others | if on { pmcr::ENABLE } else { 0 });
}

/// Runs an image that reads 33 MB and writes 11 MB. Its DRAM bytes are known to the byte.
fn run(board: &EmulatedBoard, component: &str) -> Completion {
    let work = work(&[(10.0, 30e6, 10e6), (1.0, 3e6, 1e6)]);
    board.wait(board.submit(component, 0, &work)).unwrap()
}

const READ: f64 = 33e6;
const WRITTEN: f64 = 11e6;

/// Four counters of the CCI-400: a15 reads, a15 writes, a7 reads, and what is no traffic.
fn program(window: &RegisterWindow) {
    for (index, (port, event)) in
        [(4, cci400::READ_REQUEST), (4, cci400::WRITE_REQUEST), (3, cci400::READ_REQUEST), (4, 1)]
            .into_iter()
            .enumerate()
    {
        select(window, cci400::counter(index), cci400::slave_event(port, event));
    }
}

fn cci400_counts(window: &RegisterWindow) -> [u32; 4] {
    std::array::from_fn(|index| window.read(cci400::counter(index) + cci_counter::COUNT))
}

/// Counts between two looks, wrapped or not.
fn between(before: [u32; 4], after: [u32; 4]) -> [f64; 4] {
    std::array::from_fn(|index| f64::from(after[index].wrapping_sub(before[index])))
}

fn within_one(counts: f64, bytes: f64, bytes_per_count: u64) -> bool {
    (counts - bytes / bytes_per_count as f64).abs() <= 1.0
}

#[test]
fn the_cci_400_counts_requests_of_the_ports_selected() {
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    let cci = window(&board, 0x10d2_0000, cci400::SIZE);
    assert_eq!(cci.read(cci400::SECURE_ACCESS) & 1, 1);
    assert!(cci.read(cci400::PERIPHERAL_ID2) >> 4 >= 5, "revision r1");
    assert_eq!(cci.read(cci400::PMCR) >> pmcr::COUNTERS_SHIFT & 0x1f, 4);

    let at_reset = cci400_counts(&cci);
    run(&board, "a15");
    assert_eq!(cci400_counts(&cci), at_reset, "nothing is selected");
    program(&cci);
    run(&board, "a15");
    assert_eq!(cci400_counts(&cci), at_reset, "the block is not enabled");

    enable(&cci, true);
    run(&board, "a15");
    let [read, written, a7_read, device] = between(at_reset, cci400_counts(&cci));
    assert!(within_one(read, READ, 64) && within_one(written, WRITTEN, 64), "{read} {written}");
    assert_eq!((a7_read, device), (0.0, 0.0), "another port, another event");
    let overflow = |index| cci.read(cci400::counter(index) + cci_counter::OVERFLOW) & 1;
    assert_eq!([0, 1, 2, 3].map(overflow), [1, 1, 0, 0], "counts start just below 2^32");
    assert!(cci400_counts(&cci)[0] < at_reset[0], "and wrap");

    let before = cci400_counts(&cci);
    run(&board, "a7");
    let [read, written, a7_read, _] = between(before, cci400_counts(&cci));
    assert!(within_one(a7_read, READ, 64), "{a7_read}");
    assert_eq!((read, written), (0.0, 0.0));

    let before = cci400_counts(&cci);
    run(&board, "gpu");
    assert_eq!(cci400_counts(&cci), before, "the GPU bypasses it");

    cci.write(cci400::counter(0) + cci_counter::CONTROL, 0);
    run(&board, "a15");
    let [read, written, ..] = between(before, cci400_counts(&cci));
    assert_eq!(read, 0.0, "a counter is stopped");
    assert!(within_one(written, WRITTEN, 64), "and the next goes on: {written}");
    enable(&cci, false);
    let before = cci400_counts(&cci);
    run(&board, "a15");
    assert_eq!(cci400_counts(&cci), before, "the block is stopped");
}

#[test]
fn the_ppmus_see_all_dram_traffic() {
    let board = start(quiet("exynos5422"));
    let _here = attend(board.clock());
    let bases = [0x10d0_0000, 0x10d1_0000, 0x10d6_0000, 0x10d7_0000];
    let blocks = bases.map(|base| window(&board, base, ppmu::SIZE));
    let counts = || -> Vec<u32> {
        let of = |block: &RegisterWindow| [0, 1, 2].map(|index| block.read(ppmu::count(index)));
        blocks.iter().flat_map(of).collect()
    };
    for block in &blocks {
        block.write(ppmu::event_select(0), ppmu::READ_DATA);
        block.write(ppmu::event_select(1), ppmu::WRITE_DATA);
        block.write(ppmu::event_select(2), ppmu::READ_DATA);
    }
    let at_reset = counts();
    run(&board, "gpu");
    assert_eq!(counts(), at_reset, "no counter is enabled");
    blocks.iter().for_each(|block| block.write(ppmu::COUNTER_ENABLE, 0b011));
    run(&board, "gpu");
    assert_eq!(counts(), at_reset, "no block is enabled");

    blocks.iter().for_each(|block| block.write(ppmu::PMNC, 1));
    let began_ns = board.clock().now_ns();
    for component in ["a15", "gpu", "a7"] {
        run(&board, component);
    }
    pass(&board, 100.0);
    let seconds = (board.clock().now_ns() - began_ns) as f64 * 1e-9;
    let after = counts();
    let beats = |column: usize| -> f64 {
        let column = at_reset.iter().zip(&after).skip(column).step_by(3);
        column.map(|(before, after)| f64::from(after.wrapping_sub(*before))).sum()
    };
    let idle = board.description().memory.idle_traffic.bytes_per_s() * seconds;
    for (beats, bytes) in
        [(beats(0), 3.0 * READ + 0.75 * idle), (beats(1), 3.0 * WRITTEN + 0.25 * idle)]
    {
        // A count for each of four blocks.
        let expected = bytes / ppmu::BYTES_PER_COUNT as f64;
        assert!((beats - expected).abs() <= 4.0, "{beats} beats, not {expected}");
    }
    assert_eq!(beats(2), 0.0, "the third counter is not enabled");
    assert!(blocks.iter().all(|block| block.read(ppmu::FLAG) == 0b011), "two counters wrapped");

    blocks.iter().for_each(|block| block.write(ppmu::COUNTER_DISABLE, 0b001));
    let before = counts();
    run(&board, "a15");
    let after = counts();
    assert!(before.iter().zip(&after).step_by(3).all(|(before, after)| before == after));
    assert!(before.iter().zip(&after).skip(1).step_by(3).all(|(before, after)| before != after));
    assert!(blocks.iter().all(|block| block.read(ppmu::COUNTER_ENABLE) == 0b010));
    blocks.iter().for_each(|block| block.write(ppmu::PMNC, 0));
    let before = counts();
    run(&board, "a15");
    assert_eq!(counts(), before, "the blocks are stopped");
}

#[test]
fn the_cci_550_counts_beats_of_its_memory_ports() {
    let board = start(quiet("kirin970"));
    let _here = attend(board.clock());
    let cci = window(&board, 0xe810_0000, cci550::SIZE);
    assert_eq!(cci.read(cci550::PMCR) >> pmcr::COUNTERS_SHIFT & 0x1f, 8);
    for port in 0..4 {
        let events = [cci550::READ_BEAT, cci550::WRITE_BEAT];
        for (index, event) in events.into_iter().enumerate() {
            let block = cci550::counter(2 * port as usize + index);
            select(&cci, block, cci550::master_event(port, event));
        }
    }
    let counts = || -> [u32; 8] {
        std::array::from_fn(|index| cci.read(cci550::counter(index) + cci_counter::COUNT))
    };
    let at_reset = counts();
    run(&board, "npu");
    assert_eq!(counts(), at_reset, "the block is not enabled");
    enable(&cci, true);
    let began_ns = board.clock().now_ns();
    for component in ["a73", "a53", "gpu", "npu"] {
        run(&board, component);
    }
    let seconds = (board.clock().now_ns() - began_ns) as f64 * 1e-9;
    let after = counts();
    let beats = |write: usize| -> f64 {
        let counters = at_reset.iter().zip(&after).skip(write).step_by(2);
        counters.map(|(before, after)| f64::from(after.wrapping_sub(*before))).sum()
    };
    let idle = board.description().memory.idle_traffic.bytes_per_s() * seconds;
    for (beats, bytes) in
        [(beats(0), 4.0 * READ + 0.75 * idle), (beats(1), 4.0 * WRITTEN + 0.25 * idle)]
    {
        // A count for each of four ports.
        let expected = bytes / cci550::BYTES_PER_BEAT as f64;
        assert!((beats - expected).abs() <= 4.0, "{beats} beats, not {expected}");
    }
    enable(&cci, false);
    let before = counts();
    run(&board, "npu");
    assert_eq!(counts(), before, "the block is stopped");
}
