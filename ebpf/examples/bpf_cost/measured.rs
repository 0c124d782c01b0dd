//! CPU time, and what is said of many measurements.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// CPU time of this process.
pub(crate) fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has that clock").into()
}

/// The median of some values, and the quartiles around it.
pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [0.5, 0.25, 0.75].map(|share| values[((values.len() - 1) as f64 * share).round() as usize])
}

/// Prints a cost in ns: its median over the rounds, and the quartiles.
pub(crate) fn tell_ns(what: &str, values_ns: Vec<f64>) {
    let [median, low, high] = quartiles(values_ns);
    println!("  {what:<44} {median:>6.0} ns   (quartiles {low:.0}, {high:.0})");
}

/// Of each treatment the values of all rounds, in random order of the treatments in each round, so
/// that none is always the one after another.
pub(crate) fn in_turn<const TREATMENTS: usize, E>(
    rounds: usize,
    mut measure: impl FnMut(usize) -> Result<f64, E>,
) -> Result<[Vec<f64>; TREATMENTS], E> {
    let mut values = [const { Vec::new() }; TREATMENTS];
    let mut state = u64::from(std::process::id());
    for _ in 0..rounds {
        let mut order: [usize; TREATMENTS] = std::array::from_fn(|treatment| treatment);
        for last in (1..TREATMENTS).rev() {
            // Knuth's generator, MMIX; its upper bits are the good ones.
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            order.swap(last, (state >> 33) as usize % (last + 1));
        }
        for treatment in order {
            values[treatment].push(measure(treatment)?);
        }
    }
    Ok(values)
}
