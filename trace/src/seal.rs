//! Whether a manifest is as it was written.
//!
//! A line that is lost from `manifest.json` (a rail from a component's list, say) can leave valid
//! JSON of the right schema that means something else. The manifest therefore ends with a checksum
//! of its content: it tells damage, and a change by hand, from what was recorded. White space and
//! the order of keys do not matter.

use serde_json::Value;

/// The key that the checksum stands under.
const KEY: &str = "crc32";

/// Puts a checksum at the end of a JSON object's text.
///
/// # Errors
/// If it is no JSON object.
pub(crate) fn seal(text: &str) -> Result<String, serde_json::Error> {
    let sum = checksum(&serde_json::from_str(text)?)?;
    let body = text.trim_end().strip_suffix('}').unwrap_or(text).trim_end();
    Ok(format!("{body},\n  \"{KEY}\": \"{sum}\"\n}}\n"))
}

/// Whether the object's checksum is that of its content; none if it has no checksum.
pub(crate) fn is_whole(object: &Value) -> Option<bool> {
    let mut object = object.clone();
    let stated = object.as_object_mut()?.remove(KEY)?;
    let sum = checksum(&object).ok()?;
    Some(stated.as_str() == Some(&sum))
}

/// Of the object without white space and with its keys sorted, which is how `Value` is written.
fn checksum(object: &Value) -> Result<String, serde_json::Error> {
    Ok(format!("{:08x}", crc32fast::hash(&serde_json::to_vec(object)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"b\": [1, 0.30000000000000004],\n  \"a\": \"x\"\n}\n";

    fn parsed(text: &str) -> Option<bool> {
        is_whole(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_was_sealed_is_whole_until_it_changes() {
        let sealed = seal(TEXT).unwrap();
        assert_eq!(parsed(&sealed), Some(true));
        assert_eq!(parsed(&sealed.replace(['\n', ' '], "")), Some(true));
        assert_eq!(parsed(&sealed.replace("\"x\"", "\"y\"")), Some(false));
        assert_eq!(parsed(&sealed.replace("[1, ", "[")), Some(false));
        assert_eq!(parsed(TEXT), None);
    }
}
