//! Offline analysis: joules, bytes, operational intensity.
