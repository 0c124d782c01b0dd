//! From TOML to a description, with errors that name file, line, key and what was expected.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Description, validate};

/// Descriptions built into wattline: name and text.
const BUILTIN: &[(&str, &str)] = &[
    ("exynos5422", include_str!("../../descriptions/exynos5422.toml")),
    ("kirin970", include_str!("../../descriptions/kirin970.toml")),
];

/// Names of the built-in descriptions.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// A description could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// There is no such description.
    #[error("no board is named {name:?}; built in are {}, and a file ending in .toml is a board of your own", builtin_names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the board description {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is not a description.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's message: line, key, what was expected.
        message: String,
    },
    /// The file is a description that contradicts itself.
    #[error("{}:{line}: {key}: {message}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong and what was expected.
        message: String,
    },
}

impl Description {
    /// A built-in description, or one from a file if `name` ends in `.toml`.
    ///
    /// # Errors
    /// [`DescriptionError`].
    pub fn load(name: &str) -> Result<Self, DescriptionError> {
        let text = Description::text(name)?;
        match name.ends_with(".toml") {
            true => Description::parse(&text, Path::new(name)),
            false => Description::parse(&text, Path::new(&format!("{name}.toml"))),
        }
    }

    /// The text of a description, with its comments: that of a built-in one, or of a file if `name`
    /// ends in `.toml`.
    ///
    /// # Errors
    /// [`DescriptionError::Unknown`] or [`DescriptionError::Read`].
    pub fn text(name: &str) -> Result<String, DescriptionError> {
        if name.ends_with(".toml") {
            let path = Path::new(name);
            return fs::read_to_string(path)
                .map_err(|source| DescriptionError::Read { path: path.to_owned(), source });
        }
        let builtin = BUILTIN.iter().find(|(builtin, _)| *builtin == name);
        builtin
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| DescriptionError::Unknown { name: name.to_owned() })
    }

    /// The key an emulated board needs and this description lacks, if there is one.
    pub fn missing_for_emulation(&self) -> Option<String> {
        validate::missing_for_emulation(self)
    }

    /// Parses and checks a description; `path` is named in errors.
    ///
    /// # Errors
    /// [`DescriptionError::Syntax`] or [`DescriptionError::Contradiction`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, DescriptionError> {
        let description: Description =
            toml::from_str(text).map_err(|error| DescriptionError::Syntax {
                path: path.to_owned(),
                message: error.to_string().trim_end().to_owned(),
            })?;
        validate::check(&description).map_err(|wrong| DescriptionError::Contradiction {
            path: path.to_owned(),
            line: line_of(text, wrong.at),
            key: wrong.key,
            message: wrong.message,
        })?;
        Ok(description)
    }
}

/// The line a byte lies on, from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}
