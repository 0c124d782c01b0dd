//! Where in a function its probe costs least.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `endbr64`, with which functions begin that were compiled with `-fcf-protection`.
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// The offset of the instruction to probe of a function that starts at `file_offset`.
///
/// The kernel emulates a `push`, as most functions begin with, and has to single-step `endbr64`,
/// which takes ten times as long. Past it the stack is what it was, so that a return is found all
/// the same. A file that cannot be read is left for the kernel to refuse.
pub(crate) fn cheapest(binary: &Path, file_offset: u64) -> u64 {
    let mut first = [0; ENDBR64.len()];
    let read = File::open(binary).and_then(|file| file.read_exact_at(&mut first, file_offset));
    let skips = cfg!(target_arch = "x86_64") && read.is_ok() && first == ENDBR64;
    if skips { file_offset + ENDBR64.len() as u64 } else { file_offset }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_whole_endbr64_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("code");
        fs::write(&path, [0x90, 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0xf3, 0x0f]).unwrap();
        let skipped = if cfg!(target_arch = "x86_64") { 5 } else { 1 };
        assert_eq!(cheapest(&path, 1), skipped);
        for offset in [0, 5, 6, 8, 1 << 40] {
            assert_eq!(cheapest(&path, offset), offset);
        }
        assert_eq!(cheapest(&directory.path().join("absent"), 1), 1);
    }
}
