//! Which name is which handle, and the rules by which files come and go. Pure: it calls [`Calls`] alone.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use portcask_core::fallible;
use portcask_core::storage::{
    Access, Capabilities, ErrorKind, File, FileName, Host, Storage, StorageError,
};

/// Doubles count every byte up to here.
const OFFSET_MAX: u64 = 1 << 53;

/// Bytes copied at once by a rename.
const COPY_BYTES: usize = 64 << 10;

/// What a page's access handles can do, by numbers that the page gave them. All at once or not at all: nothing
/// here waits.
pub trait Calls {
    /// Reads from `offset`; fewer bytes than asked, or none, at the end of the file.
    fn read(&self, handle: u32, into: &mut [u8], offset: f64) -> Result<usize, StorageError>;
    /// Writes some of `bytes` at `offset` and answers how many.
    fn write(&self, handle: u32, bytes: &[u8], offset: f64) -> Result<usize, StorageError>;
    /// Makes bytes and length survive a power loss, as far as the browser does.
    fn flush(&self, handle: u32) -> Result<(), StorageError>;
    /// The file's length.
    fn size(&self, handle: u32) -> Result<u64, StorageError>;
    /// Sets the file's length.
    fn truncate(&self, handle: u32, bytes: f64) -> Result<(), StorageError>;
    /// Milliseconds since 1970.
    fn now_ms(&self) -> Option<u64>;
    /// Fills the buffer with random bytes.
    fn random(&self, into: &mut [u8]) -> Result<(), StorageError>;
}

/// A directory of files whose handles are open, as [`Storage`]. Cheap to clone; clones share everything.
pub struct OpfsDir<C> {
    pool: Rc<Pool<C>>,
}

/// What all clones and all files share.
struct Pool<C> {
    calls: C,
    /// By the number that an [`OpfsFile`] knows; `None` where a handle was given back.
    seats: RefCell<Vec<Option<Seat>>>,
    wanted: RefCell<Vec<FileName>>,
    /// Names that something else than a file has.
    blocked: RefCell<Vec<FileName>>,
    locked: Cell<bool>,
    /// Lives given out.
    lives: Cell<u32>,
}

/// One open handle.
#[derive(Clone, Copy)]
struct Seat {
    name: FileName,
    handle: u32,
    /// Whether the file exists for the engine; if not, it is empty and may be created or deleted.
    taken: bool,
    /// New for each file that had this seat, so that nobody reads a later file through an earlier one.
    life: u32,
}

/// An open file of an [`OpfsDir`]. Clones share the handle, which stays open when the last one is dropped.
pub struct OpfsFile<C> {
    pool: Rc<Pool<C>>,
    seat: usize,
    life: u32,
    access: Access,
}

/// The right to write, given back when dropped.
pub struct OpfsLock<C> {
    pool: Rc<Pool<C>>,
}

impl<C: Calls> OpfsDir<C> {
    /// A directory without files.
    pub fn new(calls: C) -> Self {
        Self {
            pool: Rc::new(Pool {
                calls,
                seats: RefCell::new(Vec::new()),
                wanted: RefCell::new(Vec::new()),
                blocked: RefCell::new(Vec::new()),
                locked: Cell::new(false),
                lives: Cell::new(0),
            }),
        }
    }

    /// Takes an open handle in. A file that is not empty exists from now on; an empty one waits to be created.
    /// Errors with `Exists` if the name has a handle already.
    pub fn seat(&self, name: FileName, handle: u32) -> Result<(), StorageError> {
        if self.find(&name).is_some() {
            return Err(StorageError::new(ErrorKind::Exists));
        }
        let taken = self.pool.calls.size(handle)? > 0;
        let mut seats = self.pool.seats.borrow_mut();
        let at = match seats.iter().position(Option::is_none) {
            Some(at) => at,
            None => {
                fallible::push(&mut seats, None).map_err(|_| no_memory())?;
                seats.len() - 1
            }
        };
        seats[at] = Some(Seat {
            name,
            handle,
            taken,
            life: self.next_life(),
        });
        Ok(())
    }

    /// Notes that a name is taken by something that is no file, such as a folder.
    pub fn block(&self, name: FileName) -> Result<(), StorageError> {
        fallible::push(&mut self.pool.blocked.borrow_mut(), name).map_err(|_| no_memory())
    }

    /// Whether all is known of the name, so that creating or opening it will not be refused for want of a handle.
    pub fn is_seated(&self, name: &FileName) -> bool {
        self.is_blocked(name) || self.find(name).is_some()
    }

    fn is_blocked(&self, name: &FileName) -> bool {
        self.pool.blocked.borrow().contains(name)
    }

    /// The names that were asked for and had no handle since the last call.
    pub fn wanted(&self) -> Vec<FileName> {
        core::mem::take(&mut *self.pool.wanted.borrow_mut())
    }

    /// A number that is another one whenever a file has come or gone.
    pub fn changes(&self) -> u32 {
        self.pool.lives.get()
    }

    /// How many handles are open.
    pub fn handles(&self) -> usize {
        self.pool.seats.borrow().iter().flatten().count()
    }

    /// Gives back the handle of a file that does not exist and is not among `keep`: the page closes it and deletes
    /// the empty file. `None` when there is no such handle.
    pub fn give_back(&self, keep: &[FileName]) -> Option<u32> {
        let mut seats = self.pool.seats.borrow_mut();
        let unused = seats
            .iter_mut()
            .find(|seat| seat.is_some_and(|seat| !seat.taken && !keep.contains(&seat.name)))?;
        unused.take().map(|seat| seat.handle)
    }

    fn find(&self, name: &FileName) -> Option<(usize, Seat)> {
        let seats = self.pool.seats.borrow();
        let found = |(at, seat): (usize, &Option<Seat>)| Some((at, (*seat)?));
        let mut found = seats.iter().enumerate().filter_map(found);
        found.find(|(_, seat)| seat.name == *name)
    }

    fn existing(&self, name: &FileName) -> Result<(usize, Seat), StorageError> {
        self.find(name)
            .filter(|(_, seat)| seat.taken)
            .ok_or(StorageError::new(ErrorKind::NotFound))
    }

    /// The seat of a name that is about to exist.
    fn prepared(&self, name: &FileName) -> Result<(usize, Seat), StorageError> {
        if let Some(found) = self.find(name) {
            return Ok(found);
        }
        let mut wanted = self.pool.wanted.borrow_mut();
        if !wanted.contains(name) {
            fallible::push(&mut wanted, *name).map_err(|_| no_memory())?;
        }
        Err(StorageError::new(ErrorKind::NotReady))
    }

    fn next_life(&self) -> u32 {
        let life = self.pool.lives.get().wrapping_add(1);
        self.pool.lives.set(life);
        life
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Seat)) {
        if let Some(Some(seat)) = self.pool.seats.borrow_mut().get_mut(at) {
            change(seat);
        }
    }

    fn file(&self, (seat, Seat { life, .. }): (usize, Seat), access: Access) -> OpfsFile<C> {
        OpfsFile {
            pool: Rc::clone(&self.pool),
            seat,
            life,
            access,
        }
    }
}

impl<C: Calls> Storage for OpfsDir<C> {
    type File = OpfsFile<C>;
    type Lock = OpfsLock<C>;

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            namespace_sync: false,
            atomic_rename: false,
            kernel_lock: true,
            preallocate: false,
            data_sync: true,
        }
    }

    fn create(&self, name: &FileName) -> Result<OpfsFile<C>, StorageError> {
        if self.is_blocked(name) {
            return Err(StorageError::new(ErrorKind::Exists));
        }
        let found = self.prepared(name)?;
        if found.1.taken {
            return Err(StorageError::new(ErrorKind::Exists));
        }
        let life = self.next_life();
        self.change(found.0, |seat| {
            seat.life = life;
            seat.taken = true;
        });
        Ok(OpfsFile {
            life,
            ..self.file(found, Access::Write)
        })
    }

    fn open(&self, name: &FileName, access: Access) -> Result<OpfsFile<C>, StorageError> {
        if self.is_blocked(name) {
            return Err(StorageError::new(ErrorKind::Denied));
        }
        Ok(self.file(self.existing(name)?, access))
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        Ok(self.existing(name).is_ok())
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        let seats = self.pool.seats.borrow();
        let taken = seats.iter().flatten().filter(|seat| seat.taken);
        fallible::collect(taken.map(|seat| seat.name)).map_err(|_| no_memory())
    }

    /// By copying: handles know no renaming while they are open. The engine never calls it.
    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        let source = self.existing(from)?;
        if from == to {
            return Ok(());
        }
        let target = self.prepared(to)?;
        self.pool.calls.truncate(target.1.handle, 0.0)?;
        let life = self.next_life();
        self.change(target.0, |seat| {
            seat.life = life;
            seat.taken = true;
        });
        let source = self.file(source, Access::Read);
        let target = OpfsFile {
            life,
            ..self.file(target, Access::Write)
        };
        let mut piece = fallible::zeroed(COPY_BYTES).map_err(|_| no_memory())?;
        let mut at = 0;
        loop {
            let got = source.pread(at, &mut piece)?;
            if got == 0 {
                break;
            }
            target.append(at, &piece[..got])?;
            at += got as u64;
        }
        target.sync()?;
        self.remove(from)
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        let (at, seat) = self.existing(name)?;
        self.pool.calls.truncate(seat.handle, 0.0)?;
        let life = self.next_life();
        self.change(at, |seat| {
            seat.life = life;
            seat.taken = false;
        });
        Ok(())
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported))
    }

    fn lock(&self) -> Result<OpfsLock<C>, StorageError> {
        if self.pool.locked.replace(true) {
            let holder = "another opener in this worker";
            return Err(StorageError::with_detail(ErrorKind::Locked, holder));
        }
        Ok(OpfsLock {
            pool: Rc::clone(&self.pool),
        })
    }
}

impl<C: Calls> Host for OpfsDir<C> {
    fn now_ms(&self) -> Option<u64> {
        self.pool.calls.now_ms()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        let mut bytes = [0; 16];
        self.pool.calls.random(&mut bytes)?;
        Ok(bytes)
    }
}

impl<C: Calls> OpfsFile<C> {
    fn handle(&self) -> Result<u32, StorageError> {
        let seats = self.pool.seats.borrow();
        match seats.get(self.seat) {
            Some(Some(seat)) if seat.life == self.life && seat.taken => Ok(seat.handle),
            _ => Err(StorageError::new(ErrorKind::Closed)),
        }
    }

    fn writable(&self) -> Result<u32, StorageError> {
        if self.access == Access::Read {
            return Err(StorageError::new(ErrorKind::Denied));
        }
        self.handle()
    }
}

impl<C: Calls> File for OpfsFile<C> {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let handle = self.writable()?;
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > OFFSET_MAX) {
            return Err(StorageError::new(ErrorKind::Full));
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = (offset + done as u64) as f64;
            match self.pool.calls.write(handle, &bytes[done..], at)? {
                // A browser that writes nothing and says nothing has no room.
                0 => return Err(StorageError::new(ErrorKind::Full)),
                written => done += written,
            }
        }
        Ok(())
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let handle = self.handle()?;
        if offset >= OFFSET_MAX {
            return Ok(0);
        }
        let mut done = 0;
        while done < into.len() {
            let at = (offset + done as u64) as f64;
            match self.pool.calls.read(handle, &mut into[done..], at)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.pool.calls.flush(self.handle()?)
    }

    fn len(&self) -> Result<u64, StorageError> {
        self.pool.calls.size(self.handle()?)
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        let handle = self.writable()?;
        if len >= self.pool.calls.size(handle)? {
            return Ok(());
        }
        self.pool.calls.truncate(handle, len as f64)
    }
}

impl<C> Clone for OpfsDir<C> {
    fn clone(&self) -> Self {
        Self {
            pool: Rc::clone(&self.pool),
        }
    }
}

impl<C> Clone for OpfsFile<C> {
    fn clone(&self) -> Self {
        Self {
            pool: Rc::clone(&self.pool),
            ..*self
        }
    }
}

impl<C> Drop for OpfsLock<C> {
    fn drop(&mut self) {
        self.pool.locked.set(false);
    }
}

fn no_memory() -> StorageError {
    StorageError::with_detail(ErrorKind::Io, "out of memory")
}
