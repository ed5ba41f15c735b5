//! Finds the preopened directory that covers a path, by names alone.
//!
//! A WASI guest can name nothing outside the directories its host has opened for it, and it knows
//! those only by the names the host gave them: `data`, `.`, `/data`, `../data`. Names are compared
//! by component; a leading slash, `.` and doubled or trailing slashes make no difference, as in
//! wasi-libc.

use alloc::vec::Vec;

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
pub(crate) fn resolve<'a>(
    path: &[u8],
    preopens: impl Iterator<Item = &'a [u8]>,
) -> Result<(usize, Vec<u8>), Misfit> {
    if path.is_empty() {
        return Err(Misfit::Empty);
    }
    // Of those that cover equally much, the last one.
    let mut best = None;
    for (index, name) in preopens.enumerate() {
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
    let mut rest = Vec::new();
    for part in parts(path).skip(covered) {
        if part == b".." {
            return Err(Misfit::Climbs);
        }
        if !rest.is_empty() {
            rest.push(b'/');
        }
        rest.extend_from_slice(part);
    }
    Ok((index, rest))
}

/// The parts between slashes.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let all = path.split(|byte| *byte == b'/');
    all.filter(|part| !matches!(*part, b"" | b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preopened_directory_that_covers_most_is_taken() {
        let check = |path: &str, preopens: &[&str], index, rest: &str| {
            let found = resolve(path.as_bytes(), preopens.iter().map(|name| name.as_bytes()));
            assert_eq!(found, Ok((index, rest.into())), "{path}");
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
        let refused = |path: &str, preopens: &[&str]| {
            resolve(path.as_bytes(), preopens.iter().map(|name| name.as_bytes())).unwrap_err()
        };
        assert_eq!(refused("", &["."]), Misfit::Empty);
        assert_eq!(refused("data", &[]), Misfit::Uncovered);
        assert_eq!(refused("database", &["data"]), Misfit::Uncovered);
        assert_eq!(refused("..", &["data"]), Misfit::Uncovered);
        assert_eq!(refused("data/../x", &["data"]), Misfit::Climbs);
        assert_eq!(refused("../x", &["."]), Misfit::Climbs);
    }

    #[test]
    fn a_path_that_is_no_text_is_found_by_its_bytes() {
        let preopens: [&[u8]; 2] = [b"data", b"\xffdata"];
        let found = resolve(b"/\xffdata/\xfe", preopens.into_iter());
        assert_eq!(found, Ok((1, b"\xfe".into())));
    }
}
