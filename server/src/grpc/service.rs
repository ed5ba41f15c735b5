//! One call, one commit.

use super::proto::portcask_server::Portcask;
use super::proto::{
    BatchReply, BatchRequest, Condition, DeleteReply, DeleteRequest, Expiry, GetReply, GetRequest,
    KeysPage, PutReply, PutRequest, ScanPage, ScanRequest, WatchPage, WatchRequest, deed, expiry,
};
use super::{status, streams};
use crate::acl::User;
use crate::commands::check_deed;
use crate::protocol::KeptArgs;
use crate::server::Shared;
use crate::store::{Keyspace, SyncPolicy};
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// What answers the calls.
pub(super) struct Service {
    shared: Arc<Shared>,
}

/// The pages of a stream.
type Pages<T> = ReceiverStream<Result<T, Status>>;

impl Service {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Does a deed alone among writers, commits it as one batch, and waits until it is as safe as the server says.
    async fn write<T>(
        &self,
        deed: impl FnOnce(&mut Keyspace<'_>) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let store = &self.shared.store;
        // Others of this thread's connections are taken over by another thread meanwhile.
        let (answer, committed) = tokio::task::block_in_place(|| {
            store.write(|keys| {
                let answer = deed(keys);
                let is_wanted = answer.is_ok();
                // Who listens for keyspace events hears of this door, too: of `set`, `expire` and `del`.
                keys.name_deeds("set", KeptArgs::default().args(), is_wanted);
                (answer, is_wanted)
            })
        });
        let answer = answer?;
        committed.map_err(|error| status::of(&error))?;
        if self.shared.syncing.policy() == SyncPolicy::Always {
            let synced = self.shared.syncing.durable().await;
            synced.map_err(|error| status::of(&error))?;
        }
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl Portcask for Service {
    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        may(&request, "set", [request.get_ref().key.as_slice()])?;
        let request = request.into_inner();
        let condition = condition(request.condition)?;
        self.write(|keys| {
            require(keys, &request.key, condition)?;
            put(keys, &request.key, request.value, request.expiry)?;
            Ok(PutReply {})
        })
        .await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        may(&request, "get", [request.get_ref().key.as_slice()])?;
        let key = request.into_inner().key;
        let found = self.shared.store.db().get_entry(&key);
        let found = found.map_err(|error| status::of(&error))?;
        Ok(Response::new(GetReply {
            expires_at_ms: found.as_ref().and_then(|it| it.expiry_ms),
            value: found.map(|it| it.value),
        }))
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteReply>, Status> {
        may(
            &request,
            "del",
            request.get_ref().keys.iter().map(Vec::as_slice),
        )?;
        self.write(|keys| {
            let mut deleted = 0;
            for key in &request.get_ref().keys {
                deleted += u64::from(delete(keys, key)?);
            }
            Ok(DeleteReply { deleted })
        })
        .await
    }

    async fn batch(&self, request: Request<BatchRequest>) -> Result<Response<BatchReply>, Status> {
        may_batch(&request)?;
        let request = request.into_inner();
        let mut deeds = Vec::with_capacity(request.deeds.len());
        for deed in request.deeds {
            let deed = deed
                .deed
                .ok_or_else(|| Status::invalid_argument("a deed is empty"))?;
            deeds.push(deed);
        }
        self.write(|keys| {
            for it in &request.preconditions {
                require(keys, &it.key, condition(it.condition)?)?;
            }
            for deed in deeds {
                match deed {
                    deed::Deed::Put(it) => put(keys, &it.key, it.value, it.expiry)?,
                    deed::Deed::Delete(key) => drop(delete(keys, &key)?),
                }
            }
            Ok(BatchReply {})
        })
        .await
    }

    type KeysStream = Pages<KeysPage>;

    async fn keys(
        &self,
        request: Request<ScanRequest>,
    ) -> Result<Response<Pages<KeysPage>>, Status> {
        may(&request, "scan", [])?;
        let asked = request.into_inner();
        Ok(Response::new(streams::keys(&self.shared, asked)))
    }

    type ScanStream = Pages<ScanPage>;

    async fn scan(
        &self,
        request: Request<ScanRequest>,
    ) -> Result<Response<Pages<ScanPage>>, Status> {
        may(&request, "scan", [])?;
        may(&request, "get", [])?;
        let user = user(&request)?;
        let asked = request.into_inner();
        Ok(Response::new(streams::scan(&self.shared, user, asked)))
    }

    type WatchStream = Pages<WatchPage>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Pages<WatchPage>>, Status> {
        may(&request, "portcask.tail", [])?;
        let user = user(&request)?;
        let pages = streams::watch(&self.shared, user, request.into_inner());
        pages.map(Response::new)
    }
}

/// Whose call it is.
fn user<T>(request: &Request<T>) -> Result<Arc<User>, Status> {
    let user = request.extensions().get::<Arc<User>>().cloned();
    user.ok_or_else(|| Status::unauthenticated("nobody said who this is"))
}

/// Refuses a call whose user may not run the command that does the same, or not with these keys.
fn may<'a, T>(
    request: &Request<T>,
    command: &str,
    keys: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), Status> {
    let allowed = check_deed(&*user(request)?, command, keys.into_iter());
    allowed.map_err(|refusal| Status::permission_denied(refusal.words()))
}

fn may_batch(request: &Request<BatchRequest>) -> Result<(), Status> {
    let batch = request.get_ref();
    for it in &batch.preconditions {
        may(request, "exists", [it.key.as_slice()])?;
    }
    for deed in &batch.deeds {
        match &deed.deed {
            Some(deed::Deed::Put(it)) => may(request, "set", [it.key.as_slice()])?,
            Some(deed::Deed::Delete(key)) => may(request, "del", [key.as_slice()])?,
            None => {}
        }
    }
    Ok(())
}

fn put(
    keys: &mut Keyspace<'_>,
    key: &[u8],
    value: Vec<u8>,
    expiry: Option<Expiry>,
) -> Result<(), Status> {
    let now = || keys.now_ms().map_err(|error| status::of(&error));
    let at = match expiry.and_then(|it| it.at) {
        None => None,
        Some(expiry::At::AtMs(at)) => Some(at),
        Some(expiry::At::AfterMs(ms)) => Some(now()?.saturating_add(ms)),
    };
    let done = keys.put(key, value, at);
    done.map_err(|error| status::of(&error))
}

fn delete(keys: &mut Keyspace<'_>, key: &[u8]) -> Result<bool, Status> {
    keys.delete(key).map_err(|error| status::of(&error))
}

/// A number that is none of ours asks for something that we do not do.
fn condition(number: i32) -> Result<Condition, Status> {
    Condition::try_from(number).map_err(|_| Status::invalid_argument("an unknown condition"))
}

fn require(keys: &Keyspace<'_>, key: &[u8], condition: Condition) -> Result<(), Status> {
    let wanted = match condition {
        Condition::None => return Ok(()),
        Condition::Absent => false,
        Condition::Present => true,
    };
    match keys.exists(key).map_err(|error| status::of(&error))? {
        exists if exists == wanted => Ok(()),
        true => Err(Status::failed_precondition("the key exists")),
        false => Err(Status::failed_precondition("the key does not exist")),
    }
}
