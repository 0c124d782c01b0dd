//! Clocks as Linux shows them: cpufreq of clusters, devfreq of a GPU.

use std::fs;

use wattline_board::clock::attend;

use super::*;

fn number(path: &std::path::Path) -> u64 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[test]
fn a_limit_that_is_written_becomes_the_frequency() {
    let board = start(quiet("exynos5422"));
    let _attendance = attend(board.clock());
    let sysfs = board.roots().sysfs.clone();
    let a15 = sysfs.join("devices/system/cpu/cpu6/cpufreq");
    let listed = fs::read_to_string(a15.join("scaling_available_frequencies")).unwrap();
    assert_eq!(listed, "200000 600000 1000000 1400000 1800000 2000000\n");
    assert_eq!(number(&a15.join("scaling_cur_freq")), 2_000_000);
    let seconds = |board: &EmulatedBoard| {
        let done = board.wait(board.submit("a15", 0, &work(&[(10.0, 0.0, 0.0)]))).unwrap();
        (done.image.end_ns - done.image.start_ns) as f64 * 1e-9
    };
    let fast = seconds(&board);
    fs::write(a15.join("scaling_max_freq"), "1000000\n").unwrap();
    pass(&board, 20.0);
    assert_eq!(number(&a15.join("scaling_cur_freq")), 1_000_000);
    assert!((seconds(&board) / fast - 2.0).abs() < 1e-6);
    // A limit beyond what there is, one that crosses the other, and none at all.
    fs::write(a15.join("scaling_max_freq"), "9000000").unwrap();
    pass(&board, 20.0);
    assert_eq!(number(&a15.join("scaling_max_freq")), 2_000_000);
    fs::write(a15.join("scaling_max_freq"), "600000").unwrap();
    pass(&board, 20.0);
    fs::write(a15.join("scaling_min_freq"), "1400000").unwrap();
    pass(&board, 20.0);
    assert_eq!(number(&a15.join("scaling_min_freq")), 200_000);
    fs::write(a15.join("scaling_max_freq"), "fast").unwrap();
    pass(&board, 20.0);
    assert_eq!(number(&a15.join("scaling_max_freq")), 600_000);
}

#[test]
fn a_gpu_counts_in_hertz() {
    let board = start(quiet("exynos5422"));
    let _attendance = attend(board.clock());
    let gpu = board.roots().sysfs.join("class/devfreq/gpu.gpu");
    fs::write(gpu.join("max_freq"), "420000000").unwrap();
    pass(&board, 20.0);
    assert_eq!(number(&gpu.join("cur_freq")), 420_000_000);
    assert!(!board.roots().sysfs.join("class/devfreq/a15.gpu").exists());
}
