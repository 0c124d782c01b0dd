//! One sysfs attribute, held open and read again and again without an allocation.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use crate::fault::ReadFault;

/// No attribute that holds one number is longer.
const LONGEST: usize = 64;

/// A held-open attribute that holds one number.
#[derive(Debug)]
pub(crate) struct Attribute {
    file: File,
    path: PathBuf,
    /// The number divided by this is in the base unit: 1000 where the file speaks of mV.
    divisor: f64,
    /// Its content, where that can be had without a system call.
    map: Option<MmapRaw>,
}

impl Attribute {
    /// Opens an attribute whose number, divided by `divisor`, is in the base unit.
    pub(crate) fn open(path: PathBuf, divisor: f64) -> io::Result<Self> {
        let file = File::open(&path)?;
        Ok(Attribute { file, path, divisor, map: None })
    }

    /// For a clock that stands still while others work: reads from a mapping of the file from
    /// now on, which costs a thirtieth of the system call. Only a file of eight bytes can be
    /// mapped, which is replaced whole; sysfs has none, and is read as ever.
    pub(crate) fn map(&mut self) {
        let eight_bytes =
            |file: &File| file.metadata().is_ok_and(|it| it.is_file() && it.len() == 8);
        if eight_bytes(&self.file) {
            self.map = MmapOptions::new().len(8).map_raw_read_only(&self.file).ok();
        }
    }

    /// Reads the file now, into `text`.
    fn read_text(&self, text: &mut [u8; LONGEST]) -> io::Result<usize> {
        let Some(map) = &self.map else { return self.file.read_at(text, 0) };
        let word: *const AtomicU64 = map.as_ptr().cast();
        // SAFETY: the mapping is live, eight bytes long and page-aligned; the file is shortened
        // by nobody, as nobody else is in step with a clock that stands still.
        let bytes = unsafe { &*word }.load(Ordering::Acquire).to_ne_bytes();
        text[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Reads the number now, in the base unit.
    pub(crate) fn read(&self) -> Result<f64, ReadFault> {
        let mut text = [0u8; LONGEST];
        let length = self.read_text(&mut text).map_err(ReadFault::from)?;
        if length == LONGEST {
            return Err(ReadFault::Garbage);
        }
        let text = text[..length].trim_ascii();
        if text.is_empty() {
            return Err(ReadFault::Empty);
        }
        let number = Decimal::parse(text).ok_or(ReadFault::Garbage)?;
        Ok(number.divided_by(self.divisor))
    }

    /// Whether the file is no longer in any directory: its device went away.
    pub(crate) fn is_unlinked(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A decimal number as sysfs writes it: `-1250`, `1.128750`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    mantissa: i64,
    /// Digits after the point.
    places: u32,
}

impl Decimal {
    /// Nothing but a sign, digits and one point; `None` for anything else and on overflow.
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let mut number = Decimal { mantissa: 0, places: 0 };
        let mut after_point = false;
        let mut any = false;
        for &byte in digits {
            match byte {
                b'0'..=b'9' => {
                    let digit = i64::from(byte - b'0');
                    number.mantissa = number.mantissa.checked_mul(10)?.checked_add(digit)?;
                    number.places += u32::from(after_point);
                    any = true;
                }
                b'.' if !after_point => after_point = true,
                _ => return None,
            }
        }
        if negative {
            number.mantissa = -number.mantissa;
        }
        any.then_some(number)
    }

    /// One division, so that 1250 mV is exactly 1.25 V.
    fn divided_by(self, divisor: f64) -> f64 {
        self.mantissa as f64 / (divisor * 10f64.powi(self.places as i32))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], divisor: f64) -> Result<f64, ReadFault> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in1_input");
        fs::write(&path, text).unwrap();
        Attribute::open(path, divisor).unwrap().read()
    }

    #[test]
    fn numbers_as_drivers_write_them() {
        for (text, divisor, value) in [
            ("1250\n", 1e3, 1.25),
            ("   1250\n\n", 1e3, 1.25),
            ("-3\n", 1e3, -0.003),
            ("1.128750\n", 1.0, 1.12875),
            ("0", 1e6, 0.0),
        ] {
            assert_eq!(read(text.as_bytes(), divisor), Ok(value), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_said_to_be_none() {
        assert_eq!(read(b"", 1.0), Err(ReadFault::Empty));
        assert_eq!(read(b" \n", 1.0), Err(ReadFault::Empty));
        let long = [b'1'; 200];
        for text in [&b"abc"[..], b"12x", b"1.2.3", b"-", b"nan", b"1e9", b"\xff\x00", &long] {
            assert_eq!(read(text, 1.0), Err(ReadFault::Garbage), "{text:?}");
        }
        assert_eq!(read(b"9223372036854775808", 1.0), Err(ReadFault::Garbage));
    }

    #[test]
    fn a_mapped_file_says_what_a_read_one_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in1_input");
        fs::write(&path, "   1234\n").unwrap();
        let mut attribute = Attribute::open(path.clone(), 1e3).unwrap();
        attribute.map();
        assert!(attribute.map.is_some());
        assert_eq!(attribute.read(), Ok(1.234));
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"   4321\n", 0).unwrap();
        assert_eq!(attribute.read(), Ok(4.321));
        fs::write(&path, "12\n").unwrap();
        let mut short = Attribute::open(path, 1e3).unwrap();
        short.map();
        assert!(short.map.is_none(), "a file that is no eight bytes is read as ever");
    }

    #[test]
    fn a_removed_file_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("curr1_input");
        fs::write(&path, "12\n").unwrap();
        let attribute = Attribute::open(path.clone(), 1e3).unwrap();
        assert!(!attribute.is_unlinked());
        fs::remove_file(path).unwrap();
        assert!(attribute.is_unlinked());
    }

    proptest! {
        #[test]
        fn every_integer_comes_back(value in -1_000_000_000i64..1_000_000_000) {
            prop_assert_eq!(read(format!("{value}\n").as_bytes(), 1.0), Ok(value as f64));
        }

        #[test]
        fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&text, 1e3);
        }
    }
}
