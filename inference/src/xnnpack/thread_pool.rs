//! The threads that layers are spread over.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::{self, NonNull};

use super::ffi;
use crate::executor::ExecutorError;

/// A pthreadpool. The thread that runs a layer works along, so a pool of `n` has `n − 1` threads
/// of its own, and a pool of one is none at all.
///
/// The threads inherit the CPU affinity of the one that creates the pool: to put an executor on a
/// cluster, set the affinity, then make the executor.
#[derive(Debug)]
pub(super) struct ThreadPool {
    pool: Option<NonNull<ffi::PThreadPool>>,
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "only kernels of ours ask, and those are x86's")
    )]
    threads: usize,
}

impl ThreadPool {
    /// A pool of `threads` threads, counting the caller.
    pub(super) fn new(threads: usize) -> Result<Self, ExecutorError> {
        match threads {
            0 => Err(ExecutorError::NoThreads),
            1 => Ok(Self { pool: None, threads }),
            // SAFETY: takes a number and gives a pool, or null when it cannot.
            _ => match NonNull::new(unsafe { ffi::pthreadpool_create(threads) }) {
                Some(pool) => Ok(Self { pool: Some(pool), threads }),
                None => Err(ExecutorError::Library {
                    layer: String::new(),
                    call: "pthreadpool_create",
                    status: format!("no {threads} threads to be had"),
                }),
            },
        }
    }

    /// The pool for the library; null, which it takes as "run on the caller", for a pool of one.
    pub(super) fn as_ptr(&self) -> *mut ffi::PThreadPool {
        self.pool.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// How many threads there are, counting the caller.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` on pieces of at most `tile` items that together make up `0..items`, in
    /// parallel, and returns when all are done. A panic in `work` ends the process.
    pub(super) fn for_each<F: Fn(Range<usize>) + Sync>(&self, items: usize, tile: usize, work: F) {
        extern "C" fn piece<F: Fn(Range<usize>) + Sync>(
            context: *mut c_void,
            start: usize,
            count: usize,
        ) {
            // SAFETY: `context` is the `work` that `for_each` keeps alive and lends out shared
            // (F: Sync) until the pool has finished all pieces.
            let work = unsafe { &*context.cast_const().cast::<F>() };
            work(start..start + count);
        }
        let context = (&raw const work).cast_mut().cast::<c_void>();
        // SAFETY: the pool is alive or null; `piece::<F>` reads `context` as the F that it is;
        // the call returns only after the last piece.
        unsafe {
            ffi::pthreadpool_parallelize_1d_tile_1d(
                self.as_ptr(),
                piece::<F>,
                context,
                items,
                tile.max(1),
                0,
            );
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            // SAFETY: the pool is ours alone, and no work is under way: `for_each` and the
            // library's operators return only when theirs is done.
            unsafe { ffi::pthreadpool_destroy(pool.as_ptr()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_visited_once() {
        for threads in [1, 2, 3] {
            let visits: Vec<_> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
            let pool = ThreadPool::new(threads).unwrap();
            pool.for_each(visits.len(), 7, |items| {
                visits[items].iter().for_each(|visit| {
                    visit.fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(visits.iter().all(|visit| visit.load(Ordering::Relaxed) == 1));
        }
    }
}
