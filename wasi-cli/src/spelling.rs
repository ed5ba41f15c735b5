//! Spellings that people bring along from bitcaskctl, which takes long options with one dash.

use std::ffi::OsString;

const BITCASKCTL: [&str; 18] = [
    "data",
    "concurrency",
    "duration",
    "ops",
    "keyspace",
    "valueSize",
    "read",
    "write",
    "del",
    "compactEvery",
    "printEvery",
    "samples",
    "cpuprofile",
    "memprofile",
    "startupOnly",
    "forceScan",
    "writeHint",
    "printStartup",
];

/// The arguments, with `-valueSize` behind `bench` read as `--valueSize`.
pub fn normalised(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut is_bench = false;
    let mut is_verbatim = false;
    args.map(|arg| {
        is_verbatim |= arg == "--";
        if is_bench && !is_verbatim && is_bitcaskctl(&arg) {
            let mut double = OsString::from("-");
            double.push(&arg);
            return double;
        }
        is_bench |= arg == "bench";
        arg
    })
    .collect()
}

fn is_bitcaskctl(arg: &OsString) -> bool {
    arg.to_str()
        .and_then(|arg| arg.strip_prefix('-'))
        .is_some_and(|option| {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            BITCASKCTL.contains(&name)
        })
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn single_dashes_count_only_behind_bench() {
        let typed = [
            "portcask", "bench", "-data", "x", "-ops=5", "--read", "-d", "--", "-data",
        ];
        let read = normalised(typed.iter().map(Into::into));
        assert_eq!(
            read,
            [
                "portcask", "bench", "--data", "x", "--ops=5", "--read", "-d", "--", "-data"
            ]
        );
        let typed = ["portcask", "put", "-data"];
        assert_eq!(normalised(typed.iter().map(Into::into)), typed);
    }
}
