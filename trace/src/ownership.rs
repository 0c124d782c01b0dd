//! Files a run creates belong to the user who started it, also under sudo.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{chown, fchown};
use std::path::Path;

/// The user and group behind sudo, as sudo tells them in `SUDO_UID` and `SUDO_GID`.
fn invoker() -> Option<(u32, u32)> {
    let id = |key| std::env::var(key).ok()?.parse::<u32>().ok();
    Some((id("SUDO_UID")?, id("SUDO_GID")?))
}

/// Creates (or empties) a file that belongs to the invoking user.
///
/// # Errors
/// Whatever the file system answers. Failing to hand the file over is not an error: without
/// root the file is the invoker's already.
pub fn create_file_for_invoker(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    if let Some((user, group)) = invoker() {
        let _ = fchown(&file, Some(user), Some(group));
    }
    Ok(file)
}

/// Creates a directory and its missing parents; those it created belong to the invoking user.
///
/// # Errors
/// Whatever the file system answers.
pub fn create_dir_all_for_invoker(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_dir_all_for_invoker(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            if let Some((user, group)) = invoker() {
                let _ = chown(path, Some(user), Some(group));
            }
            Ok(())
        }
    }
}
