//! How the limit's map is reached: with no lock where one thread writes, or where nobody does.

use crate::Result;
use std::cell::RefCell;
use std::sync::{PoisonError, RwLock};

/// Who uses the store at once.
pub trait Access {
    /// What stands around the state.
    type Of<T>: Guard<T>;

    /// Puts it around the state.
    fn guard<T>(state: T) -> Self::Of<T> {
        Self::Of::new(state)
    }
}

/// What stands around the state.
pub trait Guard<T> {
    /// Around this state.
    fn new(state: T) -> Self;
    /// Looks at it.
    fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R;
    /// Changes it.
    fn write<R>(&self, change: impl FnOnce(&mut T) -> Result<R>) -> Result<R>;
    /// Changes it, having it alone.
    fn alone(&mut self) -> &mut T;
}

/// One thread.
pub struct Alone;

impl Access for Alone {
    type Of<T> = RefCell<T>;
}

impl<T> Guard<T> for RefCell<T> {
    fn new(state: T) -> Self {
        Self::new(state)
    }

    fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.borrow())
    }

    fn write<R>(&self, change: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        change(&mut self.borrow_mut())
    }

    fn alone(&mut self) -> &mut T {
        self.get_mut()
    }
}

/// Threads that only read.
pub struct Readers;

impl Access for Readers {
    type Of<T> = Frozen<T>;
}

/// A state that nobody changes.
pub struct Frozen<T>(T);

impl<T> Guard<T> for Frozen<T> {
    fn new(state: T) -> Self {
        Self(state)
    }

    fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0)
    }

    fn write<R>(&self, _: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        Err("the limit was opened for readers only".into())
    }

    fn alone(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Threads that read and write.
pub struct Threads;

impl Access for Threads {
    type Of<T> = RwLock<T>;
}

impl<T> Guard<T> for RwLock<T> {
    fn new(state: T) -> Self {
        Self::new(state)
    }

    fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, change: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        change(&mut self.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn alone(&mut self) -> &mut T {
        self.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
