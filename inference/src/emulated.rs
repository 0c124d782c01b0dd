//! A graph as the emulated board sees it: layers with FLOPs, bytes and matrix products.

use wattline_board::description::Precision;
use wattline_board::emulated::cache::{LayerShape, Product};

use crate::cost::{ElementType, gemm, layer_cost};
use crate::graph::Graph;

impl From<Precision> for ElementType {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => ElementType::F32,
            Precision::Fp16 => ElementType::F16,
        }
    }
}

/// Every layer of `graph`, in order, with values stored at `precision`.
pub fn layer_shapes(graph: &Graph, precision: Precision) -> Vec<LayerShape> {
    let element = ElementType::from(precision);
    graph
        .layers()
        .iter()
        .map(|layer| {
            let cost = layer_cost(graph, layer, element);
            LayerShape {
                name: layer.name.as_str().into(),
                operator: layer.operator.kind().to_owned(),
                flops: cost.flops,
                input_bytes: cost.input_bytes,
                weight_bytes: cost.weight_bytes,
                output_bytes: cost.output_bytes,
                element_bytes: element.bytes(),
                product: gemm(graph, layer).map(|gemm| Product {
                    groups: gemm.groups as u64,
                    m: gemm.m as u64,
                    n: gemm.n as u64,
                    k: gemm.k as u64,
                }),
            }
        })
        .collect()
}
