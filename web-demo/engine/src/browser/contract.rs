//! The storage contract, one promise at a time: each is tried in an empty directory, and again after more files were
//! made ready if one was missing.

use super::module::{Answer, Module};
use alloc::string::ToString;
use portcask::fallible;
use portcask::testing::contract;

impl Module {
    pub fn promises(&mut self) -> Answer {
        Ok(contract::count::<portcask::PlatformStorage>() as i32)
    }

    /// A line as the other backends' programs print it.
    pub fn promise(&mut self, which: usize) -> Answer {
        let again = self.dir.clone();
        let promise = contract::try_one(which, self.dir.clone(), |_| again);
        self.answer.clear();
        fallible::extend(&mut self.answer, contract::lines(&[promise]).to_string().as_bytes())?;
        Ok(self.answer.len() as i32)
    }
}
