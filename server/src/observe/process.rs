//! What this process uses, where the system tells it: Linux does.

use std::fs;

/// Memory in use and at most so far, in bytes.
pub(crate) fn memory_bytes() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((kib("VmRSS:")? << 10, kib("VmHWM:")? << 10))
}

/// Seconds of processor time as user and in the system.
pub(crate) fn cpu_seconds() -> Option<(f64, f64)> {
    // Fixed in what Linux shows to programs.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process may hold spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let user = times.next()?.ok()?;
    let system = times.next()?.ok()?;
    Some((user / TICKS_PER_SECOND, system / TICKS_PER_SECOND))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_what_this_process_uses() {
        let (now, most) = memory_bytes().unwrap();
        assert!(now > 1 << 16 && most >= now, "{now} {most}");
        let (user, system) = cpu_seconds().unwrap();
        assert!((0.0..1e6).contains(&user) && (0.0..1e6).contains(&system));
    }
}
