//! The font of PNG figures.

/// Noto Sans Regular, by Google, under the SIL Open Font License 1.1.
pub(super) const SANS: &[u8] = notosans::REGULAR_TTF;
