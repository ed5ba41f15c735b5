//! Every user of a running server.

use super::User;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The users. There is always one called `default`.
pub(crate) struct Users(RwLock<BTreeMap<String, Arc<User>>>);

const DEFAULT: &str = "default";

impl Users {
    /// These users, and `default` with this password.
    pub(crate) fn new(named: &[User], password: Option<&str>) -> Self {
        let mut users = BTreeMap::new();
        let everybody = User::everybody();
        for user in std::iter::once(&everybody).chain(named) {
            users.insert(user.name.clone(), Arc::new(user.clone()));
        }
        let users = Self(RwLock::new(users));
        if password.is_some() {
            users.set_password(password);
        }
        users
    }

    /// What every client is at first.
    pub(crate) fn default_user(&self) -> Arc<User> {
        let users = self.users();
        let default = users.get(DEFAULT).cloned();
        default.unwrap_or_else(|| Arc::new(User::everybody()))
    }

    /// Changes the password of `default`. Who is authenticated stays so.
    pub(crate) fn set_password(&self, password: Option<&str>) {
        let mut user = User::clone(&self.default_user());
        user.set_password(password);
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        users.insert(DEFAULT.to_owned(), Arc::new(user));
    }

    /// The user of this name, if the password is right and it is on. Takes as long for a name that nobody has.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let named = self.get(name);
        let user = named.clone().unwrap_or_else(|| self.default_user());
        let is_right = user.knows(password);
        named.filter(|_| is_right)
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Arc<User>> {
        let name = std::str::from_utf8(name).ok()?;
        self.users().get(name).cloned()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        self.users().values().cloned().collect()
    }

    fn users(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<User>>> {
        // Nothing that is done under this lock can panic half-way.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
