//! Bytes as text: keys and values may be anything.

use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;

/// The bytes of an argument, as it was typed.
pub fn argument(text: &OsStr) -> &[u8] {
    text.as_encoded_bytes()
}

/// The bytes of an argument, or what it says in base64.
pub fn argument_or_base64(text: &OsStr, is_base64: bool) -> Result<Cow<'_, [u8]>, Failure> {
    if !is_base64 {
        return Ok(Cow::Borrowed(argument(text)));
    }
    from_base64(argument(text))
        .map(Cow::Owned)
        .ok_or_else(|| Failure::usage(format!("{} is not base64", readable(argument(text)))))
}

/// Standard base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What standard base64 says; line ends at its end are ignored.
pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim_ascii()).ok()
}

/// For people: text as it is, control characters and bytes that are no UTF-8 escaped.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// As [`readable`], cut to about `max` characters.
pub fn excerpt(bytes: &[u8], max: usize) -> String {
    let text = readable(&bytes[..bytes.len().min(max * 4)]);
    if text.chars().count() <= max && bytes.len() <= max * 4 {
        return text;
    }
    let mut cut: String = text.chars().take(max).collect();
    cut.push_str("...");
    cut
}

/// Puts `"name": "text"` into a JSON object, or `"name_base64"` if the bytes are no UTF-8.
pub fn insert_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), to_base64(bytes).into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_text_and_escapes() {
        assert_eq!(
            readable("häuser\n\x1b[31m".as_bytes()),
            "häuser\\n\\u{1b}[31m"
        );
        assert_eq!(readable(b"a\xff\xfeb"), "a\\xff\\xfeb");
        assert_eq!(excerpt(b"abcdef", 3), "abc...");
        assert_eq!(excerpt(b"abc", 3), "abc");
    }
}
