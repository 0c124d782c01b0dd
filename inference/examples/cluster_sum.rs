//! Two clusters of one core each, side by side, as a share of the sum of what each does alone:
//! `cluster_sum [ROUNDS] [NETWORK...]`, on the first two CPUs that this process may use.
//!
//! Either alone, both, and either alone again, over and over, a quarter of a second each: what the
//! machine's speed does meanwhile, another program's doing or a hypervisor's, touches all alike. A
//! round's share is both together over the mean of the alone before and after; what stands in the
//! table is the median over the rounds, with its quartiles.

use std::error::Error;
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
    fn new(cpu: u32, graph: Graph) -> Self {
        let (orders, incoming) = channel::<Order>();
        let (outgoing, rates) = channel();
        thread::spawn(move || {
            bind(&[cpu]).expect("a CPU that is online");
            let name = executor::names().pop().expect("the reference is always there");
            let mut executor = executor::open(name, &graph, 1).expect("the zoo runs");
            let image = synthetic_image(graph.input_shape(), 1, 0).expect("an image of its shape");
            let mut run = || executor.run(&image, &mut ()).expect("it runs");
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
        _ => zoo::STUDY.iter().map(|&name| name.to_owned()).collect(),
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
    for network in networks {
        let graph = Model::open(&network, 1)?.graph;
        let one = Cluster::new(first, graph.clone());
        let other = Cluster::new(second, graph);
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
