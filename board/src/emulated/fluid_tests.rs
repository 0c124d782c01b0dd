use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::description::DescriptionError;
use crate::emulated::work::LayerWork;

const BOARD: &str = r#"
name = "test"
model = "test"
[memory]
bandwidth = "10 GB/s"
energy_per_byte = "100 pJ/B"
idle_traffic = "0 MB/s"
rail = "MEM"
[[rails]]
name = "CPU"
i2c_address = 0x40
chip = "ina231"
shunt = "10 mOhm"
voltage = "1 V"
idle_power = "200 mW"
[[rails]]
name = "MEM"
i2c_address = 0x41
chip = "ina231"
shunt = "10 mOhm"
voltage = "1 V"
idle_power = "100 mW"
[[components]]
name = "cpu"
kind = "cpu"
cpus = [0]
peak = { fp32 = "10 GFLOP/s" }
bandwidth = "8 GB/s"
last_level_cache = "1 MiB"
dispatch = "0 us"
rail = "CPU"
dynamic_power = "2 W"
[[components]]
name = "gpu"
kind = "gpu"
peak = { fp32 = "10 GFLOP/s" }
bandwidth = "8 GB/s"
last_level_cache = "1 MiB"
dispatch = "100 us"
dynamic_power = "1 W"
driver = { component = "cpu", share = 0.25 }
"#;

fn fluid() -> Fluid {
    Fluid::new(&described(BOARD).unwrap(), 0)
}

fn described(text: &str) -> Result<Description, DescriptionError> {
    Description::parse(text, Path::new("test.toml"))
}

/// The board with a memory that sustains less than its interface carries.
fn sustaining(bandwidth: &str) -> String {
    let wide = "bandwidth = \"10 GB/s\"";
    BOARD.replacen(wide, &format!("{wide}\nsustained = \"{bandwidth}\""), 1)
}

fn work(layers: &[(f64, f64, f64)]) -> Arc<Work> {
    let layers = layers
        .iter()
        .map(|&(dispatch_s, compute_s, bytes)| LayerWork {
            name: "layer".into(),
            kilohertz: None,
            dispatch_s,
            compute_s,
            read_bytes: 0.75 * bytes,
            write_bytes: 0.25 * bytes,
        })
        .collect();
    Arc::new(Work { network: "network".into(), layers })
}

/// Lets everything that was submitted run to its end.
fn drain(fluid: &mut Fluid) {
    while let Some(next) = fluid.next_event_ns() {
        fluid.advance_to(next);
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1e-9)
}

#[test]
fn a_layer_takes_the_longer_of_computing_and_moving() {
    let mut fluid = fluid();
    fluid.submit(0, JobId(1), work(&[(0.0, 0.5, 1e9), (0.0, 0.1, 8e9)]));
    drain(&mut fluid);
    let done = fluid.take(JobId(1)).unwrap();
    let seconds = |spent: &Spent| (spent.end_ns - spent.start_ns) as f64 * 1e-9;
    assert!(close(seconds(&done.layers[0]), 0.5), "{done:?}");
    assert!(close(seconds(&done.layers[1]), 1.0), "{done:?}");
    // 2 W for 1.5 s on the CPU's rail, 9 GB at 100 pJ on the memory's.
    assert!(close(done.image.active_joules[0], 3.0), "{done:?}");
    assert!(close(done.image.active_joules[1], 0.9), "{done:?}");
    assert!(close(done.image.total_joules[0], 3.0 + 0.2 * 1.5), "{done:?}");
    assert!(close(done.image.dram_bytes, 9e9));
    assert!(fluid.take(JobId(1)).is_none(), "a completion is taken once");
}

#[test]
fn two_that_want_all_the_memory_get_half_each() {
    let mut fluid = fluid();
    fluid.submit(0, JobId(1), work(&[(0.0, 1e-9, 5e9)]));
    fluid.submit(1, JobId(2), work(&[(0.0, 1e-9, 5e9)]));
    drain(&mut fluid);
    for job in [JobId(1), JobId(2)] {
        let done = fluid.take(job).unwrap();
        assert!(close(done.image.end_ns as f64 * 1e-9, 1.0), "{done:?}");
    }
}

#[test]
fn what_the_memory_sustains_binds_two_and_not_one() {
    let mut fluid = Fluid::new(&described(&sustaining("8 GB/s")).unwrap(), 0);
    fluid.submit(0, JobId(1), work(&[(0.0, 1e-9, 8e9)]));
    drain(&mut fluid);
    let alone = fluid.take(JobId(1)).unwrap();
    assert!(close(alone.image.end_ns as f64 * 1e-9, 1.0), "{alone:?}");
    for component in 0..2 {
        fluid.submit(component, JobId(2 + component as u64), work(&[(0.0, 1e-9, 8e9)]));
    }
    drain(&mut fluid);
    let shared = fluid.take(JobId(2)).unwrap();
    let seconds = (shared.image.end_ns - shared.image.start_ns) as f64 * 1e-9;
    assert!(close(seconds, 2.0), "half of 8 GB/s each: {seconds}");
}

#[test]
fn a_memory_sustains_what_one_component_draws_and_no_more_than_its_interface_carries() {
    for (bandwidth, expected) in [
        (
            "7 GB/s",
            "test.toml:6: memory.sustained: 7 GB/s less idle_traffic is below the 8 GB/s that cpu sustains alone",
        ),
        (
            "11 GB/s",
            "test.toml:6: memory.sustained: 11 GB/s is more than memory.bandwidth, 10 GB/s",
        ),
    ] {
        assert_eq!(described(&sustaining(bandwidth)).unwrap_err().to_string(), expected);
    }
}

#[test]
fn driving_an_accelerator_costs_its_driver() {
    let mut fluid = fluid();
    fluid.submit(1, JobId(1), work(&[(1e-4, 0.9999, 0.0)]));
    fluid.advance_to(500_000_000.min(fluid.next_event_ns().unwrap()));
    drain(&mut fluid);
    let alone = fluid.take(JobId(1)).unwrap();
    // A quarter of the CPU's 2 W for a second.
    assert!(close(alone.image.active_joules[0], 0.5), "{alone:?}");
    fluid.submit(1, JobId(2), work(&[(0.0, 10.0, 0.0)]));
    fluid.submit(0, JobId(3), work(&[(0.0, 0.75, 0.0)]));
    drain(&mut fluid);
    let slowed = fluid.take(JobId(3)).unwrap();
    let seconds = (slowed.image.end_ns - slowed.image.start_ns) as f64 * 1e-9;
    assert!(close(seconds, 1.0), "three quarters of the CPU are left: {seconds}");
}

proptest! {
    /// Joules and bytes are conserved however work and time are cut up: a rail's energy is its
    /// idle energy and what the jobs caused, and the bytes moved are those of the layers.
    #[test]
    fn joules_and_bytes_are_conserved(
        jobs in prop::collection::vec((0usize..2, prop::collection::vec((0.0..1e-3f64, 0.0..1e-2f64, 0.0..1e8f64), 1..6)), 1..8),
        steps in prop::collection::vec(1u64..3_000_000, 0..60),
    ) {
        let mut fluid = fluid();
        for (id, (component, layers)) in jobs.iter().enumerate() {
            fluid.submit(*component, JobId(id as u64), work(layers));
        }
        for step in steps {
            let now = fluid.now_ns + step;
            while let Some(next) = fluid.next_event_ns().filter(|&next| next <= now) {
                fluid.advance_to(next);
            }
            fluid.advance_to(now);
        }
        drain(&mut fluid);
        let seconds = fluid.now_ns as f64 * 1e-9;
        let done: Vec<_> = (0..jobs.len()).map(|id| fluid.take(JobId(id as u64)).unwrap()).collect();
        for rail in 0..2 {
            let caused: f64 = done.iter().map(|done| done.image.active_joules[rail]).sum();
            prop_assert!(close(fluid.rail_joules(rail), fluid.idle_watts[rail] * seconds + caused));
        }
        let moved: f64 = done.iter().map(|done| done.image.dram_bytes).sum();
        let (read, written) = fluid.dram_bytes();
        prop_assert!((read + written - moved).abs() <= 1.0 + 1e-6 * moved, "{} {moved}", read + written);
        for done in &done {
            prop_assert!(done.layers.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns));
        }
    }
}

/// The board with operating points of the CPU, and the cost of changing between them.
const CLOCKED: &str = r#"
leakage = 0.25
switching = { time = "1 ms", energy = "1 mJ" }
operating_points = [
    { frequency = "500 MHz", voltage = "0.8 V" },
    { frequency = "1000 MHz", voltage = "1 V" },
]
"#;

fn clocked() -> Fluid {
    let own = "dynamic_power = \"2 W\"\n";
    Fluid::new(&described(&BOARD.replacen(own, &format!("{own}{CLOCKED}"), 1)).unwrap(), 0)
}

/// 0.75 of the power goes with f · V², 0.25 with V.
const AT_HALF: f64 = 0.75 * 0.5 * 0.64 + 0.25 * 0.8;

#[test]
fn arithmetic_goes_with_the_clock_and_bandwidth_does_not() {
    let mut fluid = clocked();
    assert!(fluid.set_frequency(0, 500_000));
    assert!(!fluid.set_frequency(0, 600_000));
    fluid.submit(0, JobId(1), work(&[(0.1, 0.5, 0.0), (0.0, 0.1, 8e9)]));
    drain(&mut fluid);
    let done = fluid.take(JobId(1)).unwrap();
    let seconds = |spent: &Spent| (spent.end_ns - spent.start_ns) as f64 * 1e-9;
    assert!(close(seconds(&done.layers[0]), 2.0 * 0.6), "{done:?}");
    assert!(close(seconds(&done.layers[1]), 1.0), "{done:?}");
    assert!(close(done.image.active_joules[0], 2.0 * AT_HALF * 2.2), "{done:?}");
}

#[test]
fn a_layer_that_asks_for_a_frequency_pays_for_the_change() {
    let mut fluid = clocked();
    let mut two = Work::clone(&work(&[(0.0, 0.1, 0.0), (0.0, 0.1, 0.0)]));
    two.layers[1].kilohertz = Some(500_000);
    let two = Arc::new(two);
    fluid.submit(0, JobId(1), Arc::clone(&two));
    fluid.submit(0, JobId(2), two);
    drain(&mut fluid);
    let (first, second) = (fluid.take(JobId(1)).unwrap(), fluid.take(JobId(2)).unwrap());
    let seconds = |spent: &Spent| (spent.end_ns - spent.start_ns) as f64 * 1e-9;
    assert!(close(seconds(&first.layers[0]), 0.1), "the board starts at the highest: {first:?}");
    assert!(close(seconds(&first.layers[1]), 0.201), "{first:?}");
    assert!(close(seconds(&second.layers[0]), 0.101), "and goes back to it: {second:?}");
    assert!(close(first.layers[1].active_joules[0], 1e-3 + 2.0 * AT_HALF * 0.2), "{first:?}");
    assert!(close(second.layers[0].active_joules[0], 1e-3 + 2.0 * 0.1), "{second:?}");
}

#[test]
fn a_slow_driver_dispatches_slowly_and_is_driven_harder() {
    let mut fluid = clocked();
    fluid.set_frequency(0, 500_000);
    fluid.submit(1, JobId(1), work(&[(0.1, 0.8, 0.0)]));
    drain(&mut fluid);
    let done = fluid.take(JobId(1)).unwrap();
    assert!(close(done.image.end_ns as f64 * 1e-9, 1.0), "{done:?}");
    // Half of it instead of a quarter, for a second.
    assert!(close(done.image.active_joules[0], 0.5 * 2.0 * AT_HALF), "{done:?}");
}
