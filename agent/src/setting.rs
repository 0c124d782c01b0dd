//! A sysfs setting that is put back as it was found.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A setting held open for writing.
///
/// Dropping it restores what was there, through the same open file: neither a change of
/// privileges nor an error path in between leaves the board changed. (A second Ctrl-C, `SIGKILL`
/// and a power cut do.)
#[derive(Debug)]
pub(crate) struct HeldSetting {
    file: File,
    path: PathBuf,
    /// What was there before the first write.
    found: Option<u64>,
}

impl HeldSetting {
    /// Opens a setting without changing it.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(HeldSetting { file, path, found: None })
    }

    /// What it says now.
    pub(crate) fn read(&self) -> io::Result<u64> {
        let mut text = [0u8; 32];
        let length = self.file.read_at(&mut text, 0)?;
        let text = text[..length].trim_ascii();
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            let found = String::from_utf8_lossy(text).into_owned();
            io::Error::new(io::ErrorKind::InvalidData, format!("holds {found:?}, not a number"))
        })
    }

    /// Changes it, remembering what was there.
    pub(crate) fn write(&mut self, value: u64) -> io::Result<()> {
        if self.found.is_none() {
            self.found = Some(self.read()?);
        }
        self.put(value)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was there before the first write, if there was one.
    pub(crate) fn found(&self) -> Option<u64> {
        self.found
    }

    /// Restores what was there, as dropping it does.
    pub(crate) fn put_back(&mut self) {
        if let Some(found) = self.found.take()
            && let Err(error) = self.put(found)
        {
            tracing::warn!("{}: could not be set back to {found}: {error}", self.path.display());
        }
    }

    fn put(&self, value: u64) -> io::Result<()> {
        // A shell's `echo 2 > update_interval` truncates first. Sysfs does not care; a plain
        // file would keep the tail of a longer number.
        let _ = self.file.set_len(0);
        let text = format!("{value}\n");
        self.file.write_at(text.as_bytes(), 0).map(|_| ())
    }
}

impl Drop for HeldSetting {
    fn drop(&mut self) {
        self.put_back();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_found_is_put_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("update_interval");
        fs::write(&path, "2253\n").unwrap();
        let mut setting = HeldSetting::open(path.clone()).unwrap();
        setting.write(35).unwrap();
        setting.write(2).unwrap();
        assert_eq!(setting.read().unwrap(), 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
        drop(setting);
        assert_eq!(fs::read_to_string(&path).unwrap(), "2253\n");
    }

    #[test]
    fn what_was_not_changed_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("update_interval");
        fs::write(&path, "what").unwrap();
        let mut setting = HeldSetting::open(path.clone()).unwrap();
        assert!(setting.write(2).unwrap_err().to_string().contains("what"));
        drop(setting);
        assert_eq!(fs::read_to_string(&path).unwrap(), "what");
    }
}
