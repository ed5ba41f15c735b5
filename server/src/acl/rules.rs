//! A user: rules as Redis spells them, and what they come to.

use super::password::{Hash, PASSWORD_BYTES_MAX, is_one_of};
use crate::commands::{Command, table};
use crate::glob;
use std::collections::HashSet;
use std::fmt;

/// The categories of Redis 7, in its order. Some are empty here.
pub(crate) const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// A user and what it may do. A new one is off, has no password and may do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) name: String,
    pub(crate) is_on: bool,
    /// Every password is right.
    pub(crate) is_open: bool,
    pub(super) passwords: Vec<Hash>,
    /// The commands that it may run; `None` is all of them.
    commands: Option<HashSet<Name>>,
    /// What led there, for people.
    command_rules: Vec<String>,
    /// Keys that match one of these; `None` is all of them.
    keys: Option<Vec<String>>,
    /// Channels that match one of these; `None` is all of them.
    channels: Option<Vec<String>>,
}

/// A command's parent and name.
type Name = (&'static str, &'static str);

fn name(command: &Command) -> Name {
    (command.parent, command.name)
}

impl User {
    /// The user that every client is until it says otherwise: it may do everything, and needs no password.
    pub(crate) fn everybody() -> Self {
        let mut user = Self::nobody("default");
        user.is_on = true;
        user.is_open = true;
        user.commands = None;
        user.command_rules = vec!["+@all".to_owned()];
        user.keys = None;
        user.channels = None;
        user
    }

    fn nobody(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_on: false,
            is_open: false,
            passwords: Vec::new(),
            commands: Some(HashSet::new()),
            command_rules: vec!["-@all".to_owned()],
            keys: Some(Vec::new()),
            channels: Some(Vec::new()),
        }
    }

    /// A user by its name and rules, as a line `user NAME RULE ...` gives them.
    pub fn parse(name: &str, rules: &[String]) -> Result<Self, RuleError> {
        let mut user = Self::nobody(name);
        if name.is_empty() || name.contains([' ', '\0']) {
            return Err(user.wrong("", "names have no spaces"));
        }
        for rule in rules {
            user.apply(rule).map_err(|words| user.wrong(rule, words))?;
        }
        Ok(user)
    }

    fn wrong(&self, rule: &str, words: &'static str) -> RuleError {
        // A password is not for a log.
        let rule = match rule.chars().next() {
            Some(sign @ ('>' | '<')) => format!("{sign}..."),
            _ => rule.to_owned(),
        };
        let user = self.name.clone();
        RuleError { user, rule, words }
    }

    /// Replaces its passwords by this one; `None` lets everybody in.
    pub(crate) fn set_password(&mut self, password: Option<&str>) {
        self.is_open = password.is_none();
        self.passwords = password.iter().map(|it| Hash::of(it.as_bytes())).collect();
    }

    pub(crate) fn knows(&self, password: &[u8]) -> bool {
        // Also where it does not count: the time tells nothing.
        let is_right = is_one_of(password, &self.passwords);
        self.is_on && (is_right || self.is_open)
    }

    /// Whether it may run this command at all.
    pub(crate) fn may_run(&self, command: &Command) -> bool {
        match &self.commands {
            None => true,
            Some(allowed) => allowed.contains(&name(command)),
        }
    }

    pub(crate) fn may_use_all_channels(&self) -> bool {
        self.channels.is_none()
    }

    /// A pattern is a user's own only as it stands among its rules: what it matches is not known beforehand.
    pub(crate) fn may_use_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        match (&self.channels, is_pattern) {
            (Some(own), true) => own.iter().any(|it| it.as_bytes() == channel),
            (own, _) => is_allowed(own.as_deref(), channel),
        }
    }

    /// Whether every key is its own, so that nobody has to look.
    pub(crate) fn may_use_all_keys(&self) -> bool {
        self.keys.is_none()
    }

    pub(crate) fn may_use_key(&self, key: &[u8]) -> bool {
        is_allowed(self.keys.as_deref(), key)
    }

    fn apply(&mut self, rule: &str) -> Result<(), &'static str> {
        match rule.to_ascii_lowercase().as_str() {
            "on" => self.is_on = true,
            "off" => self.is_on = false,
            "nopass" => {
                self.is_open = true;
                self.passwords.clear();
            }
            "resetpass" => {
                self.is_open = false;
                self.passwords.clear();
            }
            "allkeys" => self.keys = None,
            "resetkeys" => self.keys = Some(Vec::new()),
            "allchannels" => self.channels = None,
            "resetchannels" => self.channels = Some(Vec::new()),
            "allcommands" => self.every_command("+@all"),
            "nocommands" => self.every_command("-@all"),
            "reset" => *self = Self::nobody(&self.name),
            _ => return self.apply_sign(rule),
        }
        Ok(())
    }

    fn apply_sign(&mut self, rule: &str) -> Result<(), &'static str> {
        let mut rest = rule.chars();
        let sign = rest.next();
        let rest = rest.as_str();
        match sign {
            Some('>') if rest.len() > PASSWORD_BYTES_MAX => {
                return Err("a password has at most 512 bytes");
            }
            Some('>') => self.add_password(Hash::of(rest.as_bytes())),
            Some('#') => self.add_password(Hash::from_hex(rest).ok_or(NO_HASH)?),
            Some('<') => self.drop_password(Hash::of(rest.as_bytes()))?,
            Some('!') => self.drop_password(Hash::from_hex(rest).ok_or(NO_HASH)?)?,
            Some('~') => add_pattern(&mut self.keys, rest)?,
            Some('&') => add_pattern(&mut self.channels, rest)?,
            Some('+' | '-') if rest.eq_ignore_ascii_case("@all") => self.every_command(rule),
            Some('+' | '-') => self.some_commands(rule)?,
            _ => return Err("Syntax error"),
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        self.is_open = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn drop_password(&mut self, hash: Hash) -> Result<(), &'static str> {
        let before = self.passwords.len();
        self.passwords.retain(|other| *other != hash);
        match self.passwords.len() < before {
            true => Ok(()),
            false => Err("The password you are trying to remove from the user does not exist"),
        }
    }

    fn every_command(&mut self, rule: &str) {
        self.commands = rule.starts_with('-').then(HashSet::new);
        self.command_rules = vec![rule.to_ascii_lowercase()];
    }

    /// `+get`, `-config|set`, `+@read`.
    fn some_commands(&mut self, rule: &str) -> Result<(), &'static str> {
        let rule = rule.to_ascii_lowercase();
        let named = commands_of(&rule[1..]).ok_or("Unknown command or category name in ACL")?;
        let allowed = self.commands.get_or_insert_with(every_name);
        for name in named {
            match rule.starts_with('+') {
                true => allowed.insert(name),
                false => allowed.remove(&name),
            };
        }
        // What was said of the same commands before counts no more.
        self.command_rules.retain(|other| other[1..] != rule[1..]);
        self.command_rules.push(rule);
        Ok(())
    }

    /// Its flags: `on`, `nopass`.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        if self.is_open {
            flags.push("nopass");
        }
        flags
    }

    /// What its passwords hash to.
    pub(crate) fn hashes(&self) -> Vec<String> {
        self.passwords.iter().map(|hash| hash.to_hex()).collect()
    }

    pub(crate) fn shown_commands(&self) -> String {
        self.command_rules.join(" ")
    }

    pub(crate) fn shown_keys(&self) -> String {
        shown_patterns('~', self.keys.as_deref())
    }

    pub(crate) fn shown_channels(&self) -> String {
        shown_patterns('&', self.channels.as_deref())
    }
}

/// As a line that makes such a user.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.name)?;
        for flag in self.flags() {
            write!(f, " {flag}")?;
        }
        for hash in self.hashes() {
            write!(f, " #{hash}")?;
        }
        let keys = self.shown_keys();
        if !keys.is_empty() {
            write!(f, " {keys}")?;
        }
        if self.channels.is_some() {
            f.write_str(" resetchannels")?;
        }
        let channels = self.shown_channels();
        if !channels.is_empty() {
            write!(f, " {channels}")?;
        }
        write!(f, " {}", self.shown_commands())
    }
}

const NO_HASH: &str = "The provided password hash must be exactly 64 characters and contain only lowercase \
     hexadecimal characters";

/// Why a user's rules are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    user: String,
    rule: String,
    words: &'static str,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, rule, words } = self;
        write!(f, "user '{user}', rule '{rule}': {words}")
    }
}

impl std::error::Error for RuleError {}

/// Adds a pattern; `*` is everything.
fn add_pattern(patterns: &mut Option<Vec<String>>, pattern: &str) -> Result<(), &'static str> {
    match patterns {
        _ if pattern == "*" => *patterns = None,
        None => {
            return Err(
                "Adding a pattern after the * pattern (or the 'allkeys' or 'allchannels' flag) is not \
                 valid and does not have any effect. Try 'resetkeys' or 'resetchannels' to start with \
                 an empty list of patterns",
            );
        }
        Some(patterns) if patterns.iter().any(|other| other == pattern) => {}
        Some(patterns) => patterns.push(pattern.to_owned()),
    }
    Ok(())
}

fn is_allowed(patterns: Option<&[String]>, name: &[u8]) -> bool {
    let fits = |pattern: &String| glob::matches(pattern.as_bytes(), name);
    patterns.is_none_or(|patterns| patterns.iter().any(fits))
}

fn shown_patterns(sign: char, patterns: Option<&[String]>) -> String {
    match patterns {
        None => format!("{sign}*"),
        Some(patterns) => {
            let shown: Vec<_> = patterns.iter().map(|it| format!("{sign}{it}")).collect();
            shown.join(" ")
        }
    }
}

/// The commands that a rule is about: one with all its subcommands, one subcommand, or a category.
fn commands_of(what: &str) -> Option<Vec<Name>> {
    if let Some(category) = what.strip_prefix('@') {
        let is_known = CATEGORIES.contains(&category);
        let has = |command: &&Command| command.categories().contains(&what);
        return is_known.then(|| every_command().filter(has).map(name).collect());
    }
    let command = match what.split_once('|') {
        None => table().find(what.as_bytes())?,
        Some((parent, sub)) => {
            let parent = table().find(parent.as_bytes())?;
            let mut subcommands = parent.subcommands.iter();
            subcommands.find(|it| it.name == sub)?
        }
    };
    let all = command.subcommands.iter().chain([command]);
    Some(all.map(name).collect())
}

fn every_command() -> impl Iterator<Item = &'static Command> {
    let commands = table().commands();
    commands.flat_map(|it| it.subcommands.iter().chain([it]))
}

fn every_name() -> HashSet<Name> {
    every_command().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rules: &str) -> Result<User, String> {
        let rules: Vec<_> = rules.split_whitespace().map(str::to_owned).collect();
        User::parse("it", &rules).map_err(|error| error.to_string())
    }

    fn may(user: &User, command: &str) -> bool {
        let names = commands_of(command).unwrap();
        let name = match command.split_once('|') {
            Some((parent, sub)) => *names.iter().find(|it| **it == (parent, sub)).unwrap(),
            None => *names.iter().find(|it| it.1 == command).unwrap(),
        };
        let mut commands = every_command();
        user.may_run(commands.find(|it| super::name(it) == name).unwrap())
    }

    #[test]
    fn the_rules_count_in_their_order() {
        for (rules, allowed, refused) in [
            ("+@all", "get set config|set client|id", ""),
            ("", "", "get ping client|id"),
            ("+@read", "get exists strlen", "set config|set ping"),
            (
                "+@all -config",
                "get client|id",
                "config|set config|get config",
            ),
            ("+@all -config|set", "config|get get", "config|set"),
            ("+@read -get", "strlen", "get set"),
            ("-get +@read", "strlen get", "set"),
            ("+client|id", "client|id", "client|list client get"),
            ("+GET", "get", "set"),
            ("+@all -@dangerous", "get set", "keys flushall config|get"),
            ("allcommands nocommands +get", "get", "set"),
        ] {
            let user = user(rules).unwrap();
            for command in allowed.split_whitespace() {
                assert!(may(&user, command), "{rules} should allow {command}");
            }
            for command in refused.split_whitespace() {
                assert!(!may(&user, command), "{rules} should refuse {command}");
            }
        }
    }

    #[test]
    fn keys_are_those_that_match_a_pattern() {
        let some = user("~a:* ~b?").unwrap();
        assert!(some.may_use_key(b"a:1") && some.may_use_key(b"bx"));
        assert!(!some.may_use_key(b"c") && !some.may_use_all_keys());
        assert!(!user("").unwrap().may_use_key(b"a"));
        assert!(user("~a ~*").unwrap().may_use_all_keys());
        assert!(!user("allkeys resetkeys ~a").unwrap().may_use_key(b"b"));
    }

    #[test]
    fn a_password_opens_to_users_that_are_on() {
        let one = user("on >a >b <a").unwrap();
        assert!(one.knows(b"b") && !one.knows(b"a") && !one.knows(b""));
        assert!(!user(">a").unwrap().knows(b"a"), "off");
        assert!(user("on nopass").unwrap().knows(b"whatever"));
        assert!(!user("on nopass >a").unwrap().knows(b"b"));
        assert!(!user("on nopass resetpass").unwrap().knows(b""));
    }

    #[test]
    fn a_user_is_shown_as_redis_shows_it() {
        let secret = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        for (rules, line) in [
            (
                "on >secret ~a:* ~b:* +@read +set -getrange",
                &*format!(
                    "user it on {secret} ~a:* ~b:* resetchannels -@all +@read +set -getrange"
                ),
            ),
            (
                "on nopass allkeys +@all -@dangerous",
                "user it on nopass ~* resetchannels +@all -@dangerous",
            ),
            ("", "user it off resetchannels -@all"),
            (
                "&ch:* -@all +get -get",
                "user it off resetchannels &ch:* -@all -get",
            ),
            ("allchannels", "user it off &* -@all"),
        ] {
            let shown = user(rules).unwrap().to_string();
            assert_eq!(shown, line);
            let again = shown.strip_prefix("user it").unwrap();
            assert_eq!(user(again).unwrap(), user(rules).unwrap());
        }
        assert_eq!(
            User::everybody().to_string(),
            "user default on nopass ~* &* +@all"
        );
    }

    #[test]
    fn what_would_not_be_enforced_is_refused() {
        for (rules, words) in [
            ("foo", "user 'it', rule 'foo': Syntax error"),
            ("%R~a", "user 'it', rule '%R~a': Syntax error"),
            ("(~a", "user 'it', rule '(~a': Syntax error"),
            (
                "+lpush",
                "user 'it', rule '+lpush': Unknown command or category name in ACL",
            ),
            (
                "+@nothing",
                "user 'it', rule '+@nothing': Unknown command or category name in ACL",
            ),
            (
                "+client|nothing",
                "user 'it', rule '+client|nothing': Unknown command or category name in ACL",
            ),
            (
                "<a",
                "user 'it', rule '<...': The password you are trying to remove from the user does not exist",
            ),
            (
                "#abc",
                "user 'it', rule '#abc': The provided password hash must be exactly 64 characters",
            ),
            (
                "allkeys ~b",
                "user 'it', rule '~b': Adding a pattern after the * pattern",
            ),
            (
                "+",
                "user 'it', rule '+': Unknown command or category name in ACL",
            ),
            ("é", "user 'it', rule 'é': Syntax error"),
        ] {
            let told = user(rules).unwrap_err();
            assert!(told.starts_with(words), "{told}");
        }
    }
}
