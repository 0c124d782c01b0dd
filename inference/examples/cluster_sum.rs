//! Two clusters of one core each, side by side, as a share of the sum of what each does alone:
//! `cluster_sum [ROUNDS] [NETWORK...]`, on the first two CPUs that this process may use.
//!
//! Either alone, both, and either alone again, over and over, a quarter of a second each: what the
//! machine's speed does meanwhile, another program's doing or a hypervisor's, touches all alike. A
//! round's share is both together over the mean of the alone before and after; what stands in the
//! table is the median over the rounds, with its quartiles.
//!
//! The first row runs no network: each core goes through an array that no cache holds. Where memory
//! gives two cores less than twice what it gives one, networks whose weights come from it must share.

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use wattline_board::Roots;
use wattline_board::detect;
use wattline_inference::affinity::bind;
use wattline_inference::executor;
use wattline_inference::graph::Graph;
use wattline_inference::{Model, monotonic_ns, synthetic_image, zoo};

/// How long a phase takes, not counting the image under way at its end.
const PHASE: Duration = Duration::from_millis(250);

/// Bytes of the array that no cache holds, and what its row is called.
const ARRAY_BYTES: usize = 256 << 20;
const MEMORY: &str = "(memory)";

/// A cluster of one core: a thread pinned there that runs images when told to.
struct Cluster {
    orders: Sender<Order>,
    rates: Receiver<f64>,
}

/// To start when all others do, and to go on until the phase is over.
struct Order {
    start: Arc<Barrier>,
    over: Arc<AtomicBool>,
}

impl Cluster {
    /// Runs what `open` answers, made on that core.
    fn new<Run: FnMut()>(cpu: u32, open: impl FnOnce() -> Run + Send + 'static) -> Self {
        let (orders, incoming) = channel::<Order>();
        let (outgoing, rates) = channel();
        thread::spawn(move || {
            bind(&[cpu]).expect("a CPU that is online");
            let mut run = open();
            run();
            for Order { start, over } in incoming {
                start.wait();
                let (start_ns, mut images) = (monotonic_ns(), 0);
                while !over.load(Relaxed) {
                    run();
                    images += 1;
                }
                let seconds = (monotonic_ns() - start_ns) as f64 * 1e-9;
                if outgoing.send(f64::from(images) / seconds).is_err() {
                    return;
                }
            }
        });
        Self { orders, rates }
    }
}

/// Images of a network, one after another.
fn images(graph: Graph) -> impl FnOnce() -> Box<dyn FnMut()> + Send {
    move || {
        let name = executor::names().pop().expect("the reference is always there");
        let mut executor = executor::open(name, &graph, 1).expect("the zoo runs");
        let image = synthetic_image(graph.input_shape(), 1, 0).expect("an image of its shape");
        Box::new(move || {
            executor.run(&image, &mut ()).expect("it runs");
        })
    }
}

/// Passes through an array.
fn passes() -> Box<dyn FnMut()> {
    let array = vec![1_u64; ARRAY_BYTES / size_of::<u64>()];
    Box::new(move || {
        let mut sums = [0_u64; 32];
        for chunk in array.as_chunks::<32>().0 {
            sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
        }
        black_box(sums);
    })
}

/// Images/s of each of `clusters`, all at once.
fn rates(clusters: &[&Cluster]) -> Result<Vec<f64>, Box<dyn Error>> {
    let start = Arc::new(Barrier::new(clusters.len() + 1));
    let over = Arc::new(AtomicBool::new(false));
    for cluster in clusters {
        cluster.orders.send(Order { start: Arc::clone(&start), over: Arc::clone(&over) })?;
    }
    start.wait();
    thread::sleep(PHASE);
    over.store(true, Relaxed);
    Ok(clusters.iter().map(|cluster| cluster.rates.recv()).collect::<Result<_, _>>()?)
}

/// The value below which `part` of `values` lie.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let rounds = arguments.first().map_or(Ok(15), |it| it.parse::<usize>())?.max(1);
    let networks = match arguments.get(1..) {
        Some(networks) if !networks.is_empty() => networks.to_vec(),
        _ => zoo::STUDY.map(str::to_owned).to_vec(),
    };
    let cpus = detect::online_cpus(&Roots::machine());
    let &[first, second, ..] = &cpus[..] else { return Err("two CPUs are needed".into()) };
    println!(
        "{:<12} {:>14} {:>14} {:>14} {:>8} {:>16}",
        "network",
        format!("CPU {first} img/s"),
        format!("CPU {second} img/s"),
        "both img/s",
        "share",
        "quartiles"
    );
    for network in std::iter::once(MEMORY.to_owned()).chain(networks) {
        let [one, other] = if network == MEMORY {
            [first, second].map(|cpu| Cluster::new(cpu, passes))
        } else {
            let graph = Model::open(&network, 1)?.graph;
            [first, second].map(|cpu| Cluster::new(cpu, images(graph.clone())))
        };
        let alone = || -> Result<[f64; 2], Box<dyn Error>> {
            Ok([rates(&[&one])?[0], rates(&[&other])?[0]])
        };
        // The first makes everybody warm.
        alone()?;
        let mut before = alone()?;
        let (mut firsts, mut seconds, mut sums, mut shares) = (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds {
            let together: f64 = rates(&[&one, &other])?.iter().sum();
            let after = alone()?;
            let solo = 0.5 * (before.iter().sum::<f64>() + after.iter().sum::<f64>());
            firsts.push(after[0]);
            seconds.push(after[1]);
            sums.push(together);
            shares.push(together / solo);
            before = after;
        }
        let quartiles =
            format!("{:.3} to {:.3}", quantile(&mut shares, 0.25), quantile(&mut shares, 0.75));
        println!(
            "{network:<12} {:>14.2} {:>14.2} {:>14.2} {:>8.3} {quartiles:>16}",
            quantile(&mut firsts, 0.5),
            quantile(&mut seconds, 0.5),
            quantile(&mut sums, 0.5),
            quantile(&mut shares, 0.5),
        );
    }
    Ok(())
}
