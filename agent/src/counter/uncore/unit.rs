//! Bytes of one count, from the `.unit` and `.scale` that a PMU gives an event.
//!
//! `perf stat` shows count × scale in the unit. Drivers write `MB` for 2²⁰ bytes (rockchip_ddr: one
//! byte a count, 9.536743164e-07; meson_ddr_bw: sixteen, 1.52587890625e-05) where others write
//! `MiB`, and `MB` as 10⁶ would make their bytes 4.6 % too few. Hardware counts whole bytes: of the
//! two meanings that one holds which gives a whole number.

/// Bytes of one count; none if the unit is none of bytes or the number not a whole one.
pub(super) fn bytes_per_count(unit: &str, scale: Option<&str>) -> Option<u64> {
    let scale: f64 = scale.map_or(Some(1.0), |scale| scale.parse().ok())?;
    let meanings: &[f64] = match unit {
        "B" | "Bytes" | "bytes" => &[1.0],
        "KiB" => &[1024.0],
        "KB" | "kB" => &[1024.0, 1e3],
        "MiB" => &[1048576.0],
        "MB" => &[1048576.0, 1e6],
        "GiB" => &[1073741824.0],
        "GB" => &[1073741824.0, 1e9],
        _ => return None,
    };
    meanings.iter().find_map(|unit_bytes| whole(unit_bytes * scale))
}

/// The whole number that this is, but for the digits that a driver leaves out.
fn whole(bytes: f64) -> Option<u64> {
    /// Drivers write ten digits.
    const ROUNDED: f64 = 1e-8;
    /// More than any counter has a use for.
    const MOST: f64 = 1e9;
    let nearest = bytes.round();
    let is_whole = (bytes - nearest).abs() <= ROUNDED * nearest;
    (is_whole && (1.0..=MOST).contains(&nearest)).then_some(nearest as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_as_drivers_write_them() {
        for (unit, scale, bytes) in [
            ("MB", Some("9.536743164e-07"), Some(1)),
            ("MB", Some("1.52587890625e-05"), Some(16)),
            ("MiB", Some("6.103515625e-5"), Some(64)),
            ("Bytes", Some("64"), Some(64)),
            ("Bytes", None, Some(1)),
            ("MB", Some("1.6e-5"), Some(16)),
            ("MB", Some("1"), Some(1048576)),
        ] {
            assert_eq!(bytes_per_count(unit, scale), bytes, "{unit} {scale:?}");
        }
    }

    #[test]
    fn what_is_no_number_of_bytes_is_none() {
        for (unit, scale) in [
            ("Joules", Some("2.3283064365386962890625e-10")),
            ("Bytes", Some("0.3")),
            ("MiB", Some("1e-6")),
            ("MB", Some("many")),
            ("Bytes", Some("0")),
            ("Bytes", Some("-1")),
            ("Bytes", Some("nan")),
            ("Bytes", Some("inf")),
            ("", None),
        ] {
            assert_eq!(bytes_per_count(unit, scale), None, "{unit} {scale:?}");
        }
    }
}
