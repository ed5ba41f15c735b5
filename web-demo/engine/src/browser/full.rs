//! What only the fuller module has: looking at files and at what the log remembers.

use super::module::{Answer, Module};
use super::parts::{push_u32, push_whole};
use super::report;
use portcask::{Error, FileName, OpenAccess, OpenMode, Options, VerifyReport, fallible};

/// Further flags of an opening: 16 to read only, 32 to rescue what a store holds that does not open.
pub(super) fn look_only(mut options: Options, flags: u8) -> Options {
    if flags & 16 != 0 {
        options.access = OpenAccess::ReadOnly;
    }
    if flags & 32 != 0 {
        options.mode = OpenMode::Salvage;
        options.access = OpenAccess::ReadOnly;
        options.accept_stale = true;
    }
    options
}

impl Module {
    /// Checks part after part of a store, from 0 on: 0 while there is a further one, then the length of the report.
    pub fn verify(&mut self, part: usize) -> Answer {
        if part == 0 {
            self.verified = VerifyReport::default();
        }
        let store = self.store.as_ref().ok_or(Error::Closed)?;
        if store.verify_part(part, &mut self.verified, |_| {})? {
            return Ok(0);
        }
        self.answer.clear();
        report::verify(&mut self.answer, &self.verified)?;
        i32::try_from(self.answer.len()).map_err(|_| Error::TooLarge)
    }

    /// The text of a file, as the command prints it.
    pub fn dump(&mut self, name_bytes: usize) -> Answer {
        let name = core::str::from_utf8(self.given(name_bytes)?).unwrap_or("");
        let what = "this is no name of a file";
        let name = FileName::new(name).ok_or(Error::bad_option(what))?;
        self.answer.clear();
        let answer = &mut self.answer;
        portcask::dump(&self.dir, &name, |line| {
            fallible::extend(answer, line.as_bytes())?;
            Ok(fallible::push(answer, b'\n')?)
        })?;
        i32::try_from(self.answer.len()).map_err(|_| Error::TooLarge)
    }

    /// Oldest first: sequence number, expiry, offset, whether it is live and whether it has a value, the lengths of
    /// the file's name and of the value, and both.
    pub fn history(&mut self, key_bytes: usize) -> Answer {
        let versions = self.store()?.history(self.given(key_bytes)?)?;
        let answer = &mut self.answer;
        answer.clear();
        for version in versions {
            push_whole(answer, version.seq)?;
            push_whole(answer, version.expiry_ms.unwrap_or(0))?;
            push_whole(answer, version.offset)?;
            let value = version.value.as_deref();
            push_u32(answer, usize::from(version.live))?;
            push_u32(answer, usize::from(value.is_some()))?;
            let name = version.file.as_str().as_bytes();
            push_u32(answer, name.len())?;
            push_u32(answer, value.unwrap_or_default().len())?;
            fallible::extend(answer, name)?;
            fallible::extend(answer, value.unwrap_or_default())?;
        }
        i32::try_from(answer.len()).map_err(|_| Error::TooLarge)
    }
}
