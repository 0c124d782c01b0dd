//! `wattline record` on programs that are not ours, as Debian and PyPI have them.

#[path = "../../inference/engines/environment.rs"]
mod environment;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Runs a network as often as it is told.
const CLASSIFY: &str = "
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
entry = session.get_inputs()[0]
image = numpy.zeros(entry.shape, dtype=numpy.float32)
for _ in range(int(sys.argv[2])):
    session.run(None, {entry.name: image})
";

/// In the wheel 1.32.0 for x86-64 and Python 3.11, how far beyond its only exported function those
/// start that run a session, and one node of it.
const RUN: &str = "+0x84320";
const EXECUTE_KERNEL: &str = "+0xc32a60";

/// An interpreter with ONNX Runtime, and its library, if that is the one whose offsets are known.
fn onnx_runtime() -> Result<(PathBuf, String), String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/engines/onnxruntime.txt");
    let python = environment::made_of(&list).map_err(|error| error.to_string())?;
    let ask = "import onnxruntime.capi.onnxruntime_pybind11_state as it; print(it.__file__)";
    let said =
        Command::new(&python).args(["-c", ask]).output().map_err(|error| error.to_string())?;
    let library = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if !library.ends_with("cpython-311-x86_64-linux-gnu.so") {
        return Err(format!(
            "the offsets of {library:?} are not known: it takes Python 3.11, x86-64"
        ));
    }
    Ok((python, library))
}

#[test]
fn onnx_runtime_is_watched_image_by_image_and_node_by_node() {
    if !is_root(WHY) {
        return;
    }
    let (python, library) = match onnx_runtime() {
        Ok(found) => found,
        Err(why) if std::env::var_os("CI").is_some() => panic!("in CI: no ONNX Runtime: {why}"),
        Err(why) => {
            // Not eprintln!, which the test harness captures.
            let _ =
                writeln!(std::io::stderr(), "NOT CHECKED: ONNX Runtime was not recorded: {why}");
            return;
        }
    };
    const IMAGES: usize = 7;
    let place = Place::new();
    place.write("classify.py", CLASSIFY);
    place.wattline("network export squeezenet --out squeezenet.onnx").succeeded();
    let mark = format!("uprobe:PyInit_onnxruntime_pybind11_state@{library}");
    let python = python.display();
    record(
        &place,
        &format!(
            "--image-mark {mark}{RUN} --layer-mark {mark}{EXECUTE_KERNEL} -- \
             {python} classify.py squeezenet.onnx {IMAGES}"
        ),
    )
    .succeeded();
    assert_eq!(images(&place), IMAGES);
    let spans = place.bundle("trace").table("spans.csv");
    let layers = |image: &str| spans.with("parent", image).len();
    let counts: Vec<_> =
        spans.with("kind", "image").iter().map(|image| layers(image.text("id"))).collect();
    // ONNX Runtime fuses some of the 66 layers, the same in each image.
    assert!(counts[0] > 20 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}
