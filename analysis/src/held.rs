//! Lists as long as a recording: of its images, their layers, and what is made of them.
//!
//! A list lies in memory while it is short. From then on it lies in a file without a name, of which
//! the system keeps in memory what there is room for: so a recording of any length is analysed in a
//! bounded amount of memory. Where no file can be had, memory has to hold the list.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use memmap2::MmapMut;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of a list that are held in memory.
const IN_MEMORY: usize = 4 << 20;

/// What a list may hold: numbers, and nothing that points elsewhere.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable + Copy {}

impl<T: FromBytes + IntoBytes + Immutable + Copy> Plain for T {}

/// A number that may not be known, as a list can hold it.
#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Maybe {
    number: u64,
    is_known: u64,
}

impl Maybe {
    pub(crate) fn get(self) -> Option<u64> {
        (self.is_known != 0).then_some(self.number)
    }
}

impl From<Option<u64>> for Maybe {
    fn from(number: Option<u64>) -> Self {
        Maybe { number: number.unwrap_or(0), is_known: u64::from(number.is_some()) }
    }
}

/// A list as long as need be.
pub(crate) struct Held<T> {
    place: Place<T>,
    /// Items that are held in memory before a file is asked for.
    room: usize,
}

enum Place<T> {
    Memory(Vec<T>),
    File(InFile),
}

/// The first bytes of a file that is all of it in reach.
struct InFile {
    file: File,
    bytes: MmapMut,
    /// How many of the bytes are of items.
    used: usize,
}

impl<T: Plain> Held<T> {
    /// Adds an item.
    pub(crate) fn push(&mut self, item: T) {
        if let Place::Memory(items) = &self.place
            && items.len() >= self.room
        {
            match InFile::of(items.as_bytes()) {
                Ok(file) => self.place = Place::File(file),
                Err(_) => self.room *= 2,
            }
        }
        match &mut self.place {
            Place::Memory(items) => items.push(item),
            Place::File(file) => {
                if file.push(item.as_bytes()).is_err() {
                    let mut items = self.to_vec();
                    items.push(item);
                    self.room = 2 * items.len();
                    self.place = Place::Memory(items);
                }
            }
        }
    }

    /// Sorts by a key; items of the same key in no certain order.
    pub(crate) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        // Mostly they come in order; then a long list is not written again.
        if !self.is_sorted_by_key(&key) {
            self.sort_unstable_by_key(key);
        }
    }
}

impl InFile {
    fn of(items: &[u8]) -> io::Result<Self> {
        let mut file = tempfile::tempfile_in(directory())?;
        let bytes = grow(&mut file, 0, 2 * items.len())?;
        let mut held = InFile { file, bytes, used: 0 };
        held.push(items)?;
        Ok(held)
    }

    fn push(&mut self, item: &[u8]) -> io::Result<()> {
        let end = self.used + item.len();
        if end > self.bytes.len() {
            self.bytes = grow(&mut self.file, self.bytes.len(), end + end / 4)?;
        }
        self.bytes[self.used..end].copy_from_slice(item);
        self.used = end;
        Ok(())
    }
}

/// Fills a file up to a length with zeros, so that what is written to it later has its room, and
/// maps it.
fn grow(file: &mut File, from: usize, to: usize) -> io::Result<MmapMut> {
    file.seek(SeekFrom::Start(from as u64))?;
    io::copy(&mut io::Read::take(io::repeat(0), (to - from) as u64), file)?;
    // SAFETY: the file has no name and no other handle: nobody else writes to it or cuts it short.
    unsafe { MmapMut::map_mut(&*file) }
}

/// Where files without a name go: where `TMPDIR` says, or on a disk, as `/tmp` may lie in memory.
fn directory() -> PathBuf {
    let on_disk = PathBuf::from("/var/tmp");
    match std::env::var_os("TMPDIR") {
        None if on_disk.is_dir() => on_disk,
        _ => std::env::temp_dir(),
    }
}

impl<T: Plain> Deref for Held<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.place {
            Place::Memory(items) => items,
            // A mapping begins on a page and what is used of it are whole items.
            Place::File(file) => FromBytes::ref_from_bytes(&file.bytes[..file.used])
                .expect("bytes that were written as items"),
        }
    }
}

impl<T: Plain> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.place {
            Place::Memory(items) => items,
            Place::File(file) => FromBytes::mut_from_bytes(&mut file.bytes[..file.used])
                .expect("bytes that were written as items"),
        }
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Held { place: Place::Memory(Vec::new()), room: IN_MEMORY / size_of::<T>().max(1) }
    }
}

impl<'a, T: Plain> IntoIterator for &'a Held<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Plain> Extend<T> for Held<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T: Plain> FromIterator<T> for Held<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut held = Held::default();
        held.extend(items);
        held
    }
}

impl<T: Plain> Clone for Held<T> {
    fn clone(&self) -> Self {
        self.iter().copied().collect()
    }
}

impl<T: Plain + PartialEq> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_file<T>(held: &Held<T>) -> bool {
        matches!(held.place, Place::File(_))
    }

    proptest! {
        #[test]
        fn a_list_in_a_file_is_the_list_it_would_be_in_memory(
            room in 1..50usize,
            items in proptest::collection::vec(any::<[u64; 3]>(), 0..400),
        ) {
            let mut held = Held { place: Place::Memory(Vec::new()), room };
            held.extend(items.iter().copied());
            prop_assert_eq!(in_file(&held), items.len() > room);
            prop_assert_eq!(&*held, &items[..]);
            let mut sorted = items.clone();
            sorted.sort_unstable();
            held.sort_by_key(|item| *item);
            prop_assert_eq!(&*held, &sorted[..]);
            held.push([0; 3]);
            prop_assert_eq!(held.len(), items.len() + 1);
        }
    }

    #[test]
    fn a_long_list_goes_to_a_file() {
        let length = IN_MEMORY / 8 + 1;
        let held: Held<u64> = (0..length as u64).collect();
        assert!(in_file(&held));
        assert!(held.iter().zip(0..).all(|(item, at)| *item == at));
        assert!(!in_file(&held.iter().copied().take(length - 1).collect::<Held<u64>>()));
    }
}
