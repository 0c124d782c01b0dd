//! A network at hand: from the zoo, from a file, or from bytes.

use std::path::{Path, PathBuf};

use prost::bytes::Bytes;

use crate::graph::Graph;
use crate::onnx::{self, ReadError};
use crate::zoo::{self, ZooError};

/// Why a model could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Neither a network of the zoo nor a path to an ONNX file.
    #[error("`{model}` is neither a network of the zoo ({}) nor a path ending in .onnx", zoo::names().join(", "))]
    Unknown {
        /// What was asked for.
        model: String,
    },
    /// The file cannot be read at all.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are not a network that is supported.
    #[error("cannot use {name}: {source}")]
    Onnx {
        /// The file or name that the bytes came under.
        name: String,
        /// What is wrong with them.
        source: ReadError,
    },
    /// The zoo failed to build the network.
    #[error(transparent)]
    Zoo(#[from] ZooError),
}

/// A network, ready for an executor.
#[derive(Debug, Clone)]
pub struct Model {
    /// A short name for tables: the zoo's, or the file's without directory and ending.
    pub name: String,
    /// The network.
    pub graph: Graph,
    /// Length of the ONNX file in bytes.
    pub onnx_bytes: usize,
}

impl Model {
    /// The network that `model` means: a name of the [zoo], with weights drawn from
    /// `seed`, or the path of a file ending in `.onnx`.
    ///
    /// A network of the zoo is written as ONNX in memory and read back, so that it takes the same
    /// way as a file of one's own. For AlexNet that takes some 700 MB for a moment.
    ///
    /// # Errors
    ///
    /// [`ModelError`], naming the model or file at fault.
    pub fn open(model: &str, seed: u64) -> Result<Self, ModelError> {
        if zoo::names().contains(&model) {
            return Self::from_onnx_bytes(model, zoo::build_onnx(model, seed)?);
        }
        let path = Path::new(model);
        match path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
            true => Self::from_file(path),
            false => Err(ModelError::Unknown { model: model.to_owned() }),
        }
    }

    /// The network in the ONNX file at `path`.
    ///
    /// # Errors
    ///
    /// [`ModelError::File`] or [`ModelError::Onnx`], naming the file.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let file = std::fs::read(path)
            .map_err(|source| ModelError::File { path: path.to_owned(), source })?;
        let model = Self::from_onnx_bytes(&path.display().to_string(), file)?;
        let name = path.file_stem().map_or(model.name, |stem| stem.to_string_lossy().into_owned());
        Ok(Self { name, ..model })
    }

    /// The network in `file`, the bytes of an ONNX file, under `name`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Onnx`], with `name`.
    pub fn from_onnx_bytes(name: &str, file: impl Into<Bytes>) -> Result<Self, ModelError> {
        let file = file.into();
        let onnx_bytes = file.len();
        let graph = onnx::read(file)
            .map_err(|source| ModelError::Onnx { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), graph, onnx_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoo_network_comes_back_from_its_onnx_unchanged() {
        let model = Model::open("squeezenet", 7).unwrap();
        assert_eq!(model.graph, zoo::graph("squeezenet", 7).unwrap());
        assert!(model.onnx_bytes > 4 * 1_240_000);
    }

    #[test]
    fn a_file_is_named_by_its_stem_and_errors_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tiny.onnx");
        std::fs::write(&path, onnx::write(&zoo::graph_at("squeezenet", 64, 1).unwrap()).unwrap())
            .unwrap();
        assert_eq!(Model::open(path.to_str().unwrap(), 0).unwrap().name, "tiny");

        let torn = directory.path().join("torn.onnx");
        std::fs::write(&torn, &std::fs::read(&path).unwrap()[..1000]).unwrap();
        let error = Model::from_file(&torn).unwrap_err().to_string();
        assert!(error.contains("torn.onnx") && error.contains("cut short"), "{error}");
        let absent =
            Model::from_file(&directory.path().join("absent.onnx")).unwrap_err().to_string();
        assert!(absent.contains("absent.onnx"), "{absent}");
    }

    #[test]
    fn a_name_that_means_nothing_is_told_what_would() {
        let error = Model::open("lenet", 0).unwrap_err().to_string();
        assert!(
            error.contains("lenet") && error.contains("squeezenet") && error.contains(".onnx"),
            "{error}"
        );
    }
}
