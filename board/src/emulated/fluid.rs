//! The fluid model: layers flow through components, bytes through the memory they share.
//!
//! A running layer is (compute time, bytes) on a component. It progresses at the rate its compute
//! time allows or the rate its share of the DRAM bandwidth allows, whichever is lower. Bandwidth
//! is shared max-min fair: nobody gets more than it can use or sustain, and what one leaves over
//! the others divide. Power on a rail is its idle power, plus the dynamic power of the busy
//! components on it, plus the energy of the bytes that move. All three are constant between two
//! events, so joules and bytes are exact.
//!
//! # Frequencies
//!
//! A component may run below its highest frequency. Its arithmetic then takes longer, and so does
//! the dispatch of layers on it or on what it drives; its DRAM bandwidth stays. What it draws follows
//! [`Component::scaling`](crate::description::Component::scaling). A layer may ask for a frequency
//! of its own: its component then stands still for the time that switching takes, and draws that
//! energy.
//!
//! # Contention
//!
//! Components that run at once meet in two places, the memory and the cluster that drives
//! accelerators. Let component *i* run a layer of compute time `c` and `b` DRAM bytes, let `B` be
//! the bandwidth it sustains alone, and `d` the shares of it that the busy accelerators it drives
//! take. It wants, is given, and progresses at
//!
//! ```text
//! want[i]  = min(b[i] / (c[i] / (1 - d[i])), B[i])
//! share    = max_min_fair(want, S - idle)
//! rate[i]  = 1 / max(c[i] / (1 - d[i]), b[i] / share[i])      layers a second
//! ```
//!
//! once its dispatch time is over, during which it moves no bytes. `S`, `memory.sustained` of
//! the description, is what all components draw together at most; it is never less than what one
//! draws alone, so a component that has the board to itself keeps its own throughput.
//!
//! `tests/contention.rs` of the workspace compares this with the study's co-execution throughputs
//! (its Table II). Two more effects were tried against that table and left out, for networks that
//! were not fitted were predicted no better with them: accelerators whose dispatch waits for a
//! driver that computes itself, and a DRAM that sustains less the more masters interleave.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frequency::ComponentClock;
use super::sharing::max_min_fair;
use super::work::Work;
use crate::clock::JobId;
use crate::description::Description;

/// Joules of every rail and DRAM bytes, of one layer, image or run.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// First instant.
    pub start_ns: u64,
    /// Last instant.
    pub end_ns: u64,
    /// Joules above idle that this work caused, by rail.
    pub active_joules: Vec<f64>,
    /// All joules over the interval, by rail.
    pub total_joules: Vec<f64>,
    /// DRAM bytes this work moved.
    pub dram_bytes: f64,
}

/// What a finished job spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The whole image.
    pub image: Spent,
    /// Each layer, in order.
    pub layers: Vec<Spent>,
}

#[derive(Debug)]
struct Component {
    bandwidth: f64,
    dynamic_watts: f64,
    rail: Option<usize>,
    driver: Option<(usize, f64)>,
    clock: ComponentClock,
    queue: VecDeque<Running>,
    bytes_read: f64,
    bytes_written: f64,
}

#[derive(Debug)]
struct Running {
    job: JobId,
    work: Arc<Work>,
    layer: usize,
    /// The frequency that is being changed to, and how long that still takes.
    switching: Option<(u64, f64)>,
    /// Dispatch time still to go, at the highest frequency of what dispatches.
    dispatch_s: f64,
    /// Share of the layer still to do, from 1 to 0.
    remaining: f64,
    started: Option<Mark>,
    active_joules: Vec<f64>,
    layers: Vec<Spent>,
}

#[derive(Debug, Clone)]
struct Mark {
    at_ns: u64,
    total_joules: Vec<f64>,
}

/// What one component does between two events.
#[derive(Debug, Clone, Default)]
struct Flow {
    /// Share of the layer done in a second; zero while dispatching.
    progress_per_s: f64,
    /// Watts above idle that its work causes, by rail.
    watts: Vec<f64>,
}

/// The state of the board between two events.
#[derive(Debug)]
pub struct Fluid {
    now_ns: u64,
    components: Vec<Component>,
    shared_bandwidth: f64,
    joules_per_byte: f64,
    memory_rail: Option<usize>,
    idle_bytes_per_s: f64,
    idle_watts: Vec<f64>,
    flows: Vec<Flow>,
    rail_joules: Vec<f64>,
    idle_bytes: f64,
    done: Vec<(JobId, Completion)>,
}

impl Fluid {
    /// A board at rest.
    pub fn new(board: &Description, now_ns: u64) -> Self {
        let rail_of = |name: Option<&toml::Spanned<String>>| {
            name.and_then(|name| board.rails.iter().position(|it| it.name() == name.get_ref()))
        };
        let component_of =
            |name: &str| board.components.iter().position(|other| other.name() == name);
        let components: Vec<_> = board
            .components
            .iter()
            .map(|component| Component {
                bandwidth: component.bandwidth.map_or(0.0, |known| known.bytes_per_s()),
                dynamic_watts: component.dynamic_power.watts(),
                rail: rail_of(component.rail.as_ref()),
                driver: component.driver.as_ref().and_then(|driver| {
                    Some((component_of(driver.component.get_ref())?, *driver.share.get_ref()))
                }),
                clock: ComponentClock::new(component),
                queue: VecDeque::new(),
                bytes_read: 0.0,
                bytes_written: 0.0,
            })
            .collect();
        let memory_rail = rail_of(board.memory.rail.as_ref());
        let idle_bytes_per_s = board.memory.idle_traffic.bytes_per_s();
        let flows = components
            .iter()
            .map(|_| Flow { watts: vec![0.0; board.rails.len()], ..Flow::default() })
            .collect();
        Fluid {
            now_ns,
            components,
            shared_bandwidth: board
                .memory
                .shared_bandwidth()
                .map_or(0.0, |known| known.bytes_per_s()),
            joules_per_byte: board.memory.energy_per_byte.joules_per_byte(),
            memory_rail,
            idle_bytes_per_s,
            // Idle power is what a sensor shows at rest, idle traffic included.
            idle_watts: board.rails.iter().map(|rail| rail.idle_power.watts()).collect(),
            flows,
            rail_joules: vec![0.0; board.rails.len()],
            idle_bytes: 0.0,
            done: Vec::new(),
        }
    }

    /// The present.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Queues one image's work on a component.
    pub fn submit(&mut self, component: usize, job: JobId, work: Arc<Work>) {
        let rails = self.rail_joules.len();
        self.components[component].queue.push_back(Running {
            job,
            dispatch_s: work.layers.first().map_or(0.0, |layer| layer.dispatch_s),
            work,
            layer: 0,
            switching: None,
            remaining: 1.0,
            started: None,
            active_joules: vec![0.0; rails],
            layers: Vec::new(),
        });
        self.settle();
    }

    /// Sets a component's frequency, in kHz, for all layers that ask for no other. Answers whether
    /// it has an operating point of that frequency whose voltage is known.
    pub fn set_frequency(&mut self, component: usize, kilohertz: u64) -> bool {
        let known = self.components[component].clock.set(kilohertz);
        self.settle();
        known
    }

    /// What a finished job spent, once.
    pub fn take(&mut self, job: JobId) -> Option<Completion> {
        let index = self.done.iter().position(|(id, _)| *id == job)?;
        Some(self.done.swap_remove(index).1)
    }

    /// Whether a job is done (and not taken yet).
    pub fn is_done(&self, job: JobId) -> bool {
        self.done.iter().any(|(id, _)| *id == job)
    }

    /// Energy of a rail since the beginning, in joules.
    pub fn rail_joules(&self, rail: usize) -> f64 {
        self.rail_joules[rail]
    }

    /// Energy of every rail since the beginning, in joules.
    pub fn all_rail_joules(&self) -> &[f64] {
        &self.rail_joules
    }

    /// Bytes a component has read and written since the beginning.
    pub fn component_bytes(&self, component: usize) -> (f64, f64) {
        (self.components[component].bytes_read, self.components[component].bytes_written)
    }

    /// Bytes that all DRAM traffic has read and written since the beginning. Idle traffic is
    /// taken to be three reads to a write.
    pub fn dram_bytes(&self) -> (f64, f64) {
        let start = (0.75 * self.idle_bytes, 0.25 * self.idle_bytes);
        self.components.iter().fold(start, |(read, written), component| {
            (read + component.bytes_read, written + component.bytes_written)
        })
    }

    /// When the next layer starts computing or ends, if any runs.
    pub fn next_event_ns(&self) -> Option<u64> {
        let seconds = (0..self.components.len()).filter_map(|index| {
            let running = self.components[index].queue.front()?;
            Some(match running.switching {
                Some((_, switching_s)) => switching_s,
                None if running.dispatch_s > 0.0 => running.dispatch_s / self.dispatch_speed(index),
                None => running.remaining / self.flows[index].progress_per_s,
            })
        });
        // Rounded up to a whole nanosecond, so that time always moves.
        let soonest = seconds.min_by(f64::total_cmp)?;
        Some(self.now_ns.saturating_add(((soonest * 1e9).ceil() as u64).max(1)))
    }

    /// Lets time go by, up to the next event at most.
    pub fn advance_to(&mut self, now_ns: u64) {
        let seconds = now_ns.saturating_sub(self.now_ns) as f64 * 1e-9;
        self.now_ns = now_ns;
        for (joules, idle) in self.rail_joules.iter_mut().zip(&self.idle_watts) {
            *joules += idle * seconds;
        }
        self.idle_bytes += self.idle_bytes_per_s * seconds;
        let mut changed = false;
        let speeds: Vec<f64> =
            (0..self.components.len()).map(|index| self.dispatch_speed(index)).collect();
        let flows = self.flows.iter().zip(speeds);
        for (component, (flow, dispatch_speed)) in self.components.iter_mut().zip(flows) {
            let Some(running) = component.queue.front_mut() else { continue };
            for ((active, total), watts) in
                running.active_joules.iter_mut().zip(&mut self.rail_joules).zip(&flow.watts)
            {
                *active += watts * seconds;
                *total += watts * seconds;
            }
            // The last nanosecond of a layer is not used whole: it moves what was left.
            let done = (flow.progress_per_s * seconds).min(running.remaining);
            let layer = running.work.layers.get(running.layer);
            component.bytes_read += done * layer.map_or(0.0, |layer| layer.read_bytes);
            component.bytes_written += done * layer.map_or(0.0, |layer| layer.write_bytes);
            if let Some((_, switching_s)) = &mut running.switching {
                *switching_s -= seconds;
                changed |= *switching_s <= NEARLY_NONE_S;
            } else if running.dispatch_s > 0.0 {
                running.dispatch_s -= seconds * dispatch_speed;
                changed |= running.dispatch_s <= NEARLY_NONE_S;
            } else {
                running.remaining -= done;
                changed |= running.remaining <= flow.progress_per_s * NEARLY_NONE_S;
            }
        }
        if changed {
            self.settle();
        }
    }

    /// Ends what is done, starts what comes next, and works out the new rates.
    fn settle(&mut self) {
        for index in 0..self.components.len() {
            self.settle_component(index);
        }
        let loads = self.driving_loads();
        let shares = self.bandwidth_shares(&loads);
        for index in 0..self.components.len() {
            self.flows[index] = self.flow(index, &loads, &shares);
        }
    }

    fn settle_component(&mut self, index: usize) {
        let flow = &self.flows[index];
        let component = &mut self.components[index];
        while let Some(running) = component.queue.front_mut() {
            let mark = || Mark { at_ns: self.now_ns, total_joules: self.rail_joules.clone() };
            let Some(layer) = running.work.layers.get(running.layer) else {
                // The last layer is done, and so is the image.
                if let Some(running) = component.queue.pop_front() {
                    self.done.push((running.job, running.completion(self.now_ns)));
                }
                continue;
            };
            if running.started.is_none() {
                running.started = Some(mark());
                running.switching = component.clock.change_to(layer.kilohertz);
            }
            if let Some((kilohertz, switching_s)) = running.switching {
                if switching_s > NEARLY_NONE_S {
                    return;
                }
                running.switching = None;
                component.clock.run_at(kilohertz);
            }
            if running.dispatch_s > NEARLY_NONE_S {
                return;
            }
            running.dispatch_s = 0.0;
            let nothing_to_do = layer.compute_s <= 0.0 && layer.dram_bytes() <= 0.0;
            if running.remaining > flow.progress_per_s * NEARLY_NONE_S && !nothing_to_do {
                return;
            }
            running.end_layer(self.now_ns, &self.rail_joules);
        }
    }

    /// How much of each component driving others takes.
    fn driving_loads(&self) -> Vec<f64> {
        let mut loads = vec![0.0; self.components.len()];
        for component in self.components.iter().filter(|it| !it.queue.is_empty()) {
            if let Some((driver, share)) = component.driver {
                loads[driver] += self.driven_share(driver, share);
            }
        }
        loads
    }

    /// What of a component driving another takes at its frequency; `share` is at its highest.
    fn driven_share(&self, driver: usize, share: f64) -> f64 {
        (share / self.components[driver].clock.scaling().speed).min(1.0)
    }

    /// How fast layers on a component are dispatched, by itself or by what drives it.
    fn dispatch_speed(&self, index: usize) -> f64 {
        let driver = self.components[index].driver.map_or(index, |(driver, _)| driver);
        self.components[driver].clock.scaling().speed
    }

    /// Compute time of the running layer, stretched by what the component gives to others.
    fn compute_s(&self, index: usize, loads: &[f64]) -> Option<f64> {
        let running = self.components[index].queue.front()?;
        let layer = running.work.layers.get(running.layer)?;
        let own = (1.0 - loads[index]).max(MOST_DRIVEN);
        let speed = own * self.components[index].clock.scaling().speed;
        let computes = running.switching.is_none() && running.dispatch_s <= 0.0;
        computes.then_some(layer.compute_s / speed)
    }

    /// Bytes a second that each component is given: max-min fair under what it can use.
    fn bandwidth_shares(&self, loads: &[f64]) -> Vec<f64> {
        let wants: Vec<f64> = (0..self.components.len())
            .map(|index| {
                let Some(compute_s) = self.compute_s(index, loads) else { return 0.0 };
                let component = &self.components[index];
                let running = component.queue.front();
                let layer = running.and_then(|it| it.work.layers.get(it.layer));
                let bytes = layer.map_or(0.0, |layer| layer.dram_bytes());
                (bytes / compute_s.max(f64::MIN_POSITIVE)).min(component.bandwidth)
            })
            .collect();
        max_min_fair(&wants, (self.shared_bandwidth - self.idle_bytes_per_s).max(0.0))
    }

    fn flow(&self, index: usize, loads: &[f64], shares: &[f64]) -> Flow {
        let mut flow = Flow { watts: vec![0.0; self.rail_joules.len()], ..Flow::default() };
        let component = &self.components[index];
        let Some(running) = component.queue.front() else { return flow };
        let mut heat = |rail: Option<usize>, watts: f64| {
            if let Some(rail) = rail {
                flow.watts[rail] += watts;
            }
        };
        if running.switching.is_some() {
            heat(component.rail, component.clock.switching_watts());
            return flow;
        }
        heat(component.rail, component.dynamic_watts * component.clock.scaling().power);
        if let Some((driver, share)) = component.driver {
            // A cluster that is busy itself has no more power to burn on driving.
            let driving = &self.components[driver];
            let share =
                if driving.queue.is_empty() { self.driven_share(driver, share) } else { 0.0 };
            heat(driving.rail, share * driving.dynamic_watts * driving.clock.scaling().power);
        }
        let Some(compute_s) = self.compute_s(index, loads) else { return flow };
        let Some(layer) = running.work.layers.get(running.layer) else { return flow };
        let moving_s = layer.dram_bytes() / shares[index].max(f64::MIN_POSITIVE);
        let seconds = if layer.dram_bytes() > 0.0 { compute_s.max(moving_s) } else { compute_s };
        heat(self.memory_rail, self.joules_per_byte * layer.dram_bytes() / seconds);
        flow.progress_per_s = 1.0 / seconds;
        flow
    }
}

/// Less than this is done: a thousandth of the clock's own step.
const NEARLY_NONE_S: f64 = 1e-12;

/// However much it drives, a cluster keeps this share of itself.
const MOST_DRIVEN: f64 = 0.05;

impl Running {
    fn end_layer(&mut self, now_ns: u64, rail_joules: &[f64]) {
        let Some(started) = self.started.take() else { return };
        let layer = &self.work.layers[self.layer];
        self.layers.push(Spent {
            start_ns: started.at_ns,
            end_ns: now_ns,
            active_joules: std::mem::replace(&mut self.active_joules, vec![0.0; rail_joules.len()]),
            total_joules: difference(rail_joules, &started.total_joules),
            dram_bytes: layer.dram_bytes(),
        });
        self.layer += 1;
        self.remaining = 1.0;
        self.dispatch_s = self.work.layers.get(self.layer).map_or(0.0, |next| next.dispatch_s);
    }

    fn completion(self, now_ns: u64) -> Completion {
        let rails = self.active_joules.len();
        let sum = |of: fn(&Spent) -> &Vec<f64>| {
            let mut sums = vec![0.0; rails];
            for layer in &self.layers {
                sums.iter_mut().zip(of(layer)).for_each(|(sum, joules)| *sum += joules);
            }
            sums
        };
        let image = Spent {
            start_ns: self.layers.first().map_or(now_ns, |layer| layer.start_ns),
            end_ns: now_ns,
            active_joules: sum(|layer| &layer.active_joules),
            total_joules: sum(|layer| &layer.total_joules),
            dram_bytes: self.layers.iter().map(|layer| layer.dram_bytes).sum(),
        };
        Completion { image, layers: self.layers }
    }
}

fn difference(later: &[f64], earlier: &[f64]) -> Vec<f64> {
    later.iter().zip(earlier).map(|(later, earlier)| later - earlier).collect()
}

#[cfg(test)]
#[path = "fluid_tests.rs"]
mod tests;
