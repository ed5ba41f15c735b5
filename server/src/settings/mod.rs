//! Every setting, once: from this table come the flags, the environment variables, the configuration file,
//! `--help`, and `CONFIG GET, SET, REWRITE`.
//!
//! ```text
//!   default  <  file  <  environment  <  flag  <  CONFIG SET
//! ```

mod file;
mod limits;
mod live;
mod network;
mod operations;
mod store;
mod values;

pub use file::FileError;
pub(crate) use file::rewrite;
pub(crate) use live::Live;

use crate::config::Config;
use std::path::Path;

/// One setting.
#[derive(Clone, Copy)]
pub struct Setting {
    /// As flags, files and `CONFIG` call it.
    pub name: &'static str,
    /// Another name that is understood, or nothing.
    pub alias: &'static str,
    /// What stands for its value in `--help`.
    pub value: &'static str,
    /// The heading under which `--help` shows it.
    pub section: &'static str,
    /// What it does, for `--help`.
    pub help: &'static str,
    /// It takes any number of words, not one.
    pub takes_many: bool,
    /// It may be changed while the server runs.
    pub(crate) is_live: bool,
    /// Its value is not for other people's eyes.
    pub is_secret: bool,
    /// It shows what another setting holds, in words of its own.
    is_view: bool,
    set: fn(&mut Config, &[String]) -> Result<(), String>,
    get: fn(&Config) -> Vec<String>,
}

impl Setting {
    const fn new(
        name: &'static str,
        value: &'static str,
        set: fn(&mut Config, &[String]) -> Result<(), String>,
        get: fn(&Config) -> Vec<String>,
    ) -> Self {
        Self {
            name,
            alias: "",
            value,
            section: "",
            help: "",
            takes_many: false,
            is_live: false,
            is_secret: false,
            is_view: false,
            set,
            get,
        }
    }

    const fn told(mut self, section: &'static str, help: &'static str) -> Self {
        self.section = section;
        self.help = help;
        self
    }

    const fn or(mut self, alias: &'static str) -> Self {
        self.alias = alias;
        self
    }

    const fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    const fn view(mut self) -> Self {
        self.is_view = true;
        self
    }

    const fn many(mut self) -> Self {
        self.takes_many = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Takes a value, or tells why not.
    pub fn set(&self, config: &mut Config, words: &[String]) -> Result<(), String> {
        if !self.takes_many && words.len() != 1 {
            return Err("wrong number of arguments".into());
        }
        (self.set)(config, words)
    }

    /// Its value in this configuration.
    pub fn get(&self, config: &Config) -> String {
        (self.get)(config).join(" ")
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        format!("PORTCASK_{name}")
    }

    fn is_called(&self, name: &str) -> bool {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        is(self.name) || (!self.alias.is_empty() && is(self.alias))
    }
}

/// Every setting, in the order in which `--help` shows them.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    [
        store::SETTINGS,
        network::SETTINGS,
        limits::SETTINGS,
        operations::SETTINGS,
    ]
    .into_iter()
    .flatten()
}

/// The setting of this name, in any case.
pub fn named(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.is_called(name))
}

/// Takes every line of a configuration file.
///
/// A line is a setting's name and its value, as in redis.conf: words, which quotes may hold together. `#` at its
/// start makes it a comment. Where a setting comes twice, the last one counts.
pub fn read_file(path: &Path, config: &mut Config) -> Result<(), FileError> {
    file::read(path, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_and_no_two_have_one_name() {
        let mut names: Vec<_> = all()
            .flat_map(|it| [it.name, it.alias])
            .filter(|name| !name.is_empty())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for setting in all() {
            assert!(!setting.help.is_empty(), "{}", setting.name);
            assert!(!setting.section.is_empty(), "{}", setting.name);
            assert_eq!(setting.name, setting.name.to_ascii_lowercase());
        }
    }

    #[test]
    fn what_a_setting_shows_it_also_understands() {
        let config = Config::new("somewhere");
        for setting in all() {
            let mut other = Config::new("elsewhere");
            let words = (setting.get)(&config);
            if !words.is_empty() {
                setting.set(&mut other, &words).unwrap();
            }
            assert_eq!(
                setting.get(&other),
                setting.get(&config),
                "{}",
                setting.name
            );
        }
    }
}
