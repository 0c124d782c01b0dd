//! The guest's first and only file system: a cpio archive in the "newc" format.
//! [Documentation/driver-api/early-userspace/buffer-format.rst]

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// An archive being written. Folders come into being with what is in them.
#[derive(Debug)]
pub struct Initramfs<W> {
    out: W,
    inode: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Initramfs<W> {
    /// An empty one.
    pub fn new(out: W) -> Self {
        Initramfs { out, inode: 0, folders: BTreeSet::new() }
    }

    /// Adds a file; all are executable.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        self.folder_of(name)?;
        self.entry(name, FILE, contents)
    }

    /// Adds a file of this machine.
    ///
    /// # Errors
    /// If it cannot be read or written; the message names it.
    pub fn copy(&mut self, name: &str, from: &Path) -> io::Result<()> {
        let contents = std::fs::read(from).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", from.display()))
        })?;
        self.file(name, &contents)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn link(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.folder_of(name)?;
        self.entry(name, LINK, target.as_bytes())
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn folder(&mut self, name: &str) -> io::Result<()> {
        if self.folders.insert(name.to_owned()) {
            self.folder_of(name)?;
            self.entry(name, DIRECTORY, &[])?;
        }
        Ok(())
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn folder_of(&mut self, name: &str) -> io::Result<()> {
        name.rsplit_once('/').map_or(Ok(()), |(folder, _)| self.folder(folder))
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) -> io::Result<()> {
        self.inode += 1;
        let name_size = name.len() + 1;
        let fields = [
            self.inode,
            mode,
            0, // user
            0, // group
            1, // links
            0, // time
            contents.len() as u32,
            0, // device of the file
            0,
            0, // device that it is
            0,
            name_size as u32,
            0, // no checksum
        ];
        write!(self.out, "070701")?;
        fields.iter().try_for_each(|field| write!(self.out, "{field:08x}"))?;
        self.out.write_all(name.as_bytes())?;
        // Header and name together end on a multiple of four, and so do contents.
        const HEADER: usize = 110;
        self.pad(1, HEADER + name_size)?;
        self.out.write_all(contents)?;
        self.pad(0, contents.len())
    }

    fn pad(&mut self, least: usize, written: usize) -> io::Result<()> {
        let padding = written.next_multiple_of(4) - written;
        self.out.write_all(&[0; 4][..least + padding])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes an archive apart as the kernel does: names, modes and contents.
    fn entries(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        let mut offset = 0;
        let mut take = |length: usize, align: bool| {
            let (taken, rest) = archive.split_at(length);
            offset += length;
            let skip = if align { offset.next_multiple_of(4) - offset } else { 0 };
            offset += skip;
            archive = &rest[skip..];
            taken
        };
        loop {
            let header = std::str::from_utf8(take(110, false)).unwrap();
            assert!(header.starts_with("070701"), "{header}");
            let field = |at: usize| u32::from_str_radix(&header[6 + 8 * at..][..8], 16).unwrap();
            let (mode, size, name_size) = (field(1), field(6), field(11));
            let name = take(name_size as usize, true).strip_suffix(b"\0").unwrap();
            let name = String::from_utf8(name.to_vec()).unwrap();
            if name == "TRAILER!!!" {
                return entries;
            }
            entries.push((name, mode, take(size as usize, true).to_vec()));
        }
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let mut archive = Initramfs::new(Vec::new());
        archive.file("bin/deep/tool", b"#!/bin/sh\n").unwrap();
        archive.link("bin/sh", "busybox").unwrap();
        archive.folder("proc").unwrap();
        archive.file("odd", b"12345").unwrap();
        let expected = [
            ("bin", DIRECTORY, &b""[..]),
            ("bin/deep", DIRECTORY, b""),
            ("bin/deep/tool", FILE, b"#!/bin/sh\n"),
            ("bin/sh", LINK, b"busybox"),
            ("proc", DIRECTORY, b""),
            ("odd", FILE, b"12345"),
        ];
        let found = entries(&archive.finish().unwrap());
        let found: Vec<_> =
            found.iter().map(|(name, mode, it)| (&name[..], *mode, &it[..])).collect();
        assert_eq!(found, expected);
    }
}
