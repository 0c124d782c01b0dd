//! Progress bars, for anything over two seconds. They go to standard error and vanish when it is
//! not a terminal, and carry no colours.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `steps` steps under a fixed label.
pub(crate) fn bar(label: &str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>24} [{bar:30}] {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(steps).with_style(style).with_prefix(label.to_owned())
}
