//! The files of a store as a stopped guest left them, held in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Every file of a directory, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image(BTreeMap<String, Vec<u8>>);

impl Image {
    /// What a directory holds; nothing if there is none.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, fs::read(entry.path())?);
        }
        Ok(Self(files))
    }

    /// Fills an empty directory.
    pub(super) fn lay_out(&self, dir: &Path) -> io::Result<()> {
        let mut files = self.0.iter();
        files.try_for_each(|(name, bytes)| fs::write(dir.join(name), bytes))
    }

    /// The images on the way to `after`, where that differs by one write to one file: the first
    /// bytes of the write are there and the others not. At most `cuts` of them, evenly spread, the
    /// first and the last byte's among them.
    pub(super) fn torn(&self, after: &Self, cuts: usize) -> Vec<Self> {
        let Some((name, old, new)) = self.one_change(after) else {
            return Vec::new();
        };
        let is_other = |at: &usize| old.get(*at) != Some(&new[*at]);
        let begin = (0..new.len()).find(is_other).unwrap_or(new.len());
        let end = (0..new.len())
            .rfind(is_other)
            .map_or(begin, |last| last + 1);
        spread(begin + 1..end, cuts)
            .map(|cut| {
                let rest = old.get(cut..).unwrap_or_default();
                let mut torn = self.clone();
                torn.0.insert(name.clone(), [&new[..cut], rest].concat());
                torn
            })
            .collect()
    }

    /// The one file that was written to: its name, its bytes before and after.
    fn one_change<'a>(&'a self, after: &'a Self) -> Option<(&'a String, &'a [u8], &'a [u8])> {
        if !self.0.keys().eq(after.0.keys()) {
            return None;
        }
        let pairs = self.0.iter().zip(after.0.values());
        let mut changed = pairs.filter(|((_, old), new)| old != new);
        let ((name, old), new) = changed.next()?;
        let is_write = changed.next().is_none() && old.len() <= new.len();
        is_write.then_some((name, old, new))
    }
}

/// At most `count` numbers of the range, evenly spread from its first to its last.
fn spread(range: std::ops::Range<usize>, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(range.len());
    let steps = count.saturating_sub(1).max(1);
    (0..count).map(move |at| range.start + (range.len() - 1) * at / steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Image {
        /// With the last file of this prefix cut short.
        pub(crate) fn without_last_byte_of(mut self, prefix: &str) -> Self {
            let mut files = self.0.iter_mut();
            let last = files.rfind(|(name, _)| name.starts_with(prefix));
            last.expect("such a file").1.pop();
            self
        }
    }

    fn image(files: &[(&str, &str)]) -> Image {
        let file = |(name, bytes): &(&str, &str)| (name.to_string(), bytes.as_bytes().to_vec());
        Image(files.iter().map(file).collect())
    }

    #[test]
    fn a_torn_append_has_a_prefix_of_its_bytes() {
        let before = image(&[("a", "12"), ("b", "x")]);
        let after = image(&[("a", "123456"), ("b", "x")]);
        let torn = |bytes| image(&[("a", bytes), ("b", "x")]);
        let all = ["123", "1234", "12345"].map(torn);
        assert_eq!(before.torn(&after, 100), all);
        assert_eq!(before.torn(&after, 2), [torn("123"), torn("12345")]);
    }

    #[test]
    fn a_torn_overwrite_keeps_the_old_bytes_behind_the_cut() {
        let before = image(&[("a", "0000")]);
        assert_eq!(
            before.torn(&image(&[("a", "0770")]), 9),
            [image(&[("a", "0700")])]
        );
        assert_eq!(
            before.torn(&image(&[("a", "7777")]), 1),
            [image(&[("a", "7000")])]
        );
    }

    #[test]
    fn only_a_write_can_be_torn() {
        let before = image(&[("a", "12")]);
        for after in [
            &[("a", "12"), ("b", "")][..],
            &[("a", "1")],
            &[("b", "12")],
            &[("a", "12")],
            &[("a", "123")],
        ] {
            assert_eq!(before.torn(&image(after), 9), [], "{after:?}");
        }
    }
}
