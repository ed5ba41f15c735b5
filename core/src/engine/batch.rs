//! Writes that are taken together.

use crate::fallible;
use crate::format::Space;
use crate::options::{Condition, Expiry};
use crate::prelude::*;

/// Writes that are taken together or not at all, also across a crash.
///
/// Operations apply in the order they were added; conditions are judged before any of them. A batch
/// that there was no memory to add to is refused as a whole, with
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory), when it is written.
///
/// Keys and values are its own ([`Batch::new`]), or bytes that lie elsewhere ([`Batch::borrowed`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<B = Vec<u8>> {
    pub(crate) ops: Vec<BatchOp<B>>,
    pub(crate) conditions: Vec<(B, Condition)>,
    /// Something that was added is not in it.
    pub(super) incomplete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchOp<B> {
    pub space: Space,
    pub key: B,
    pub deed: Deed<B>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed<B> {
    Put { value: B, expiry: Expiry },
    Delete,
}

/// One deed of a batch, as [`Batch::deeds`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchDeed<'a> {
    /// The key is one of the system key space.
    pub is_meta: bool,
    /// The key.
    pub key: &'a [u8],
    /// The value that it gets, and its expiry; `None` for a delete.
    pub put: Option<(&'a [u8], Expiry)>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Batch<&[u8]> {
    /// An empty batch of bytes that lie elsewhere: they are copied once, into the log.
    pub fn borrowed() -> Self {
        Self::default()
    }
}

impl<B> Default for Batch<B> {
    fn default() -> Self {
        Self {
            ops: Vec::new(),
            conditions: Vec::new(),
            incomplete: false,
        }
    }
}

impl<B> Batch<B> {
    /// Makes room for `more` further operations, so that adding them moves nothing. Without the memory for it
    /// they are added as if this had not been asked.
    pub fn reserve(&mut self, more: usize) {
        let _ = fallible::reserve(&mut self.ops, more);
    }

    /// Adds a put.
    pub fn put(&mut self, key: impl Into<B>, value: impl Into<B>) -> &mut Self {
        self.put_with(key, value, Expiry::Default)
    }

    /// Adds a put with an expiry.
    pub fn put_with(
        &mut self,
        key: impl Into<B>,
        value: impl Into<B>,
        expiry: Expiry,
    ) -> &mut Self {
        let value = value.into();
        self.add(Space::User, key.into(), Deed::Put { value, expiry })
    }

    /// Adds a delete. Deleting an absent key is no error.
    pub fn delete(&mut self, key: impl Into<B>) -> &mut Self {
        self.add(Space::User, key.into(), Deed::Delete)
    }

    /// Adds a put into the system key space, which user keys cannot reach and scans never show:
    /// a request id, a replicated log's applied index.
    pub fn put_meta(&mut self, key: impl Into<B>, value: impl Into<B>) -> &mut Self {
        let deed = Deed::Put {
            value: value.into(),
            expiry: Expiry::Never,
        };
        self.add(Space::Meta, key.into(), deed)
    }

    /// Adds a delete in the system key space.
    pub fn delete_meta(&mut self, key: impl Into<B>) -> &mut Self {
        self.add(Space::Meta, key.into(), Deed::Delete)
    }

    /// Adds a precondition on a user key; it is judged before any operation of the batch.
    pub fn require(&mut self, key: impl Into<B>, condition: Condition) -> &mut Self {
        let condition = (key.into(), condition);
        self.incomplete |= fallible::push(&mut self.conditions, condition).is_err();
        self
    }

    /// How many operations it holds.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether it holds no operation.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// What it does, in order, for those who carry it elsewhere.
    pub fn deeds(&self) -> impl ExactSizeIterator<Item = BatchDeed<'_>>
    where
        B: AsRef<[u8]>,
    {
        self.ops.iter().map(|op| BatchDeed {
            is_meta: op.space == Space::Meta,
            key: op.key.as_ref(),
            put: match &op.deed {
                Deed::Put { value, expiry } => Some((value.as_ref(), *expiry)),
                Deed::Delete => None,
            },
        })
    }

    /// What must hold before it is taken.
    pub fn conditions(&self) -> impl ExactSizeIterator<Item = (&[u8], Condition)>
    where
        B: AsRef<[u8]>,
    {
        let pairs = self.conditions.iter();
        pairs.map(|(key, condition)| (key.as_ref(), *condition))
    }

    /// Whether something that was added is not in it, for want of memory: then it must not be taken.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.conditions.clear();
        self.incomplete = false;
    }

    fn add(&mut self, space: Space, key: B, deed: Deed<B>) -> &mut Self {
        let op = BatchOp { space, key, deed };
        self.incomplete |= fallible::push(&mut self.ops, op).is_err();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_tells_what_was_added_in_order() {
        let mut batch = Batch::new();
        batch.put("a", "1").delete("b").put_meta("m", "2");
        batch.put_with("a", "", Expiry::AfterMs(5));
        batch.require("a", Condition::Absent);
        let told: Vec<_> = batch
            .deeds()
            .map(|it| (it.is_meta, it.key, it.put))
            .collect();
        let put = |value: &'static [u8], expiry| Some((value, expiry));
        assert_eq!(
            told,
            [
                (false, &b"a"[..], put(b"1", Expiry::Default)),
                (false, b"b", None),
                (true, b"m", put(b"2", Expiry::Never)),
                (false, b"a", put(b"", Expiry::AfterMs(5))),
            ]
        );
        let conditions: Vec<_> = batch.conditions().collect();
        assert_eq!(conditions, [(&b"a"[..], Condition::Absent)]);
        assert!(!batch.is_incomplete());
    }
}
