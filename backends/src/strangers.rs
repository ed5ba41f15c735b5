//! What lies in a directory where a store would be made.

use portcask_core::FileName;
use portcask_core::format::file::names;
use std::ffi::OsString;
use std::path::Path;
use std::vec::Vec;

/// The files of others in a directory that holds no store, sorted by name: a store that is made there lies among them,
/// which is more often a slip than meant. A program asks before it makes one; [`crate::Engine::open`] does not.
///
/// Empty where a store is. What tools and file systems hide there does not count: names that begin with a dot, and
/// `lost+found`. A directory that is absent or cannot be listed has none: whatever opens it tells why it cannot.
pub fn strangers(dir: &Path) -> Vec<OsString> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut strangers = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let known = name.to_str().and_then(FileName::new);
        if known.is_some_and(|name| names::parse(&name).is_some()) {
            return Vec::new();
        }
        let own = [names::lock(), names::reserve()];
        let is_own = known.is_some_and(|name| own.contains(&name));
        if !is_own && name != "lost+found" && !name.as_encoded_bytes().starts_with(b".") {
            strangers.push(name);
        }
    }
    strangers.sort();
    strangers
}

#[cfg(test)]
mod tests {
    use super::{names, strangers};
    use std::fs;

    #[test]
    fn all_files_are_strangers_but_a_stores_own_and_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        assert!(strangers(&dir.path().join("absent")).is_empty());
        let lock = names::lock();
        let hidden = [".gitkeep", "lost+found", lock.as_str()];
        for name in ["photo.jpg", "letter.txt"].iter().chain(&hidden) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(strangers(dir.path()), ["letter.txt", "photo.jpg"]);
        crate::open(dir.path()).unwrap();
        assert!(strangers(dir.path()).is_empty(), "it is a store now");
    }
}
