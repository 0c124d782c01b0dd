//! The image files of a directory.

use std::io;
use std::path::{Path, PathBuf};

/// Endings of the files that are taken for images, in any case.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Why a directory gives no images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It cannot be listed.
    #[error("cannot list {}: {source}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No file in it has the ending of an image.
    #[error(
        "{} holds no file that ends in .jpg, .jpeg or .png ({others} other entries); \
         its own files are taken, those of directories in it are not",
        path.display()
    )]
    NoImages {
        /// The directory.
        path: PathBuf,
        /// What else it holds.
        others: usize,
    },
}

/// The JPEG and PNG files of `directory`, by their ending, sorted by name. Directories in it are
/// not entered.
///
/// # Errors
///
/// [`DirectoryError`], naming the directory.
pub fn image_files(directory: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let error = |source| DirectoryError::List { path: directory.to_owned(), source };
    let mut files = Vec::new();
    let mut others = 0;
    for entry in std::fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        match is_image(&path) && !path.is_dir() {
            true => files.push(path),
            false => others += 1,
        }
    }
    if files.is_empty() {
        return Err(DirectoryError::NoImages { path: directory.to_owned(), others });
    }
    files.sort();
    Ok(files)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_by_name_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.PNG", "a.jpeg", "c.jpg", "notes.txt", "png"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        std::fs::create_dir(directory.path().join("d.jpg")).unwrap();
        let files = image_files(directory.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap()).collect();
        assert_eq!(names, ["a.jpeg", "b.PNG", "c.jpg"]);
    }

    #[test]
    fn a_directory_without_images_says_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.gif"), "").unwrap();
        let error = image_files(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains("no file that ends in .jpg") && error.contains("1 other"),
            "{error}"
        );
        let error = image_files(&directory.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent") && error.contains("No such file"), "{error}");
    }
}
