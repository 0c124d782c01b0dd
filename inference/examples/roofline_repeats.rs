//! Whether the roofline's ceilings come out the same again: `roofline_repeats [REPEATS] [cpu|gpu]`.
//!
//! Each repeat measures what `wattline roofline` measures, and before and after it a control that shares
//! nothing with it but the machine: the sum of a plain array of numbers on every core at once, best of
//! many. Where the machine's own bandwidth moves from one repeat to the next, the control moves along;
//! what is the benchmark's own doing remains in the ratio of the two.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use wattline_board::Roots;
use wattline_board::detect;
use wattline_inference::affinity::bind;
use wattline_inference::cost::ElementType;
use wattline_inference::opencl::{self, DeviceChoice, ceilings};
use wattline_inference::roofline::{self, Repeats};

/// Passes of the control, of which the best counts.
const PASSES: usize = 250;

/// Bytes/s of a plain sum, all of `cpus` at once, each over its share of `bytes`.
fn control(cpus: &[u32], bytes: u64) -> f64 {
    let values = bytes as usize / cpus.len() / size_of::<f64>();
    let best = |cpu: u32| {
        bind(&[cpu]).expect("a CPU that is online");
        let array = vec![1.5_f64; values];
        let pass = || {
            let start = Instant::now();
            let mut sums = [0.0; 16];
            for chunk in array.as_chunks::<16>().0 {
                sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
            }
            black_box(sums);
            (values * size_of::<f64>()) as f64 / start.elapsed().as_secs_f64()
        };
        (0..PASSES).map(|_| pass()).fold(0.0, f64::max)
    };
    std::thread::scope(|scope| {
        let cores: Vec<_> = cpus.iter().map(|&cpu| scope.spawn(move || best(cpu))).collect();
        cores.into_iter().map(|core| core.join().expect("a sum does not panic")).sum()
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: the only thread so far.
    unsafe { wattline_inference::opencl::keep_pocl_threads_apart() };
    let mut arguments = std::env::args().skip(1);
    let repeats: usize = arguments.next().map_or(Ok(5), |it| it.parse())?;
    let on_gpu = arguments.next().is_some_and(|it| it == "gpu");
    let machine = Roots::machine();
    let cpus = detect::online_cpus(&machine);
    let cache = cpus.iter().filter_map(|&cpu| detect::last_level_cache(&machine, cpu));
    let array_bytes = 4 * cache.map(|it| it.bytes() as u64).max().unwrap_or(16 << 20);
    let device = if on_gpu { Some(opencl::choose(&DeviceChoice::Best)?) } else { None };
    let names = ["peak GFLOP/s", "read GB/s", "write GB/s", "copy GB/s", "control GB/s"];
    println!("{}", device.as_ref().map_or("CPUs".to_owned(), ToString::to_string));
    println!("{}", names.map(|name| format!("{name:>14}")).join(""));
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for _ in 0..repeats.max(1) {
        let before = control(&cpus, array_bytes);
        let (peak, bandwidth) = match &device {
            Some(device) => {
                let peak = ceilings::peak(device, ElementType::F32, Repeats::THOROUGH, &mut || {})?;
                let bandwidth =
                    ceilings::bandwidth(device, array_bytes, Repeats::THOROUGH, &mut || {})?;
                (peak.map(|(peak, _)| peak), bandwidth)
            }
            None => {
                let kernel = roofline::arithmetic();
                let peak = roofline::peak(&cpus, kernel, Repeats::THOROUGH, &mut || {})?;
                (peak, roofline::bandwidth(&cpus, array_bytes, Repeats::THOROUGH, &mut || {})?)
            }
        };
        let mut row = vec![1e-9 * peak.ok_or("no peak was measured")?.best];
        row.extend(bandwidth.bytes_per_s.iter().map(|(_, rate)| 1e-9 * rate.best));
        row.push(1e-9 * before.max(control(&cpus, array_bytes)));
        println!("{}", row.iter().map(|value| format!("{value:>14.2}")).collect::<String>());
        rows.push(row);
    }
    let spread = |of: &dyn Fn(&[f64]) -> f64| {
        let values = rows.iter().map(|row| of(row));
        let (least, most) =
            values.fold((f64::MAX, 0.0), |(least, most), it| (it.min(least), it.max(most)));
        100.0 * (most / least - 1.0)
    };
    for (what, by_control) in
        [("largest over least, %", false), ("the same over the control's, %", true)]
    {
        let cells = (0..names.len()).map(|index| {
            let value =
                |row: &[f64]| row[index] / if by_control { row[names.len() - 1] } else { 1.0 };
            format!("{:>14.1}", spread(&value))
        });
        println!("{}  {what}", cells.collect::<String>());
    }
    Ok(())
}
