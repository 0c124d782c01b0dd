//! Decimal numbers as recordings hold them, read without a detour.
//!
//! Most of what a table holds is numbers, and most of them are short: these are read here, eight
//! characters at a time, exactly as the standard library reads them; anything else is left to it.

use crate::text::{Text, WORD, every, first};

/// A whole number of ASCII digits. A sign or a blank is not what we write: `None` rather than a
/// guess.
#[inline]
pub(crate) fn whole(text: Text<'_>) -> Option<u64> {
    let number = match text.len() {
        1..=WORD => text.last_word().and_then(digits),
        length @ 9..=16 => {
            let (high, low) = (text.before(length - WORD), text.after(length - WORD));
            let words = high.last_word().zip(low.last_word());
            words.and_then(|(high, low)| Some(digits(high)? * 100_000_000 + digits(low)?))
        }
        _ => None,
    };
    number.or_else(|| any_whole(text.bytes()))
}

/// A decimal number, rounded to the nearest `f64`.
#[inline]
pub(crate) fn decimal(text: Text<'_>) -> Option<f64> {
    let negative = text.first() == Some(b'-');
    let unsigned = if negative { text.after(1) } else { text };
    match short_decimal(unsigned) {
        Some(value) if negative => Some(-value),
        Some(value) => Some(value),
        None => std::str::from_utf8(text.bytes()).ok()?.parse().ok(),
    }
}

#[cold]
fn any_whole(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// The number that eight digits are, the first of them in the lowest byte; `None` if one is none.
///
/// Neighbours are put together to numbers of two digits, those to numbers of four, and those to one
/// of eight.
#[inline]
fn digits(word: u64) -> Option<u64> {
    // From '0' to '9' a byte's high half is 3, also with 6 added.
    let halves = word & every(0xF0) | (word.wrapping_add(every(6)) & every(0xF0)) >> 4;
    (halves == every(0x33)).then(|| {
        let ones = word & every(0x0F);
        let pairs = (ones * 10 + (ones >> 8)) & 0x00FF_00FF_00FF_00FF;
        let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
        (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF
    })
}

/// By the number of decimals.
const TENS: [f64; WORD] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// A decimal number without sign, of up to eight characters. An integer and a power of ten so small
/// are exact, and one division of the two rounds correctly (Clinger, "How to read floating point
/// numbers accurately", PLDI 1990).
#[inline]
fn short_decimal(text: Text<'_>) -> Option<f64> {
    if text.len() > WORD || !text.first()?.is_ascii_digit() {
        return None;
    }
    let word = text.last_word()?;
    let Some(point) = first(word, b'.') else { return digits(word).map(|number| number as f64) };
    // What stands before the point moves up by a byte, over it.
    let before = word & !(u64::MAX << (8 * point));
    let behind = word & ((u64::MAX << (8 * point)) << 8);
    let mantissa = digits(before << 8 | behind | u64::from(b'0'))?;
    Some(mantissa as f64 / TENS[WORD - 1 - point])
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
        // Alone, and among other fields, where it is read by words.
        let all = format!("19,VDD_ARM,1.00125,{text},1.5,2200000");
        let within = Text::within(all.as_bytes(), 19, 19 + text.len());
        for field in [Text::of(text.as_bytes()), within] {
            assert_eq!(bits(decimal(field)), bits(text.parse().ok()), "{text}");
            assert_eq!(whole(field), std_whole(text), "{text}");
        }
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

    /// All decimals of up to five digits: a thousandth of all that are read by words, and with them
    /// every place of the point.
    #[test]
    fn every_short_decimal() {
        for digits in 0..100_000u32 {
            let text = digits.to_string();
            assert_same(&text);
            for point in 0..=text.len() {
                assert_same(&format!("{}.{}", &text[..point], &text[point..]));
                assert_same(&format!("0.{}{text}", &"00000"[point.min(5)..]));
            }
        }
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

        /// Longer than eight bytes too: the whole range of the exact quotient and beyond it.
        #[test]
        fn any_decimal_of_many_digits(text in "-?[0-9]{1,19}(\\.[0-9]{0,25})?") {
            assert_same(&text);
        }

        #[test]
        fn any_eight_bytes(text in "[-./0-9:,]{1,8}") {
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
