//! Answers taken apart. What does not fit is an error, never a guess.

use crate::{Error, Result};
use redis::Value;

/// An answer, unless it is the server's refusal.
pub(crate) fn accepted(value: Value) -> Result<Value> {
    let Value::ServerError(refusal) = value else {
        return Ok(value);
    };
    let code = refusal.code().to_owned();
    let words = refusal.details().unwrap_or_default().to_owned();
    Err(match code.as_str() {
        "NOAUTH" | "WRONGPASS" | "DENIED" => Error::Denied {
            words: format!("{code} {words}"),
        },
        _ => gap(&words).unwrap_or(Error::Refused { code, words }),
    })
}

/// The store's own words for a gap, as [`portcask_core::Error`] says them.
fn gap(words: &str) -> Option<Error> {
    let rest = words.strip_prefix("changes from seq ")?;
    let (from, rest) = rest.split_once(' ')?;
    let oldest = rest.rsplit_once(' ')?.1;
    Some(Error::Gap {
        from: from.parse().ok()?,
        oldest: oldest.parse().ok()?,
    })
}

/// The one answer to the one command that was sent.
pub(crate) fn only(answers: Vec<Value>) -> Result<Value> {
    match <[Value; 1]>::try_from(answers) {
        Ok([value]) => accepted(value),
        Err(others) => Err(unexpected("a command", &Value::Array(others))),
    }
}

pub(crate) fn unexpected(to: &'static str, value: &Value) -> Error {
    let mut answer = format!("{value:?}");
    if let Some((cut, _)) = answer.char_indices().nth(120) {
        answer.truncate(cut);
    }
    Error::Unexpected { to, answer }
}

pub(crate) fn done(to: &'static str, value: &Value) -> Result<()> {
    match value {
        Value::Okay => Ok(()),
        other => Err(unexpected(to, other)),
    }
}

pub(crate) fn integer(to: &'static str, value: &Value) -> Result<i64> {
    match value {
        Value::Int(number) => Ok(*number),
        other => Err(unexpected(to, other)),
    }
}

pub(crate) fn count(to: &'static str, value: &Value) -> Result<u64> {
    let number = integer(to, value)?;
    u64::try_from(number).map_err(|_| unexpected(to, value))
}

pub(crate) fn maybe_bytes(to: &'static str, value: Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::Nil => Ok(None),
        other => bytes(to, other).map(Some),
    }
}

pub(crate) fn bytes(to: &'static str, value: Value) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
        other => Err(unexpected(to, &other)),
    }
}

pub(crate) fn text(to: &'static str, value: Value) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(to, value)?).into_owned())
}

pub(crate) fn list(to: &'static str, value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(unexpected(to, &other)),
    }
}

pub(crate) fn fixed<const N: usize>(to: &'static str, value: Value) -> Result<[Value; N]> {
    let items = list(to, value)?;
    items
        .try_into()
        .map_err(|items| unexpected(to, &Value::Array(items)))
}

/// A time in milliseconds since 1970; `None` for -1, which is no end.
pub(crate) fn end_of_life(to: &'static str, value: &Value) -> Result<Option<u64>> {
    match integer(to, value)? {
        -1 => Ok(None),
        at => u64::try_from(at)
            .map(Some)
            .map_err(|_| unexpected(to, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_in_the_stores_words() {
        let error = portcask_core::Error::gap(7, 41);
        assert_eq!(
            gap(&error.to_string()),
            Some(Error::Gap {
                from: 7,
                oldest: 41
            })
        );
        assert_eq!(gap("value is not an integer or out of range"), None);
    }

    #[test]
    fn an_answer_of_another_kind_is_an_error_that_shows_it() {
        let wrong = count("DBSIZE", &Value::Int(-1)).unwrap_err();
        assert!(matches!(wrong, Error::Unexpected { to: "DBSIZE", .. }));
        assert!(bytes("GET", Value::Int(1)).is_err());
        assert!(fixed::<2>("SCAN", Value::Array(vec![Value::Nil])).is_err());
        let long = unexpected("GET", &Value::BulkString(vec![b'x'; 1000]));
        assert!(long.to_string().len() < 300);
    }
}
