//! The positional calls on an open file: past the system, or through a mapping where the user chose one.

use super::StdFiles;
use super::ahead::{self, Ahead};
use super::handle::Handle;
use super::mapping::{Mapping, Suits};
use super::platform;
use super::pool;
use super::refusal::say;
use super::window::End;
use portcask_core::storage::{Access, ErrorKind, File, FileName, StorageError};
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// Largest file offset any platform takes.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// Longest read from a mapping: beyond it the copying costs more than the call, and the system reads ahead.
const MAPPED_READ_BYTES_MAX: usize = 16 << 10;

/// An open file of a [`StdFiles`](super::StdFiles). Clones share the descriptor.
#[derive(Clone, Debug)]
pub struct StdFile {
    handle: Arc<Handle>,
}

impl File for StdFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.must_be_writable()?;
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > OFFSET_MAX) {
            let words = format!(
                "{}: no file is that long",
                self.handle.dir.words_for(&self.handle.name())
            );
            return Err(say(ErrorKind::Full, words));
        }
        let Some(mapped) = self.handle.mapped() else {
            return match &self.handle.ahead {
                Some(ahead) => self.write_ahead(ahead, offset, bytes),
                None => self.write(offset, bytes),
            };
        };
        let mut end = self.end();
        let through_window = match &mut end {
            Some(end) => self
                .handle
                .call(|file| Ok(end.append(file, offset, bytes)))?,
            None => false,
        };
        if !through_window {
            self.settle(end.as_deref_mut())?;
            let done = self.write(offset, bytes);
            match (&mut end, &done) {
                (Some(end), Ok(())) => end.reached(offset + bytes.len() as u64),
                (Some(end), Err(_)) => end.retire(),
                (None, _) => {}
            }
            done?;
        }
        mapped.reads.appended(offset + bytes.len() as u64);
        Ok(())
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let mapping = self.mapping(into.len());
        if mapping.is_some_and(|mapping| mapping.read(offset, into)) {
            return Ok(into.len());
        }
        let bytes = self.bytes_before_end(offset, into.len());
        let into = &mut into[..bytes];
        let mut done = 0;
        while done < into.len() {
            let Some(at) = offset
                .checked_add(done as u64)
                .filter(|at| *at <= OFFSET_MAX)
            else {
                break;
            };
            match self
                .handle
                .call(|file| platform::read_at(file, &mut into[done..], at))?
            {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    fn pread_into(
        &self,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let mapping = self.mapping(bytes);
        if mapping.is_some_and(|mapping| mapping.read_into(offset, bytes, into)) {
            return Ok(());
        }
        let bytes = self.bytes_before_end(offset, bytes);
        // All of the room is read into, so there must not be much more of it than was asked for.
        let fresh = into.len() < bytes && into.capacity() <= bytes + bytes / 8 + 64;
        if !fresh || offset > OFFSET_MAX - into.capacity() as u64 {
            into.resize(bytes, 0);
            let got = self.pread(offset, into)?;
            into.truncate(got);
            return Ok(());
        }
        into.clear();
        while into.len() < bytes {
            let at = offset + into.len() as u64;
            if self
                .handle
                .call(|file| platform::read_behind(file, into, at))?
                == 0
            {
                break;
            }
        }
        into.truncate(bytes);
        Ok(())
    }

    fn approach(&self, offset: u64, bytes: u64) {
        if let Some(mapping) = self.mapping(0) {
            mapping.approach(offset, bytes);
        }
    }

    fn sync(&self) -> Result<(), StorageError> {
        if let Some(mut end) = self.end() {
            self.settle(Some(&mut end))?;
            end.start_over();
        }
        self.settle_zeros(ahead::End::start_over)?;
        self.handle.call(fs::File::sync_data)?;
        self.handle.dir.refuse_removed()
    }

    fn len(&self) -> Result<u64, StorageError> {
        match self.told_end() {
            Some(end) => Ok(end),
            None => self.handle.call(|file| Ok(file.metadata()?.len())),
        }
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.must_be_writable()?;
        let mapping = self.mapping(0);
        let mut end = self.end();
        self.settle(end.as_deref_mut())?;
        self.settle_zeros(|end| end.cut(len))?;
        let done = self.handle.call(|file| match file.metadata()?.len() > len {
            true if mapping.is_some_and(|mapping| !mapping.cut(len)) => {
                Err(io::ErrorKind::OutOfMemory.into())
            }
            true => file.set_len(len),
            false => Ok(()),
        });
        if let Some(end) = &mut end
            && done.is_ok()
        {
            end.cut(len);
        }
        done
    }

    fn lengthen(&self, end: u64, bytes: u64) -> Result<u64, StorageError> {
        self.must_be_writable()?;
        self.can_set_aside()?;
        // A window's zeros are cut off before the next sync, and these would be with them.
        self.settle(self.end().as_deref_mut())?;
        self.settle_zeros(ahead::End::rest)?;
        let to = end.saturating_add(bytes).min(OFFSET_MAX);
        self.handle
            .call(|file| match platform::has_room(file, bytes)? {
                true => platform::lengthen(file, end, to),
                false => Err(io::ErrorKind::StorageFull.into()),
            })?;
        Ok(to)
    }

    fn preallocate(&self, len: u64) -> Result<(), StorageError> {
        self.must_be_writable()?;
        self.can_set_aside()?;
        if len == 0 {
            return Ok(());
        }
        self.handle
            .call(|file| platform::preallocate(file, len.min(OFFSET_MAX)))
    }
}

impl StdFile {
    /// Opens or creates a file, and maps it if it may be and keeps its descriptor. Only a regular file is opened,
    /// whatever else has the name.
    pub(super) fn open(
        opener: &StdFiles,
        name: &FileName,
        access: Access,
        create: bool,
    ) -> Result<Self, StorageError> {
        let handle = Handle::open(opener, name, access, create)?;
        Ok(Self { handle })
    }

    /// The file in memory, for reads of this many bytes.
    fn mapping(&self, bytes: usize) -> Option<&Mapping> {
        let mapped = self
            .handle
            .mapped()
            .filter(|_| bytes <= MAPPED_READ_BYTES_MAX);
        mapped.map(|mapped| &mapped.reads)
    }

    /// The file's end, if it may be appended to through a window.
    fn end(&self) -> Option<MutexGuard<'_, End>> {
        self.handle.mapped()?.end.as_ref().map(pool::entered)
    }

    /// Makes the file as long as what was appended.
    fn settle(&self, end: Option<&mut End>) -> Result<(), StorageError> {
        match end {
            Some(end) => self.handle.call(|file| end.settle(file)),
            None => Ok(()),
        }
    }

    /// The same where zeros were written behind small appends, and what else has to be done then.
    fn settle_zeros(&self, and: impl FnOnce(&mut ahead::End)) -> Result<(), StorageError> {
        if let Some(ahead) = &self.handle.ahead {
            let mut end = ahead.enter();
            ahead.settle(&mut end, |at| self.handle.call(|file| file.set_len(at)))?;
            and(&mut end);
        }
        Ok(())
    }

    /// Appends, writing zeros behind if that is worth it.
    fn write_ahead(&self, ahead: &Ahead, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut end = ahead.enter();
        let zeros = &ahead::ZEROS[..ahead.zeros_behind(&mut end, offset, bytes.len())];
        let mut done = 0;
        if !zeros.is_empty() {
            // Refused, it may be for the zeros: the bytes get a call of their own.
            done = self
                .handle
                .call(|file| platform::write_with_zeros(file, bytes, zeros, offset))
                .unwrap_or(0);
        }
        let to = offset + done as u64;
        let rest = &bytes[done.min(bytes.len())..];
        self.write(to, rest).inspect_err(|_| end.rest())?;
        ahead.reached(&mut end, offset + bytes.len() as u64, to);
        Ok(())
    }

    /// How many of these bytes are not behind the file's end, as far as that is known here.
    fn bytes_before_end(&self, offset: u64, bytes: usize) -> usize {
        match self.told_end() {
            Some(end) => bytes.min(usize::try_from(end.saturating_sub(offset)).unwrap_or(bytes)),
            None => bytes,
        }
    }

    /// Where the file ends for those who ask this handle, if it may be longer.
    fn told_end(&self) -> Option<u64> {
        match &self.handle.ahead {
            Some(ahead) => ahead.told(),
            None => self.end().and_then(|end| end.told()),
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            done +=
                self.handle
                    .call(|file| match platform::write_at(file, &bytes[done..], at)? {
                        0 => Err(io::ErrorKind::WriteZero.into()),
                        count => Ok(count),
                    })?;
        }
        Ok(())
    }

    fn can_set_aside(&self) -> Result<(), StorageError> {
        if self.handle.dir.capabilities.preallocate {
            return Ok(());
        }
        let words = format!(
            "{}: space cannot be set aside here",
            self.handle.dir.path.display()
        );
        Err(say(ErrorKind::Unsupported, words))
    }

    fn must_be_writable(&self) -> Result<(), StorageError> {
        match self.handle.access {
            Access::Write => Ok(()),
            Access::Read => {
                let words = format!(
                    "{} was opened for reading",
                    self.handle.dir.words_for(&self.handle.name())
                );
                Err(say(ErrorKind::Denied, words))
            }
        }
    }
}

/// A file that may be mapped.
#[derive(Debug)]
pub(super) struct Mapped {
    reads: Mapping,
    /// Where it is appended to, if that may be done through a window.
    end: Option<Mutex<End>>,
}

impl Mapped {
    pub(super) fn new(file: &fs::File, len: u64, access: Access, suits: Suits) -> Option<Self> {
        let writes = access == Access::Write;
        let reads = suits
            .reads
            .then(|| Mapping::of(file, len, writes))
            .flatten()?;
        let end = (suits.appends && writes).then(|| End::of(len)).flatten();
        let end = end.map(Mutex::new);
        Some(Self { reads, end })
    }

    /// Gives back what was written ahead.
    pub(super) fn leave(&self, file: &fs::File) {
        if let Some(end) = &self.end {
            // What cannot be given back are zeros, as after a process that died.
            let _ = pool::entered(end).settle(file);
        }
    }
}
