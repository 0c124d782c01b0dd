//! Has the emulated board do what the guest says it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wattline_arm_bell::word;
use wattline_board::emulated::work::{LayerWork, Work};
use wattline_board::emulated::{EmulatedBoard, Flight, outrank_readers};
use wattline_board::registers::RegisterWindow;

/// How often the page is looked at, and the counters' programming.
const TURN: Duration = Duration::from_millis(1);

/// A guest says when work begins and ends, not how much it is: so a component at work is given one
/// piece after another. After the end it finishes at most those it has.
const PIECE_S: f64 = 4e-3;
const PIECES: usize = 2;

/// What a component at work reads and writes, in bytes a second: less than the small cluster's
/// 0.49 GB/s, so that all of it is computing time.
const READ_BYTES_PER_S: f64 = 300e6;
const WRITE_BYTES_PER_S: f64 = 150e6;

/// The thread that does it, until dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub(crate) fn start(board: Arc<EmulatedBoard>, page: Arc<RegisterWindow>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            outrank_readers();
            let work = Arc::new(piece());
            let mut pieces: Vec<Flight> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                follow(&board, &page, &work, &mut pieces);
                std::thread::sleep(TURN);
            }
        });
        Follower { stop, thread: Some(thread) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed; the test fails for want of work done.
            let _ = thread.join();
        }
    }
}

fn piece() -> Work {
    let layer = LayerWork {
        name: "piece".into(),
        kilohertz: None,
        dispatch_s: 0.0,
        compute_s: PIECE_S,
        read_bytes: READ_BYTES_PER_S * PIECE_S,
        write_bytes: WRITE_BYTES_PER_S * PIECE_S,
    };
    Work { network: "guest".into(), layers: vec![layer] }
}

fn follow(
    board: &EmulatedBoard,
    page: &RegisterWindow,
    work: &Arc<Work>,
    pieces: &mut Vec<Flight>,
) {
    board.refresh();
    // No truth is written, so none can fail to be.
    pieces.retain(|piece| board.take(piece).is_ok_and(|done| done.is_none()));
    let components = &board.description().components;
    let at_work = page.read(word::AT_WORK).checked_sub(1);
    if let Some(component) = at_work.and_then(|place| components.get(place as usize)) {
        while pieces.len() < PIECES {
            pieces.push(board.submit(component.name(), 0, work));
        }
    }
}
