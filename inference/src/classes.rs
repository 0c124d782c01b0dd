//! What a classifier's result says: the likeliest classes, by name.

use std::io;
use std::path::{Path, PathBuf};

use crate::graph::{Graph, Operator};
use crate::reference::softmax;
use crate::tensor::Tensor;

/// A class that a network gave a high score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// The class's number: its position in the result.
    pub class: usize,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// The `count` likeliest classes of `result`, which `graph` gave, the likeliest first and of equals
/// the first.
///
/// Scores are probabilities: a softmax is applied where the network does not end in one.
pub fn likeliest(graph: &Graph, result: &Tensor, count: usize) -> Vec<Ranked> {
    let ends_in_softmax = graph
        .layers()
        .iter()
        .any(|layer| layer.output == graph.output() && layer.operator == Operator::Softmax);
    let values = match ends_in_softmax {
        true => result.values().to_vec(),
        false => softmax(crate::graph::Shape::vector(result.values().len()), result.values()),
    };
    let mut ranked: Vec<_> = values
        .into_iter()
        .enumerate()
        .map(|(class, probability)| Ranked { class, probability })
        .collect();
    // Stable, so that of equals the first comes first.
    ranked.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    ranked.truncate(count);
    ranked
}

/// Why labels cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The file cannot be read, or is no text.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Labels that would be of other classes.
    #[error(
        "{} has {labels} lines and the network has {classes} classes; one line for each class, in \
         order, is expected",
        path.display()
    )]
    Count {
        /// The file.
        path: PathBuf,
        /// Its lines.
        labels: usize,
        /// The network's classes.
        classes: usize,
    },
}

/// The names of classes, one for each, from the lines of the text file at `path`.
///
/// # Errors
///
/// [`LabelError`] unless there are as many lines as `classes`, empty ones at the end aside.
pub fn read_labels(path: &Path, classes: usize) -> Result<Vec<String>, LabelError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LabelError::Read { path: path.to_owned(), source })?;
    let labels: Vec<_> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    match labels.len() == classes {
        true => Ok(labels),
        false => Err(LabelError::Count { path: path.to_owned(), labels: labels.len(), classes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Activation, GraphBuilder, Shape};

    fn graph(operator: Operator) -> Graph {
        let mut builder = GraphBuilder::new("net", "image", Shape::vector(4)).unwrap();
        let output = builder.add("last", operator, &[builder.input()]).unwrap();
        builder.finish(output).unwrap()
    }

    #[test]
    fn classes_are_ranked_by_probability() {
        let result = Tensor::new(Shape::vector(4), vec![0.1, 0.4, 0.1, 0.4]).unwrap();
        let ranked = likeliest(&graph(Operator::Softmax), &result, 3);
        let expected = [(1, 0.4), (3, 0.4), (0, 0.1)];
        assert_eq!(ranked.len(), 3);
        for (ranked, (class, probability)) in ranked.iter().zip(expected) {
            assert_eq!((ranked.class, ranked.probability), (class, probability));
        }
    }

    #[test]
    fn logits_become_probabilities() {
        let result = Tensor::new(Shape::vector(4), vec![0.0, 3.0_f32.ln(), 0.0, 0.0]).unwrap();
        let ranked = likeliest(&graph(Operator::Clamp(Activation::Relu)), &result, 9);
        assert_eq!(ranked.len(), 4);
        assert!((ranked[0].probability - 0.5).abs() < 1e-6 && ranked[0].class == 1);
    }

    #[test]
    fn labels_must_be_as_many_as_classes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("labels.txt");
        std::fs::write(&path, "cat\ndog, hound\n\n").unwrap();
        assert_eq!(read_labels(&path, 2).unwrap(), ["cat", "dog, hound"]);
        let error = read_labels(&path, 3).unwrap_err().to_string();
        assert!(error.contains("2 lines") && error.contains("3 classes"), "{error}");
        assert!(read_labels(&directory.path().join("absent"), 3).is_err());
    }
}
