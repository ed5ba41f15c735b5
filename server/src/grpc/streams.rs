//! Pages, as fast as the client reads them: one is sent, one waits, and no more are made.

use super::proto::{Change, Entry, KeysPage, ScanPage, ScanRequest, WatchPage, WatchRequest};
use super::status;
use crate::acl::User;
use crate::server::Shared;
use portcask::{ChangeKind, Error, Feed};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Keys looked at for one page.
const PAGE_KEYS: usize = 256;
const PAGE_CHANGES: usize = 256;
/// A page ends after this many bytes, so that it fits into what clients take.
const PAGE_BYTES: usize = 1 << 20;
/// The feed is looked at this often even if nobody committed: there are changes that no commit of a client makes.
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

type Answer<T> = Result<T, Status>;

/// The keys of a scan.
pub(super) fn keys(shared: &Arc<Shared>, asked: ScanRequest) -> ReceiverStream<Answer<KeysPage>> {
    pages(shared, |shared, sender| async move {
        let mut scan = Scan::new(asked);
        while let Some((keys, next)) = scan.page(&shared)? {
            let next_cursor = Some(next);
            sender.send(KeysPage { keys, next_cursor }).await?;
        }
        Ok(())
    })
}

/// The entries of a scan.
pub(super) fn scan(
    shared: &Arc<Shared>,
    user: Arc<User>,
    asked: ScanRequest,
) -> ReceiverStream<Answer<ScanPage>> {
    pages(shared, |shared, sender| async move {
        let mut scan = Scan::new(asked);
        while let Some((mut keys, next)) = scan.page(&shared)? {
            // The values of other keys are not this user's.
            keys.retain(|key| user.may_use_key(key));
            let (mut page, mut bytes) = (ScanPage::default(), 0);
            for key in keys {
                let entry = tokio::task::block_in_place(|| shared.store.db().get_entry(&key));
                // A key that was deleted meanwhile is left out.
                let Some(entry) = entry.map_err(|error| status::of(&error))? else {
                    continue;
                };
                let entry_bytes = key.len() + entry.value.len();
                if bytes + entry_bytes > PAGE_BYTES && bytes > 0 {
                    sender.send(std::mem::take(&mut page)).await?;
                    bytes = 0;
                }
                bytes += entry_bytes;
                page.entries.push(Entry {
                    key,
                    value: entry.value,
                    expires_at_ms: entry.expiry_ms,
                });
            }
            page.next_cursor = Some(next);
            sender.send(page).await?;
        }
        Ok(())
    })
}

/// A walk over the keys that were asked for.
struct Scan {
    prefix: Vec<u8>,
    /// Keys still wanted; `None` for all.
    left: Option<usize>,
    /// Where the next page starts; `None` after the last.
    cursor: Option<u64>,
}

impl Scan {
    fn new(asked: ScanRequest) -> Self {
        let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
        Self {
            prefix: asked.prefix,
            left: (limit > 0).then_some(limit),
            cursor: Some(asked.cursor),
        }
    }

    /// The next page, and where the one after it starts. Its end is a place to go on from, so a page with more keys than
    /// are wanted is read again, shorter.
    fn page(&mut self, shared: &Shared) -> Answer<Option<(Vec<Vec<u8>>, u64)>> {
        let Some(cursor) = self.cursor.filter(|_| self.left != Some(0)) else {
            return Ok(None);
        };
        let mut limit = PAGE_KEYS;
        loop {
            let page = tokio::task::block_in_place(|| shared.store.db().scan_keys(cursor, limit));
            let page = page.map_err(|error| status::of(&error))?;
            let matches = page.keys.iter().enumerate();
            let mut matches = matches.filter(|(_, key)| key.starts_with(&self.prefix));
            let last_wanted = self.left.and_then(|left| matches.by_ref().nth(left - 1));
            // A page of one can still hold two keys whose hashes share 64 bits; then both are shown.
            if let Some((at, _)) = last_wanted
                && matches.next().is_some()
                && limit > 1
            {
                limit = (at + 1).min(limit - 1);
                continue;
            }
            let mut keys = page.keys;
            keys.retain(|key| key.starts_with(&self.prefix));
            self.left = self.left.map(|left| left.saturating_sub(keys.len()));
            self.cursor = (page.next != 0).then_some(page.next);
            return Ok(Some((keys, page.next)));
        }
    }
}

/// The changes from one on, and those to come.
pub(super) fn watch(
    shared: &Arc<Shared>,
    user: Arc<User>,
    asked: WatchRequest,
) -> Answer<ReceiverStream<Answer<WatchPage>>> {
    let db = shared.store.db();
    let next = || db.stats().map(|stats| stats.last_seq.saturating_add(1));
    let from = match asked.from_seq {
        None => next(),
        Some(0) => match db.changes(0, 1) {
            Err(Error::Gap { missed }) => Ok(missed.oldest),
            found => found.map(|_| 0),
        },
        Some(seq) => match next() {
            // As PORTCASK.TAIL: the number is another store's, and what comes before it would be passed over.
            Ok(next) if seq > next => {
                return Err(Status::out_of_range(format!(
                    "there is no change {seq} to go on from; {next} is the next one"
                )));
            }
            found => found.map(|_| seq),
        },
    };
    let mut feed = Feed::from(from.map_err(|error| status::of(&error))?);
    Ok(pages(shared, move |shared, sender| async move {
        let mut stopping = shared.stopping();
        // Says at once from where it watches, so that nothing is missed after this.
        let start = WatchPage {
            changes: Vec::new(),
            next_seq: feed.next_seq(),
        };
        sender.send(start).await?;
        loop {
            let committed = shared.store.committed();
            tokio::pin!(committed);
            committed.as_mut().enable();
            let db = shared.store.db();
            let found = tokio::task::block_in_place(|| {
                db.next_changes(&mut feed, PAGE_CHANGES, PAGE_BYTES)
            });
            let found = found.map_err(|error| status::of(&error))?;
            if found.is_empty() {
                tokio::select! {
                    _ = tokio::time::timeout(LOOK_AT_LEAST, committed) => continue,
                    () = sender.0.closed() => return Ok(()),
                    _ = stopping.wait_for(|stop| *stop) => {
                        return Err(Status::unavailable("the server is stopping"));
                    }
                }
            }
            let (mut page, mut bytes) = (WatchPage::default(), 0);
            for found in found {
                if !found.key.starts_with(&asked.prefix) || !user.may_use_key(&found.key) {
                    continue;
                }
                let (value, expires_at_ms) = match found.kind {
                    ChangeKind::Put { value, expiry_ms } => (Some(value), expiry_ms),
                    ChangeKind::Delete => (None, None),
                };
                let change_bytes = found.key.len() + value.as_ref().map_or(0, Vec::len);
                if bytes + change_bytes > PAGE_BYTES && bytes > 0 {
                    page.next_seq = found.seq;
                    sender.send(std::mem::take(&mut page)).await?;
                    bytes = 0;
                }
                bytes += change_bytes;
                page.changes.push(Change {
                    seq: found.seq,
                    key: found.key,
                    value,
                    expires_at_ms,
                });
            }
            page.next_seq = feed.next_seq();
            sender.send(page).await?;
        }
    }))
}

/// Where pages go.
struct Sender<T>(mpsc::Sender<Answer<T>>, Duration);

impl<T> Sender<T> {
    /// Waits until the client has room for a page. A client that takes none in time loses the stream.
    async fn send(&self, page: T) -> Answer<()> {
        let sent = self.0.send_timeout(Ok(page), self.1).await;
        sent.map_err(|_| Status::deadline_exceeded("nobody read this stream"))
    }
}

/// A stream whose pages `make` makes; its error is the stream's last word.
fn pages<T: Send + 'static, F>(
    shared: &Arc<Shared>,
    make: impl FnOnce(Arc<Shared>, Arc<Sender<T>>) -> F,
) -> ReceiverStream<Answer<T>>
where
    F: Future<Output = Answer<()>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let sender = Arc::new(Sender(sender, shared.limits.progress));
    let making = make(Arc::clone(shared), Arc::clone(&sender));
    tokio::spawn(async move {
        if let Err(last_word) = making.await {
            // Nobody may be there to hear it.
            let _ = sender.0.send(Err(last_word)).await;
        }
    });
    ReceiverStream::new(receiver)
}
