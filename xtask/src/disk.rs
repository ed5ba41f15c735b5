//! How much room the disk has: a build that runs out of it fails in ways that do not say so.

use std::path::Path;
use std::process::Command;

use crate::shell::{Context, Failure, Result};

/// Mebibytes that may still be written where `path` lies, by `df`.
pub fn free_mib(path: &Path) -> Result<u64> {
    let output = Command::new("df")
        .args(["-P", "-k"])
        .arg(path)
        .output()
        .doing("cannot start df")?;
    parse(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::new("df did not tell the free space"))
}

/// POSIX: a line of headings, then one with the kibibytes left in its fourth field.
fn parse(table: &str) -> Option<u64> {
    let kib: u64 = table
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_disk_is_read_from_df() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                     /dev/vda 263940680 46899084 49090588 49% /\n";
        assert_eq!(parse(table), Some(47_940));
        assert_eq!(parse("df: nothing there\n"), None);
    }
}
