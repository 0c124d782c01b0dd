//! What a user writes to say where marks come from.

use std::path::PathBuf;
use std::str::FromStr;

/// Where the marks of images, or of layers, come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Specification {
    /// `usdt:PROVIDER:BEGIN,END[@BINARY]`
    Usdt { provider: String, begin: String, end: String, binary: Option<PathBuf> },
    /// `uprobe:SYMBOL[@BINARY][±OFFSET]`: a function's entry and return; with an offset, those of
    /// the function that starts so many bytes after the symbol, or before it.
    Uprobe { symbol: String, binary: Option<PathBuf>, offset: i64 },
    /// `uprobe:@BINARY+OFFSET`: those of the function that starts so many bytes into the file.
    Offset { binary: PathBuf, file_offset: u64 },
}

/// How both forms are written.
pub(crate) const FORMS: &str = "usdt:PROVIDER:BEGIN,END[@BINARY] or uprobe:SYMBOL[@BINARY][±OFFSET] or \
     uprobe:@BINARY+OFFSET";

impl FromStr for Specification {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.split_once(':') {
            Some(("usdt", rest)) => usdt(rest),
            Some(("uprobe", rest)) => uprobe(rest),
            _ => None,
        };
        parsed.ok_or_else(|| format!("expected {FORMS}"))
    }
}

fn usdt(text: &str) -> Option<Specification> {
    let (probes, binary) = split_binary(text)?;
    let (provider, names) = probes.split_once(':')?;
    let (begin, end) = names.split_once(',')?;
    let whole = [provider, begin, end].iter().all(|part| !part.is_empty() && !part.contains(','));
    whole.then(|| Specification::Usdt {
        provider: provider.to_owned(),
        begin: begin.to_owned(),
        end: end.to_owned(),
        binary,
    })
}

fn uprobe(text: &str) -> Option<Specification> {
    let (place, offset) = split_offset(text);
    let (symbol, binary) = split_binary(place)?;
    match (symbol, binary) {
        ("", Some(binary)) => {
            let file_offset = u64::try_from(offset?).ok()?;
            Some(Specification::Offset { binary, file_offset })
        }
        ("", None) => None,
        (symbol, binary) => Some(Specification::Uprobe {
            symbol: symbol.to_owned(),
            binary,
            offset: offset.unwrap_or(0),
        }),
    }
}

/// C++ has names with a plus or a minus, and files have either: only a number after it is an
/// offset, and after a minus one that is written `0x…` (`lib-2` is a file).
fn split_offset(text: &str) -> (&str, Option<i64>) {
    let Some(at) = text.rfind(['+', '-']) else { return (text, None) };
    let (place, digits) = (&text[..at], &text[at + 1..]);
    let before = text[at..].starts_with('-');
    let offset = number(digits).filter(|_| !before || digits.starts_with("0x"));
    match offset {
        Some(offset) => (place, Some(if before { -offset } else { offset })),
        None => (text, None),
    }
}

fn split_binary(text: &str) -> Option<(&str, Option<PathBuf>)> {
    match text.split_once('@') {
        Some((_, "")) => None,
        Some((name, binary)) => Some((name, Some(binary.into()))),
        None => Some((text, None)),
    }
}

/// Digits alone: a sign is no part of it.
fn number(text: &str) -> Option<i64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    let all_digits = digits.chars().all(|letter| letter.is_digit(radix));
    all_digits.then(|| i64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uprobe(symbol: &str, binary: Option<&str>, offset: i64) -> Specification {
        Specification::Uprobe { symbol: symbol.into(), binary: binary.map(PathBuf::from), offset }
    }

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            ("uprobe:run", uprobe("run", None, 0)),
            ("uprobe:net::Engine::run(int)", uprobe("net::Engine::run(int)", None, 0)),
            ("uprobe:run@/lib/a.so", uprobe("run", Some("/lib/a.so"), 0)),
            ("uprobe:run@lib.so+0x10", uprobe("run", Some("lib.so"), 16)),
            ("uprobe:run+12", uprobe("run", None, 12)),
            ("uprobe:run@lib.so-0x10", uprobe("run", Some("lib.so"), -16)),
            ("uprobe:run@lib-2.so", uprobe("run", Some("lib-2.so"), 0)),
            ("uprobe:run@lib-2", uprobe("run", Some("lib-2"), 0)),
            ("uprobe:run@lib-2-0x2", uprobe("run", Some("lib-2"), -2)),
            ("uprobe:Vector::operator-", uprobe("Vector::operator-", None, 0)),
            ("uprobe:Vector::operator+", uprobe("Vector::operator+", None, 0)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let offset = Specification::Offset { binary: "./lib.so".into(), file_offset: 0x84320 };
        assert_eq!("uprobe:@./lib.so+0x84320".parse(), Ok(offset));
        let usdt = |binary: Option<&str>| Specification::Usdt {
            provider: "wattline".into(),
            begin: "image_begin".into(),
            end: "image_end".into(),
            binary: binary.map(PathBuf::from),
        };
        assert_eq!("usdt:wattline:image_begin,image_end".parse(), Ok(usdt(None)));
        assert_eq!("usdt:wattline:image_begin,image_end@./a".parse(), Ok(usdt(Some("./a"))));
    }

    #[test]
    fn anything_else_is_answered_with_the_forms() {
        for text in [
            "",
            "run",
            "usdt:a",
            "usdt:a:b",
            "usdt:a:b,",
            "usdt:a:b,c,d",
            "uprobe:",
            "uprobe:@x",
            "uprobe:@x-0x10",
            "uprobe:+0x10",
            "uprobe:f@",
            "kprobe:x",
        ] {
            let refused = text.parse::<Specification>().unwrap_err();
            assert!(refused.contains("uprobe:SYMBOL"), "{text}");
        }
    }
}
