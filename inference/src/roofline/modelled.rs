//! A network's layers under the roof of a component, by the emulated board's model.

use wattline_board::description::Component;
use wattline_board::emulated::work::{Work, WorkError};

use crate::cost::{Cost, ElementType, layer_costs};
use crate::emulated::layer_shapes;
use crate::graph::Graph;

/// What takes most of a layer's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Arithmetic.
    Compute,
    /// Moving its bytes.
    Bandwidth,
    /// Starting it: longer than both.
    Dispatch,
}

impl Bound {
    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Bound::Compute => "compute",
            Bound::Bandwidth => "bandwidth",
            Bound::Dispatch => "dispatch",
        }
    }
}

/// A layer under the roof.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The layer.
    pub layer: String,
    /// Its operator.
    pub operator: &'static str,
    /// FLOPs, and theoretical bytes at the component's precision.
    pub cost: Cost,
    /// DRAM bytes it reads, by the cache model.
    pub dram_read_bytes: f64,
    /// DRAM bytes it writes, by the cache model.
    pub dram_write_bytes: f64,
    /// Time to start it.
    pub dispatch_s: f64,
    /// Time of its arithmetic, at the share of the peak rate that the network reaches.
    pub compute_s: f64,
    /// Time of its DRAM bytes.
    pub moving_s: f64,
    /// Its time: dispatch and the longer of the other two.
    pub seconds: f64,
}

/// A layer's time in cycles of the component's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycles {
    /// All of them.
    pub total: u64,
    /// Those of its arithmetic.
    pub compute: u64,
    /// Those without arithmetic, `total − compute`: dispatch, and waiting for memory.
    pub stall: u64,
}

/// A component's roof and the layers of a network under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Modelled {
    /// Peak rate at the precision networks run at on it, in FLOP/s.
    pub peak_flops_per_s: f64,
    /// Share of it that the network reaches where nothing else bounds it.
    pub efficiency: f64,
    /// DRAM bandwidth it sustains alone, in bytes a second.
    pub bandwidth_bytes_per_s: f64,
    /// The layers, in order.
    pub points: Vec<Point>,
}

impl Modelled {
    /// Places the layers of `graph`, a network called `network`, under the roof of `component`. A
    /// rate that the description lacks is zero, and bounds everything.
    ///
    /// # Errors
    /// If the component refuses an operator, or nothing is known of its efficiency.
    pub fn new(network: &str, graph: &Graph, component: &Component) -> Result<Self, WorkError> {
        let work = Work::plan(network, &layer_shapes(graph, component.precision), component)?;
        let costs = layer_costs(graph, ElementType::from(component.precision));
        let points = graph.layers().iter().zip(&work.layers).zip(costs);
        let points = points.map(|((layer, work), cost)| Point {
            layer: layer.name.clone(),
            operator: layer.operator.kind(),
            cost,
            dram_read_bytes: work.read_bytes,
            dram_write_bytes: work.write_bytes,
            dispatch_s: work.dispatch_s,
            compute_s: work.compute_s,
            moving_s: work.moving_s(component),
            seconds: work.solo_seconds(component),
        });
        Ok(Modelled {
            peak_flops_per_s: component.peak_rate().map_or(0.0, |peak| peak.flops_per_s()),
            efficiency: component.efficiency(network).unwrap_or(0.0),
            bandwidth_bytes_per_s: component.bandwidth.map_or(0.0, |known| known.bytes_per_s()),
            points: points.collect(),
        })
    }

    /// What the roof allows a layer, in FLOP/s: at the intensity of its DRAM bytes, for it is those
    /// that pass through the bandwidth. A layer that moves none is under the peak.
    pub fn roof_flops_per_s(&self, point: &Point) -> f64 {
        let slanted = match point.dram_intensity() {
            Some(intensity) => intensity * self.bandwidth_bytes_per_s,
            None => f64::INFINITY,
        };
        self.peak_flops_per_s.min(slanted)
    }

    /// What a layer attains, of what the roof allows; none for a layer without arithmetic.
    pub fn share_of_roof(&self, point: &Point) -> Option<f64> {
        let roof = self.roof_flops_per_s(point);
        (point.cost.flops > 0 && roof > 0.0).then(|| point.flops_per_s() / roof)
    }
}

impl Point {
    /// FLOP/s it attains.
    pub fn flops_per_s(&self) -> f64 {
        if self.seconds > 0.0 { self.cost.flops as f64 / self.seconds } else { 0.0 }
    }

    /// DRAM bytes, by the cache model.
    pub fn dram_bytes(&self) -> f64 {
        self.dram_read_bytes + self.dram_write_bytes
    }

    /// FLOPs per DRAM byte; none where none moves.
    pub fn dram_intensity(&self) -> Option<f64> {
        (self.dram_bytes() > 0.0).then(|| self.cost.flops as f64 / self.dram_bytes())
    }

    /// What takes most of its time.
    pub fn bound(&self) -> Bound {
        if self.dispatch_s > self.compute_s.max(self.moving_s) {
            Bound::Dispatch
        } else if self.compute_s >= self.moving_s {
            Bound::Compute
        } else {
            Bound::Bandwidth
        }
    }

    /// Its time in cycles of a clock.
    pub fn cycles(&self, clock_hz: f64) -> Cycles {
        let total = (self.seconds * clock_hz).round() as u64;
        let compute = ((self.compute_s * clock_hz).round() as u64).min(total);
        Cycles { total, compute, stall: total - compute }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wattline_board::description::{Description, builtin_names};

    use super::*;
    use crate::cost::graph_cost;
    use crate::zoo;

    /// On every component of every board that runs it: bytes and FLOPs are the cost model's, no
    /// layer is above the roof, and one that is bound by nothing but bandwidth is nearly at it.
    #[test]
    fn networks_lie_under_the_roof() {
        let boards = builtin_names().map(|name| Description::load(name).unwrap());
        for component in boards.flat_map(|board| board.components) {
            for network in ["squeezenet", "googlenet", "resnet50", "alexnet"] {
                let graph = zoo::graph_structure(network).unwrap();
                let modelled = Modelled::new(network, &graph, &component).unwrap();
                let sum: Cost = modelled.points.iter().map(|point| point.cost).sum();
                assert_eq!(sum, graph_cost(&graph, component.precision.into()));
                for point in &modelled.points {
                    let share = modelled.share_of_roof(point).unwrap_or(0.0);
                    assert!(share <= 1.0 + 1e-12, "{} {share}", point.layer);
                    let waits = point.moving_s / point.seconds;
                    if point.bound() == Bound::Bandwidth && point.cost.flops > 0 {
                        assert!(share >= waits - 1e-9, "{}: {share} {waits}", point.layer);
                    }
                }
            }
        }
    }

    #[test]
    fn mobilenet_is_refused_by_its_first_depthwise_convolution() {
        let kirin = Description::load("kirin970").unwrap();
        let graph = zoo::graph_structure("mobilenet").unwrap();
        let error = Modelled::new("mobilenet", &graph, kirin.component("npu").unwrap());
        let first = graph.layers().iter().find(|layer| layer.operator.is_depthwise()).unwrap();
        assert!(error.unwrap_err().to_string().contains(&first.name));
    }

    proptest! {
        /// Cycles are conserved, and as long as the time to half a cycle.
        #[test]
        fn cycles_are_conserved(
            dispatch_s in 0.0..1e-3f64, compute_s in 0.0..1e-1f64, moving_s in 0.0..1e-1f64, clock_hz in 1e6..3e9f64,
        ) {
            let seconds = dispatch_s + compute_s.max(moving_s);
            let point = Point {
                layer: "it".into(), operator: "conv2d", cost: Cost::default(), dram_read_bytes: 0.0,
                dram_write_bytes: 0.0, dispatch_s, compute_s, moving_s, seconds,
            };
            let cycles = point.cycles(clock_hz);
            prop_assert_eq!(cycles.compute + cycles.stall, cycles.total);
            prop_assert!((cycles.total as f64 - seconds * clock_hz).abs() <= 0.5 + 1e-6);
            prop_assert!((cycles.compute as f64 - compute_s * clock_hz).abs() <= 1.0);
        }
    }
}
