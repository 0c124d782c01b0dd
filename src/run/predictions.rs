//! `--classes`: what the network takes each image for.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use wattline_inference::Tensor;
use wattline_inference::classes::{likeliest, read_labels};
use wattline_inference::graph::Graph;

use crate::table::table;

/// How many classes are listed of each image.
const LISTED: usize = 5;

/// The likeliest classes of each image, as they are computed.
#[derive(Debug)]
pub(super) struct Predictions {
    labels: Vec<String>,
    /// Image, rank, class, label, probability.
    rows: Vec<[String; 5]>,
}

impl Predictions {
    /// Reads the labels, one for each class of `graph`.
    pub(super) fn new(labels: &Path, graph: &Graph) -> Result<Self> {
        let classes = graph.output_shape().elements();
        let labels = read_labels(labels, classes).context("--classes")?;
        Ok(Predictions { labels, rows: Vec::new() })
    }

    /// Adds the likeliest classes of the image called `image`.
    pub(super) fn add(&mut self, image: &str, graph: &Graph, output: &Tensor) {
        for (rank, ranked) in (1..).zip(likeliest(graph, output, LISTED)) {
            self.rows.push([
                if rank == 1 { image.to_owned() } else { String::new() },
                rank.to_string(),
                ranked.class.to_string(),
                self.labels[ranked.class].clone(),
                format!("{:.4}", ranked.probability),
            ]);
        }
    }

    /// Prints them all, as a table.
    pub(super) fn print(self) -> Result<()> {
        let mut table = table(["image", "rank", "class", "label", "probability"], 4);
        table.add_rows(self.rows);
        let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        Ok(writeln!(std::io::stdout(), "{}", lines.join("\n"))?)
    }
}
