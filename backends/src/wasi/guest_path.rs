//! Finds the preopened directory that covers a path, by names alone.
//!
//! A WASI guest can name nothing outside the directories its host has opened for it, and it knows
//! those only by the names the host gave them: `data`, `.`, `/data`, `../data`. Names are compared
//! by component; a leading slash, `.` and doubled or trailing slashes make no difference, as in
//! wasi-libc.

use alloc::string::String;

/// Why no preopened directory can be used for a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The path is empty.
    Empty,
    /// No preopened directory covers it.
    Uncovered,
    /// It climbs with `..` below the preopened directory; hosts disagree about what that means.
    Climbs,
}

/// The index of the preopened directory that covers most of `path`, and the rest of the path: no
/// slash at either end, empty for the directory itself.
pub(crate) fn resolve(path: &str, preopens: &[&str]) -> Result<(usize, String), Misfit> {
    if path.is_empty() {
        return Err(Misfit::Empty);
    }
    // Of those that cover equally much, the last one.
    let mut best = None;
    for (index, name) in preopens.iter().enumerate() {
        let (mut wanted, mut covered) = (parts(path), 0);
        let covers = parts(name).all(|part| {
            covered += 1;
            wanted.next() == Some(part)
        });
        if covers && best.is_none_or(|(_, most)| covered >= most) {
            best = Some((index, covered));
        }
    }
    let (index, covered) = best.ok_or(Misfit::Uncovered)?;
    let mut rest = String::new();
    for part in parts(path).skip(covered) {
        if part == ".." {
            return Err(Misfit::Climbs);
        }
        if !rest.is_empty() {
            rest.push('/');
        }
        rest.push_str(part);
    }
    Ok((index, rest))
}

/// The parts between slashes, found byte by byte: the standard library's searches weigh more than the rest here.
fn parts(mut path: &str) -> impl Iterator<Item = &str> {
    let mut next = move || {
        let end = path.bytes().position(|byte| byte == b'/');
        let (part, rest) = match end {
            Some(end) => (path.get(..end)?, path.get(end + 1..)?),
            None if path.is_empty() => return None,
            None => (path, ""),
        };
        path = rest;
        Some(part)
    };
    core::iter::from_fn(move || {
        loop {
            match next()? {
                "" | "." => {}
                part => return Some(part),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preopened_directory_that_covers_most_is_taken() {
        let check = |path, preopens: &[&str], index, rest: &str| {
            assert_eq!(resolve(path, preopens), Ok((index, rest.into())), "{path}");
        };
        check("data", &["data"], 0, "");
        check("data/", &["data"], 0, "");
        check("./data//", &["data"], 0, "");
        check("/data", &["data"], 0, "");
        check("data", &["/data"], 0, "");
        check("data/sub/deep", &["data"], 0, "sub/deep");
        check(".", &["."], 0, "");
        check("data", &["."], 0, "data");
        check("/data", &["/"], 0, "data");
        check("a/b/c", &[".", "a/b", "a"], 1, "c");
        check("../data", &["../data"], 0, "");
        check("../data/sub", &["..", "../data"], 1, "sub");
    }

    #[test]
    fn a_path_that_no_host_has_opened_is_refused_and_so_is_climbing() {
        assert_eq!(resolve("", &["."]), Err(Misfit::Empty));
        assert_eq!(resolve("data", &[]), Err(Misfit::Uncovered));
        assert_eq!(resolve("database", &["data"]), Err(Misfit::Uncovered));
        assert_eq!(resolve("..", &["data"]), Err(Misfit::Uncovered));
        assert_eq!(resolve("data/../x", &["data"]), Err(Misfit::Climbs));
        assert_eq!(resolve("../x", &["."]), Err(Misfit::Climbs));
    }
}
