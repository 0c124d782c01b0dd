//! Cuts time into tiles, one for each reading, without overlap and without gap.

/// A stretch of time with the power that stands for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Power at the start; linear in between where no reading covers it, else that at the end.
    pub(crate) watts_from: f64,
    /// Power at the end.
    pub(crate) watts_to: f64,
    /// Whether a reading covers it; else it is interpolated.
    pub(crate) covered: bool,
}

impl Piece {
    /// Joules of the part from `from` to `to`, which lies within the piece.
    pub(crate) fn joules(&self, from: u64, to: u64) -> f64 {
        let seconds = (to - from) as f64 * 1e-9;
        if self.covered {
            return self.watts_to * seconds;
        }
        let length = (self.to - self.from) as f64;
        let middle = ((from - self.from) as f64 + (to - self.from) as f64) / (2.0 * length);
        let mean = self.watts_from + (self.watts_to - self.watts_from) * middle;
        mean * seconds
    }
}

/// The tile of a reading at `t` with window `window`, in one piece or, after a hole, two.
/// `before` is the time and power of the reading before, which lies earlier.
pub(crate) fn tile(
    before: Option<(u64, f64)>,
    t: u64,
    watts: f64,
    window: u64,
) -> [Option<Piece>; 2] {
    let covered = |from| Piece { from, to: t, watts_from: watts, watts_to: watts, covered: true };
    let window_start = t.saturating_sub(window);
    match before {
        None => [None, Some(covered(window_start))],
        Some((from, _)) if t - from <= window.saturating_add(window / 2) => {
            [None, Some(covered(from))]
        }
        Some((from, watts_from)) => {
            let hole =
                Piece { from, to: window_start, watts_from, watts_to: watts, covered: false };
            [Some(hole), Some(covered(window_start))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_readings_tile_time_and_far_ones_leave_a_hole() {
        let near = tile(Some((100, 1.0)), 115, 2.0, 10);
        assert_eq!(near[0], None);
        assert_eq!(near[1].map(|piece| (piece.from, piece.to)), Some((100, 115)));
        let far = tile(Some((100, 1.0)), 116, 2.0, 10);
        let (hole, covered) = (far[0].unwrap(), far[1].unwrap());
        assert_eq!((hole.from, hole.to, hole.covered), (100, 106, false));
        assert_eq!((covered.from, covered.to, covered.covered), (106, 116, true));
        assert!((hole.joules(100, 106) - 6e-9 * 1.5).abs() < 1e-18);
    }

    #[test]
    fn parts_of_a_piece_add_up() {
        let piece = Piece { from: 3, to: 103, watts_from: 1.0, watts_to: 5.0, covered: false };
        let parts = piece.joules(3, 40) + piece.joules(40, 103);
        assert!((parts - piece.joules(3, 103)).abs() < 1e-20);
    }
}
