//! `--sensor-tolerance`: how far sensors' gains may lie off.

use wattline_analysis::SensorTolerances;

/// A rail, or none for all, and a share.
pub(crate) type Tolerance = (Option<String>, f64);

/// Reads `0.5%` or `RAIL=0.5%`.
pub(crate) fn parse(text: &str) -> Result<Tolerance, String> {
    let (rail, share) = match text.rsplit_once('=') {
        Some((rail, share)) => (Some(rail.trim().to_owned()), share),
        None => (None, text),
    };
    let share = percent(share)?;
    if share > 1.0 {
        return Err("a sensor that is off by more than 100 % measures nothing".to_owned());
    }
    Ok((rail, share))
}

/// Reads `5%` as a share: 0.05. Without its sign nobody knows which of the two is meant.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').and_then(|it| it.trim().parse::<f64>().ok());
    let share = number.filter(|it| it.is_finite() && *it >= 0.0).map(|percent| percent / 100.0);
    share.ok_or_else(|| "expected a percentage such as 0.5%".to_owned())
}

/// All that were given; of one rail the last counts.
pub(crate) fn put_together(given: &[Tolerance]) -> SensorTolerances {
    let mut all = SensorTolerances::default();
    for (rail, share) in given {
        match rail {
            None => all.all = Some(*share),
            Some(rail) => {
                all.rails.retain(|(known, _)| known != rail);
                all.rails.push((rail.clone(), *share));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_of_all_rails_or_of_one() {
        assert_eq!(parse("0.5%"), Ok((None, 0.005)));
        assert_eq!(parse("VDD_MEM=2 %"), Ok((Some("VDD_MEM".to_owned()), 0.02)));
        for wrong in ["0.5", "-1%", "nan%", "%", "R=", "150%"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let given = [(None, 0.01), (Some("R".to_owned()), 0.02), (Some("R".to_owned()), 0.03)];
        let all = put_together(&given);
        assert_eq!((all.all, &all.rails[..]), (Some(0.01), &[("R".to_owned(), 0.03)][..]));
    }
}
