//! `wattline record` on programs that are not ours, as Debian and PyPI have them.

use crate::place::Place;
use crate::record::{WHY, images, record};
use crate::root::is_root;

/// bzip2 calls its library's exported function once for each block of the file that it reads.
#[test]
fn a_library_of_debian_is_watched_by_its_exported_function() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    // Pieces of 5,000 bytes are what bzip2 reads: BZ2_bzWrite is called for each.
    const PIECES: usize = 40;
    place.write("photo.raw", (0..5000 * PIECES).map(|at| (at * at / 7) as u8).collect::<Vec<_>>());
    record(&place, "--image-mark uprobe:BZ2_bzWrite -- bzip2 --keep photo.raw").succeeded();
    assert!(place.path("photo.raw.bz2").exists(), "bzip2 is in Debian's bzip2");
    assert_eq!(images(&place), PIECES);
}
