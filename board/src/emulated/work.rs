//! What a component is given to do: the layers of one image, in the terms of the model.

use wattline_trace::Name;

use super::cache::{Caches, LayerShape, dram_traffic};
use crate::description::Component;

/// One layer as the model runs it: fixed dispatch, then computing and moving bytes at once.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWork {
    /// The layer's name.
    pub name: Name,
    /// The frequency it runs at, in kHz, which its component changes to first; none leaves that as
    /// it is set.
    pub kilohertz: Option<u64>,
    /// Time to start it, during which no bytes move, at the highest frequency of what starts it.
    pub dispatch_s: f64,
    /// Time it takes where no byte is ever late, at the highest frequency.
    pub compute_s: f64,
    /// DRAM bytes it reads.
    pub read_bytes: f64,
    /// DRAM bytes it writes.
    pub write_bytes: f64,
}

/// The layers of one image of one network on one component.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The network.
    pub network: Name,
    /// Its layers, in order.
    pub layers: Vec<LayerWork>,
}

/// A network cannot be run on a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The component does not support an operator.
    #[error(
        "{network} on {component}: not supported: layer {layer} is a {operator}, which {component} refuses; run it on another component"
    )]
    Refused {
        /// The network.
        network: String,
        /// The component.
        component: String,
        /// The layer.
        layer: String,
        /// Its operator.
        operator: String,
    },
    /// The description says nothing of how well networks use the component.
    #[error(
        "the description of {component} holds no calibration for {network} or any other network; add [components.calibration.{network}] with images_per_s and efficiency"
    )]
    NotCalibrated {
        /// The network.
        network: String,
        /// The component.
        component: String,
    },
}

impl Work {
    /// The work of one image of `network` on `component`, at its calibrated efficiency.
    ///
    /// # Errors
    /// If the component refuses an operator, or nothing is known of its efficiency.
    pub fn plan(
        network: &str,
        shapes: &[LayerShape],
        component: &Component,
    ) -> Result<Work, WorkError> {
        let efficiency = component.efficiency(network).ok_or_else(|| WorkError::NotCalibrated {
            network: network.to_owned(),
            component: component.name().to_owned(),
        })?;
        Work::plan_at(network, shapes, component, efficiency)
    }

    /// The work of one image at a given share of the component's peak rate.
    ///
    /// # Errors
    /// If the component refuses an operator.
    pub fn plan_at(
        network: &str,
        shapes: &[LayerShape],
        component: &Component,
        efficiency: f64,
    ) -> Result<Work, WorkError> {
        if let Some(refused) = shapes.iter().find(|it| component.refuses.contains(&it.operator)) {
            return Err(WorkError::Refused {
                network: network.to_owned(),
                component: component.name().to_owned(),
                layer: refused.name.to_string(),
                operator: refused.operator.clone(),
            });
        }
        // No board is emulated without a peak rate for every component.
        let rate = component.peak_rate().map_or(f64::MIN_POSITIVE, |peak| peak.flops_per_s());
        let traffic = dram_traffic(shapes, Caches::of(component));
        let layers = shapes
            .iter()
            .zip(traffic)
            .map(|(shape, traffic)| LayerWork {
                name: shape.name.clone(),
                kilohertz: None,
                dispatch_s: component.dispatch.seconds(),
                compute_s: shape.flops as f64 / (rate * efficiency),
                read_bytes: traffic.read_bytes,
                write_bytes: traffic.write_bytes,
            })
            .collect();
        Ok(Work { network: network.into(), layers })
    }

    /// Time of one image on a component that has the memory to itself.
    pub fn solo_seconds(&self, component: &Component) -> f64 {
        self.layers.iter().map(|layer| layer.solo_seconds(component)).sum()
    }

    /// DRAM bytes of one image.
    pub fn dram_bytes(&self) -> f64 {
        self.layers.iter().map(LayerWork::dram_bytes).sum()
    }
}

impl LayerWork {
    /// DRAM bytes it moves.
    pub fn dram_bytes(&self) -> f64 {
        self.read_bytes + self.write_bytes
    }

    /// Time its bytes take on a component that has the memory to itself.
    pub fn moving_s(&self, component: &Component) -> f64 {
        let bandwidth = component.bandwidth.map_or(f64::MIN_POSITIVE, |known| known.bytes_per_s());
        self.dram_bytes() / bandwidth
    }

    /// Its time on a component that has the memory to itself: dispatch, then the longer of
    /// computing and moving bytes.
    pub fn solo_seconds(&self, component: &Component) -> f64 {
        self.dispatch_s + self.compute_s.max(self.moving_s(component))
    }
}

/// Finds the efficiency at which a network reaches a published throughput on a component.
///
/// The time of an image falls as the efficiency rises, so the answer is found by bisection. It is
/// `None` where even a perfect component could not be that fast: then the bandwidth or the peak
/// rate of the description is wrong.
///
/// # Errors
/// If the component refuses an operator.
pub fn calibrate(
    network: &str,
    shapes: &[LayerShape],
    component: &Component,
    images_per_s: f64,
) -> Result<Option<f64>, WorkError> {
    let seconds = |efficiency| {
        Work::plan_at(network, shapes, component, efficiency)
            .map(|work| work.solo_seconds(component))
    };
    let target = 1.0 / images_per_s;
    if seconds(1.0)? > target {
        return Ok(None);
    }
    let (mut low, mut high) = (1e-6f64, 1.0f64);
    for _ in 0..100 {
        // Efficiencies span orders of magnitude: bisect their logarithm.
        let middle = (low * high).sqrt();
        if seconds(middle)? > target { low = middle } else { high = middle }
    }
    Ok(Some(high))
}
