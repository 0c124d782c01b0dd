//! A difference in words.

use super::difference::Compared;
use super::{Compare, Differs};

impl Compare {
    /// What stands in a table for people, with its unit.
    pub fn in_words(self) -> &'static str {
        match self {
            Compare::JoulesPerImage => "J/image",
            Compare::ImagesPerS => "images/s",
            Compare::DramBytesPerImage => "DRAM MB/image",
            Compare::OiEmpirical => "OI_e flop/B",
            Compare::SecondsPerImage => "ms/image",
        }
    }

    /// By what a value is multiplied to stand under that.
    pub(crate) fn scale(self) -> f64 {
        match self {
            Compare::DramBytesPerImage => 1e-6,
            Compare::SecondsPerImage => 1e3,
            _ => 1.0,
        }
    }

    /// What B does, and how more and less of it are called.
    fn verb(self) -> [&'static str; 3] {
        match self {
            Compare::JoulesPerImage => ["takes", "more", "less"],
            Compare::ImagesPerS => ["does", "more", "fewer"],
            Compare::DramBytesPerImage => ["moves", "more", "less"],
            Compare::OiEmpirical => ["has an intensity", "higher", "lower"],
            Compare::SecondsPerImage => ["takes", "longer", "less"],
        }
    }
}

/// "B takes 3.1 % (2.0 to 4.2 %) less".
pub(super) fn says(quantity: Compare, compared: &Compared) -> String {
    let [verb, more, less] = quantity.verb();
    let interval = compared.percent.and_then(|it| Some((it.value, it.interval?)));
    match (compared.differs, interval) {
        (Differs::More, Some((value, (from, to)))) => {
            let digits = digits(to - from);
            format!("B {verb} {value:.digits$} % ({from:.digits$} to {to:.digits$} %) {more}")
        }
        (Differs::Less, Some((value, (from, to)))) => {
            let digits = digits(to - from);
            let (value, from, to) = (-value, -to, -from);
            format!("B {verb} {value:.digits$} % ({from:.digits$} to {to:.digits$} %) {less}")
        }
        (Differs::No, Some((_, (from, to)))) => {
            let digits = digits(to - from);
            format!("no difference that the readings show ({from:+.digits$} to {to:+.digits$} %)")
        }
        _ => match (compared.a, compared.b, compared.percent) {
            (Some(_), None, _) => "not known of B: see the notes".to_owned(),
            (None, Some(_), _) => "not known of A: see the notes".to_owned(),
            (Some((_, Some(_))), Some((_, Some(_))), _) => "too uncertain to compare".to_owned(),
            (_, _, Some(percent)) => {
                format!("{:+.1} %, and too few images to say how sure that is", percent.value)
            }
            _ => "not known".to_owned(),
        },
    }
}

/// Decimals that show an interval of this width with two digits.
fn digits(width: f64) -> usize {
    let magnitude = if width > 0.0 { width.log10().floor() } else { 0.0 };
    (1.0 - magnitude).clamp(1.0, 6.0) as usize
}

#[cfg(test)]
mod tests {
    use super::super::difference::Percent;
    use super::*;

    #[test]
    fn differences_read_as_people_say_them() {
        let compared = |value, from, to, differs| Compared {
            a: Some((1.0, None)),
            b: Some((1.0, None)),
            percent: Some(Percent { value, interval: Some((from, to)) }),
            differs,
        };
        let less = compared(-3.1, -4.2, -2.0, Differs::Less);
        assert_eq!(says(Compare::JoulesPerImage, &less), "B takes 3.1 % (2.0 to 4.2 %) less");
        assert_eq!(says(Compare::ImagesPerS, &less), "B does 3.1 % (2.0 to 4.2 %) fewer");
        let more = compared(0.123, 0.111, 0.135, Differs::More);
        assert_eq!(
            says(Compare::DramBytesPerImage, &more),
            "B moves 0.123 % (0.111 to 0.135 %) more"
        );
        let none = compared(0.05, -0.4, 0.5, Differs::No);
        assert_eq!(
            says(Compare::JoulesPerImage, &none),
            "no difference that the readings show (-0.40 to +0.50 %)"
        );
        let bare = Compared {
            percent: Some(Percent { value: 10.0, interval: None }),
            differs: Differs::Unknown,
            ..none
        };
        assert_eq!(
            says(Compare::JoulesPerImage, &bare),
            "+10.0 %, and too few images to say how sure that is"
        );
        let unsure = Compared { a: Some((1.0, Some(0.9))), b: Some((2.0, Some(0.9))), ..bare };
        assert_eq!(says(Compare::JoulesPerImage, &unsure), "too uncertain to compare");
        let missing = Compared { b: None, percent: None, ..bare };
        assert_eq!(says(Compare::JoulesPerImage, &missing), "not known of B: see the notes");
    }
}
