//! A `.tar` file as a directory of the engine: written once from front to back for backup, read
//! in place for restore. The members are the store's files, so `tar xf` gives a store as well.

use portcask::storage::{Access, Capabilities, ErrorKind, File, Host};
use portcask::{FileName, PlatformStorage, Storage, StorageError};
use std::cell::RefCell;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

/// Everything in a tar file starts at a multiple of this.
const BLOCK: u64 = 512;

/// A file in the archive, or being written to it.
#[derive(Clone, Copy, Debug)]
struct Member {
    name: FileName,
    /// Where its bytes start in the archive.
    start: u64,
    len: u64,
}

#[derive(Debug)]
struct Archive {
    /// Shared with whoever holds its lock: a guest cannot duplicate a file.
    file: Rc<fs::File>,
    members: Vec<Member>,
    is_writable: bool,
}

/// An archive that the engine can use as a storage.
#[derive(Clone, Debug)]
pub struct Tarball {
    archive: Rc<RefCell<Archive>>,
    /// Who has a clock and random bytes; only a backup's target needs them.
    host: Option<Rc<PlatformStorage>>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct TarFile {
    archive: Rc<RefCell<Archive>>,
    at: usize,
}

impl Tarball {
    /// Starts an archive in an empty file. Nothing is complete before [`Tarball::finish`].
    pub fn create(file: Rc<fs::File>, host: PlatformStorage) -> Self {
        let archive = Archive {
            file,
            members: Vec::new(),
            is_writable: true,
        };
        Self {
            archive: Rc::new(RefCell::new(archive)),
            host: Some(Rc::new(host)),
        }
    }

    /// Opens an archive for reading. Errors if it is cut short or no tar file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = fs::File::open(path)?;
        if let Some(undo) = how_to_unpack(&mut file)? {
            let why = format!("it is compressed: run {undo} {} first", path.display());
            return Err(io::Error::other(why));
        }
        let len = file.metadata()?.len();
        let mut members: Vec<Member> = Vec::new();
        for entry in tar::Archive::new(&mut file).entries_with_seek()? {
            let entry = entry.map_err(not_a_tar)?;
            let path = entry.path()?;
            let name = path
                .file_name()
                .and_then(|name| FileName::new(name.to_str()?));
            let Some(name) = name.filter(|_| entry.header().entry_type().is_file()) else {
                continue;
            };
            let member = Member {
                name,
                start: entry.raw_file_position(),
                len: entry.size(),
            };
            let is_inside = member
                .start
                .checked_add(member.len)
                .is_some_and(|end| end <= len);
            if !is_inside || members.iter().any(|other| other.name == name) {
                let why = if is_inside {
                    "twice in the archive"
                } else {
                    "cut short"
                };
                return Err(io::Error::other(format!("{name} is {why}")));
            }
            members.push(member);
        }
        let archive = Archive {
            file: Rc::new(file),
            members,
            is_writable: false,
        };
        Ok(Self {
            archive: Rc::new(RefCell::new(archive)),
            host: None,
        })
    }

    /// Writes what stands at an archive's end, and syncs it.
    pub fn finish(&self) -> io::Result<()> {
        let mut archive = self.archive.borrow_mut();
        let end = archive.seal_last()?;
        archive.write_at(end, &[0; 2 * BLOCK as usize])?;
        archive.file.sync_all()
    }

    fn find(&self, name: &FileName) -> Option<usize> {
        self.archive
            .borrow()
            .members
            .iter()
            .position(|member| member.name == *name)
    }
}

/// What the system refused stays as it is; how the bytes are wrong repeats them, and helps nobody.
/// The program that undoes the compression of a file, if it is compressed.
fn how_to_unpack(file: &mut fs::File) -> io::Result<Option<&'static str>> {
    const KINDS: [(&[u8], &str); 4] = [
        (&[0x1f, 0x8b], "gunzip"),
        (b"BZh", "bunzip2"),
        (b"\xfd7zXZ", "unxz"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "unzstd"),
    ];
    let mut start = Vec::new();
    file.take(5).read_to_end(&mut start)?;
    file.rewind()?;
    let kind = KINDS.iter().find(|(magic, _)| start.starts_with(magic));
    Ok(kind.map(|(_, undo)| *undo))
}

fn not_a_tar(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => io::Error::other("not a tar file, or an incomplete one"),
    }
}

impl Archive {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    }

    /// Gives the last member its header, now that its length is known, and fills its last block.
    /// Returns where the next one may start.
    fn seal_last(&mut self) -> io::Result<u64> {
        let Some(last) = self.members.last().copied() else {
            return Ok(0);
        };
        let mut header = tar::Header::new_gnu();
        header.set_path(last.name.as_str())?;
        header.set_size(last.len);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.write_at(last.start - BLOCK, header.as_bytes())?;
        let end = last.start + last.len;
        let next = end.next_multiple_of(BLOCK);
        self.write_at(end, &[0; BLOCK as usize][..(next - end) as usize])?;
        Ok(next)
    }
}

impl Storage for Tarball {
    type File = TarFile;
    type Lock = ();

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            namespace_sync: true,
            atomic_rename: false,
            kernel_lock: false,
            preallocate: false,
            data_sync: true,
        }
    }

    fn create(&self, name: &FileName) -> Result<TarFile, StorageError> {
        if self.find(name).is_some() {
            return Err(StorageError::new(ErrorKind::Exists));
        }
        let mut archive = self.archive.borrow_mut();
        if !archive.is_writable {
            return Err(StorageError::new(ErrorKind::Denied));
        }
        let start = archive.seal_last().map_err(refused)? + BLOCK;
        archive.members.push(Member {
            name: *name,
            start,
            len: 0,
        });
        Ok(TarFile {
            archive: Rc::clone(&self.archive),
            at: archive.members.len() - 1,
        })
    }

    fn open(&self, name: &FileName, _access: Access) -> Result<TarFile, StorageError> {
        let at = self
            .find(name)
            .ok_or(StorageError::new(ErrorKind::NotFound))?;
        Ok(TarFile {
            archive: Rc::clone(&self.archive),
            at,
        })
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        Ok(self.find(name).is_some())
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        Ok(self
            .archive
            .borrow()
            .members
            .iter()
            .map(|member| member.name)
            .collect())
    }

    fn rename(&self, _from: &FileName, _to: &FileName) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported))
    }

    fn remove(&self, _name: &FileName) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported))
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        // Names are bytes of the archive, which is synced as a whole when it is complete.
        Ok(())
    }

    fn lock(&self) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported))
    }
}

impl Host for Tarball {
    fn now_ms(&self) -> Option<u64> {
        self.host.as_ref()?.now_ms()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        match &self.host {
            Some(host) => host.entropy(),
            None => Err(StorageError::new(ErrorKind::Unsupported)),
        }
    }
}

impl File for TarFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut archive = self.archive.borrow_mut();
        let member = archive.members[self.at];
        let end = offset + bytes.len() as u64;
        let is_last = self.at + 1 == archive.members.len();
        if !archive.is_writable || (end > member.len && !is_last) {
            let why = "only the last file of an archive can grow";
            return Err(StorageError::with_detail(ErrorKind::Unsupported, why));
        }
        archive
            .write_at(member.start + offset, bytes)
            .map_err(refused)?;
        archive.members[self.at].len = member.len.max(end);
        Ok(())
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let archive = self.archive.borrow();
        let member = archive.members[self.at];
        let left = usize::try_from(member.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(into.len());
        let mut file = &*archive.file;
        file.seek(SeekFrom::Start(member.start + offset))
            .map_err(refused)?;
        let mut got = 0;
        while got < wanted {
            match file.read(&mut into[got..wanted]) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Ok(got)
    }

    fn sync(&self) -> Result<(), StorageError> {
        // The archive counts only when it is complete, and is synced then.
        Ok(())
    }

    fn len(&self) -> Result<u64, StorageError> {
        Ok(self.archive.borrow().members[self.at].len)
    }

    fn truncate(&self, _len: u64) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported))
    }
}

fn refused(error: io::Error) -> StorageError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        _ => ErrorKind::Io,
    };
    StorageError::with_detail(kind, error.to_string())
}
