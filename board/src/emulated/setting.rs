//! A setting in a file, as a driver's attribute that takes a number.
//!
//! **A wish is read whole however it is written.** A driver is called with the bytes of a write; a
//! file has to be looked at, and keeps the tail of what a shorter write went over. So the number is
//! shown right-aligned in twelve bytes: over these "2" reads "2 … 35", whose first word is the wish.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use wattline_trace::create_file_for_invoker;

/// A file that shows a number and takes another.
#[derive(Debug)]
pub(super) struct SettingFile {
    file: File,
    shown: u64,
}

impl SettingFile {
    /// Creates it.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub(super) fn create(path: &Path, value: u64) -> io::Result<Self> {
        create_file_for_invoker(path)?.write_all(text(value).as_bytes())?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(SettingFile { file, shown: value })
    }

    /// What somebody wrote since the last look. What is no number is put right again, as a driver
    /// refuses it; so is a wish for what there is, which would not be right-aligned.
    pub(super) fn wish(&mut self) -> Option<u64> {
        let mut written = [0u8; 64];
        let read = self.file.read_at(&mut written, 0).ok()?;
        let written = &written[..read];
        if written == text(self.shown).as_bytes() {
            return None;
        }
        let word = written.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        let wish = word.and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let wish = wish.filter(|&wish| wish != self.shown);
        if wish.is_none() {
            self.show(self.shown);
        }
        wish
    }

    /// Shows what is in force.
    pub(super) fn show(&mut self, value: u64) {
        self.shown = value;
        let text = text(value);
        // A tree somebody took away is what a vanished device looks like: nothing to report here.
        let _ = self.file.set_len(text.len() as u64);
        let _ = self.file.write_all_at(text.as_bytes(), 0);
    }

    /// What is in force.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }
}

fn text(value: u64) -> String {
    format!("{value:>11}\n")
}
