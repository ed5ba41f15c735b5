//! A real file system in a file, whose power can be cut. Linux alone, and root alone.
//!
//! ```text
//!   image   a sparse file of 512 MiB   -- loop device -->  ext4 or XFS, mounted
//!   cut     the file system's shutdown request: from now on nothing reaches the device
//!   again   unmount (what was only in memory is gone), mount (the journal is replayed, as at boot)
//! ```
//!
//! What is lost is what the kernel had not given to the device: pages, names, sizes, the running
//! transaction. The device itself keeps what it was given, as one without a volatile cache does.
//!
//! A sync that is on its way when the power goes may still answer that all is well: ext4 does. The
//! store acknowledges nothing on its word, because its look at the fence afterwards fails.

use rustix::fs::{Advice, fadvise};
use rustix::ioctl;
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// XFS is not made smaller than 300 MiB.
const IMAGE_BYTES: u64 = 512 << 20;
/// `_IOR('X', 125, __u32)`: shut the file system down. One number for all file systems that know it.
const SHUTDOWN: ioctl::Opcode = ioctl::opcode::read::<u32>(b'X', 125);
/// What the kernel writes back at a time.
pub const PAGE_BYTES: u64 = 4096;
/// An unmount may have to wait for a process that is still dying.
const UNMOUNT_TRIES: usize = 100;

/// See the [module](self). Unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    fs: &'static str,
    image: PathBuf,
    point: PathBuf,
    mounted: bool,
}

impl Disk {
    /// Makes the file system in `work`, mounts it and cuts it once. An error is the reason why
    /// this machine cannot.
    pub fn prepare(fs: &'static str, work: &Path) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount a file system".into());
        }
        let mut disk = Self {
            fs,
            image: work.join("disk.img"),
            point: work.join("mounted"),
            mounted: false,
        };
        let make = || {
            fs::create_dir(&disk.point)?;
            File::create(&disk.image)?.set_len(IMAGE_BYTES)
        };
        make().map_err(|error| format!("no image in {}: {error}", work.display()))?;
        disk.format()?;
        disk.mount("")?;
        disk.cut(2)
            .map_err(|error| format!("{fs} cannot be shut down here: {error}"))?;
        disk.again("")?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Mount options worth a try beside the defaults; an empty one is the defaults.
    pub fn options(&self) -> &'static [&'static str] {
        match self.fs {
            // Then sizes reach the journal before the data does.
            "ext4" => &["", "", "data=writeback"],
            _ => &[""],
        }
    }

    /// Cuts the power. `flags`: 0 writes back everything first, 1 only the journal, 2 nothing.
    pub fn cut(&self, flags: u32) -> io::Result<()> {
        let root = File::open(&self.point)?;
        // SAFETY: the request takes a pointer to 32 bits and reads them (ext4 and XFS both
        // `get_user` a `__u32`); `Setter` passes a pointer to a `u32` that lives through the call.
        let request = unsafe { ioctl::Setter::<SHUTDOWN, u32>::new(flags) };
        // SAFETY: the request stops the file system behind `root` and touches no memory of ours.
        // `root` is the mount point of an image that this process made for the purpose.
        unsafe { ioctl::ioctl(&root, request) }.map_err(io::Error::from)
    }

    /// What a reboot does: forgets what was in memory, and replays the journal.
    pub fn again(&mut self, options: &str) -> Result<(), String> {
        self.unmount()?;
        self.mount(options)
    }

    fn format(&self) -> Result<(), String> {
        let program = format!("mkfs.{}", self.fs);
        let quiet = ["-q", if self.fs == "ext4" { "-F" } else { "-f" }];
        run(tool(&program).args(quiet).arg(&self.image))
    }

    fn mount(&mut self, options: &str) -> Result<(), String> {
        let mut mount = tool("mount");
        mount.args(["-t", self.fs, "-o"]);
        mount.arg(["loop", options].join(",").trim_end_matches(','));
        run(mount.arg(&self.image).arg(&self.point))?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), String> {
        let mut done = Ok(());
        for _ in 0..UNMOUNT_TRIES {
            done = run(tool("umount").arg(&self.point));
            if done.is_ok() {
                self.mounted = false;
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        done
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted && self.unmount().is_err() {
            // Gone from the tree at once, and for good when its last user is.
            let _ = run(tool("umount").arg("-l").arg(&self.point));
        }
    }
}

/// Starts the write-back of some pages of a file, out of their order, as a kernel under memory
/// pressure does. `at` and `pages` say which; beyond the end of the file nothing happens.
pub fn write_back(file: &Path, at: u64, pages: u64) -> io::Result<()> {
    let length = NonZeroU64::new(pages * PAGE_BYTES);
    let file = File::open(file)?;
    fadvise(&file, at * PAGE_BYTES, length, Advice::DontNeed).map_err(io::Error::from)
}

/// A neighbour's sync, which commits whatever names and sizes the journal holds.
pub fn neighbour_syncs(folder: &Path) -> io::Result<()> {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("neighbour"))?;
    file.write_all(b"a line of another program\n")?;
    file.sync_all()
}

/// A program that may be in a folder that only root's path names.
fn tool(name: &str) -> Command {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let mut places = folders.iter().map(|folder| Path::new(folder).join(name));
    let program = places.find(|place| place.is_file());
    let mut command = Command::new(program.unwrap_or_else(|| name.into()));
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{name} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{name} is not installed"))
        }
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}
