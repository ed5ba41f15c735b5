//! Errors in gRPC's words.

use portcask::Error;
use tonic::Status;

/// The status that an error of the store is.
pub(super) fn of(error: &Error) -> Status {
    let words = error.to_string();
    match error {
        Error::KeyTooLong { .. } | Error::ValueTooLarge { .. } | Error::BatchTooLarge { .. } => {
            Status::invalid_argument(words)
        }
        Error::Full { .. } | Error::OutOfMemory => Status::resource_exhausted(words),
        Error::ReadOnly | Error::Degraded { .. } | Error::Fenced { .. } => {
            Status::failed_precondition(words)
        }
        Error::Corrupt { .. }
        | Error::Damaged { .. }
        | Error::MaybeStale { .. }
        | Error::KeyCollision { .. } => Status::data_loss(words),
        Error::Gap { .. } => Status::out_of_range(words),
        Error::Closed => Status::unavailable("the server is stopping"),
        Error::NoClock => Status::unimplemented(words),
        _ => Status::internal(words),
    }
}
