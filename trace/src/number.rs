//! Decimal numbers as recordings hold them, read without a detour.
//!
//! Most of what a table holds is numbers, and most of them are short: these are read here, exactly
//! as the standard library reads them, and anything else is left to it.

/// A whole number of ASCII digits. A sign or a blank is not what we write: `None` rather than a
/// guess.
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    /// As many digits always fit.
    const FIT: usize = 19;
    match text.len() {
        0 => None,
        1..=FIT => text.iter().try_fold(0, |number, &byte| Some(number * 10 + digit(byte)?)),
        _ => {
            text.iter().all(u8::is_ascii_digit).then_some(())?;
            std::str::from_utf8(text).ok()?.parse().ok()
        }
    }
}

/// A decimal number, rounded to the nearest `f64`.
///
/// `digits.digits` with a mantissa below 2^53 and at most 22 decimals is one exact integer divided
/// by another, and so one division rounds it correctly (Clinger, "How to read floating point
/// numbers accurately", PLDI 1990).
pub(crate) fn decimal(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match short_decimal(unsigned) {
        Some(value) if negative => Some(-value),
        Some(value) => Some(value),
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// Powers of ten that are exact.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

fn short_decimal(text: &[u8]) -> Option<f64> {
    // 18 digits and the point: the mantissa fits in 64 bits, whatever they are.
    if !(1..=19).contains(&text.len()) || !text[0].is_ascii_digit() {
        return None;
    }
    let (mut mantissa, mut point) = (0u64, None);
    for (place, &byte) in text.iter().enumerate() {
        match digit(byte) {
            Some(digit) => mantissa = mantissa * 10 + digit,
            None if byte == b'.' && point.is_none() => point = Some(place),
            None => return None,
        }
    }
    let decimals = point.map_or(0, |point| text.len() - point - 1);
    let exact = point.is_some() || text.len() < 19;
    (exact && mantissa < 1 << 53).then(|| mantissa as f64 / TENS[decimals])
}

fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the standard library makes of it, with the same refusals.
    fn std_whole(text: &str) -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    }

    fn assert_same(text: &str) {
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        assert_eq!(bits(decimal(text.as_bytes())), bits(text.parse().ok()), "{text}");
        assert_eq!(whole(text.as_bytes()), std_whole(text), "{text}");
    }

    #[test]
    fn edges() {
        let texts = [
            "",
            "0",
            "-0",
            "-",
            ".",
            "1.",
            ".5",
            "-.5",
            "1.2.3",
            "+1",
            " 1",
            "1 ",
            "inf",
            "nan",
            "1e3",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "0.9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999",
            "0x1",
            "1234567890123456789",
            "12345678901234567890",
            "0.000000000000000001",
            "5e-324",
        ];
        texts.into_iter().for_each(assert_same);
    }

    proptest! {
        #[test]
        fn any_number_as_it_is_written(value: f64) {
            prop_assume!(value.is_finite());
            assert_same(ryu::Buffer::new().format_finite(value));
        }

        #[test]
        fn any_short_decimal(text in "-?[0-9]{1,12}(\\.[0-9]{0,9})?") {
            assert_same(&text);
        }

        #[test]
        fn any_text_of_numbers(text in "[-+.e0-9 ]{0,24}") {
            assert_same(&text);
        }

        #[test]
        fn any_whole_number(value: u64) {
            assert_same(itoa::Buffer::new().format(value));
        }
    }
}
