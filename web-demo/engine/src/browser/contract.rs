//! The storage contract, one promise at a time: each is tried in an empty directory, and again after more files were
//! made ready if one was missing.

use super::module::{Answer, Module};
use portcask::fallible;
use portcask::testing::contract;

impl Module {
    /// A line as the other backends' programs print it; nothing behind the last promise.
    pub fn promise(&mut self, which: usize) -> Answer {
        self.answer.clear();
        if which >= contract::count::<portcask::PlatformStorage>() {
            return Ok(0);
        }
        let again = self.dir.clone();
        let promise = contract::try_one(which, self.dir.clone(), |_| again);
        let line = contract::lines(&[promise]);
        fallible::extend(&mut self.answer, line.as_bytes())?;
        Ok(self.answer.len() as i32)
    }
}
