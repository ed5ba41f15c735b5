//! The simulated disk as a [`Storage`]: the live directory answers, and every change is noted.

use super::SimDisk;
use super::fault::{Call, Leaves};
use super::medium::{Change, Inode};
use crate::memory::{MemoryFile, MemoryLock};
use crate::prelude::*;
use crate::storage::{
    Access, Capabilities, ErrorKind, File, FileName, Host, Storage, StorageError,
};

/// What a simulated disk lengthens a file by: a few small records, so that histories run into its end.
const LENGTHENED_BYTES: u64 = 100;

impl Storage for SimDisk {
    type File = SimFile;
    type Lock = MemoryLock;

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn create(&self, name: &FileName) -> Result<SimFile, StorageError> {
        self.enter(Call::Create)?;
        let file = self.world.live.create(name)?;
        Ok(self.handle(self.world.enter_name(*name), file))
    }

    fn open(&self, name: &FileName, access: Access) -> Result<SimFile, StorageError> {
        self.enter(Call::Open)?;
        let file = self.world.live.open(name, access)?;
        let inode = self.world.inodes.borrow().get(name).copied();
        let inode = inode.ok_or(StorageError::new(ErrorKind::NotFound))?;
        Ok(self.handle(inode, file))
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        self.enter(Call::Exists)?;
        self.world.live.exists(name)
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        self.enter(Call::List)?;
        self.world.live.list()
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        self.enter(Call::Rename)?;
        self.world.live.rename(from, to)?;
        let inode = self.world.inodes.borrow_mut().remove(from);
        if let Some(inode) = inode {
            self.world.inodes.borrow_mut().insert(*to, inode);
        }
        self.world.note(Change::Entry(*from, None));
        self.world.note(Change::Entry(*to, inode));
        Ok(())
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        self.enter(Call::Remove)?;
        self.world.live.remove(name)?;
        self.world.inodes.borrow_mut().remove(name);
        self.world.note(Change::Entry(*name, None));
        Ok(())
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        self.enter(Call::SyncNamespace)?;
        can(self.capabilities.namespace_sync)?;
        self.world.live.sync_namespace()?;
        self.world.note(Change::SyncNames);
        Ok(())
    }

    fn lock(&self) -> Result<MemoryLock, StorageError> {
        self.enter(Call::Lock)?;
        can(self.capabilities.kernel_lock)?;
        self.world.live.lock()
    }
}

impl Host for SimDisk {
    fn now_ms(&self) -> Option<u64> {
        self.world.live.now_ms()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        self.enter(Call::Entropy)?;
        self.world.live.entropy()
    }
}

/// An open file of a [`SimDisk`].
#[derive(Clone)]
pub struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) inode: Inode,
    pub(super) file: MemoryFile,
}

impl SimFile {
    /// Writes to the live file and keeps what landed there, which is less when the disk is full.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let done = self.file.append(offset, bytes);
        let mut landed = bytes.to_vec();
        if done.is_err() {
            let got = self.file.pread(offset, &mut landed)?;
            landed.truncate(got);
        }
        self.disk.world.note(Change::Write {
            inode: self.inode,
            offset,
            bytes: landed,
        });
        done
    }
}

impl File for SimFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let Err((error, leaves)) = self.disk.meet(Call::Append) else {
            return self.write(offset, bytes);
        };
        match leaves {
            Leaves::Nothing => {}
            Leaves::Prefix(count) => self.write(offset, &bytes[..count.min(bytes.len())])?,
            Leaves::Zeros => self.write(offset, &vec![0; bytes.len()])?,
            Leaves::All => self.write(offset, bytes)?,
        }
        Err(error)
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        self.disk.enter(Call::Read)?;
        let asked = offset..offset.saturating_add(into.len() as u64);
        let unreadable = self.disk.world.unreadable.borrow();
        if unreadable.iter().any(|(inode, range)| {
            *inode == self.inode && range.start < asked.end && asked.start < range.end
        }) {
            return Err(StorageError::with_detail(
                ErrorKind::Io,
                "unreadable sector",
            ));
        }
        self.file.pread(offset, into)
    }

    fn sync(&self) -> Result<(), StorageError> {
        let done = self.disk.enter(Call::Sync);
        self.disk.world.note(match done {
            Ok(()) => Change::Sync(self.inode),
            Err(_) => Change::SyncRefused(self.inode),
        });
        done
    }

    fn len(&self) -> Result<u64, StorageError> {
        self.disk.enter(Call::Len)?;
        self.file.len()
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.disk.enter(Call::Truncate)?;
        self.file.truncate(len)?;
        self.disk.world.note(Change::Cut {
            inode: self.inode,
            len,
        });
        Ok(())
    }

    fn lengthen(&self, end: u64, bytes: u64) -> Result<u64, StorageError> {
        self.disk.enter(Call::Lengthen)?;
        can(self.disk.capabilities.preallocate)?;
        let len = self.file.len()?;
        let to = end + bytes.min(LENGTHENED_BYTES);
        if to > len {
            // As a write, so that a power cut may keep any part of it and leave old bytes in the rest.
            self.write(len, &vec![0; (to - len) as usize])?;
        }
        Ok(to.max(len))
    }

    fn preallocate(&self, len: u64) -> Result<(), StorageError> {
        self.disk.enter(Call::Preallocate)?;
        can(self.disk.capabilities.preallocate)?;
        self.file.preallocate(len)
    }
}

fn can(capability: bool) -> Result<(), StorageError> {
    match capability {
        true => Ok(()),
        false => Err(StorageError::new(ErrorKind::Unsupported)),
    }
}
