//! Repeating steps that failed because of another process.

use crate::store::StoreError;
use crate::store::outcome::TRIES;

/// The SQLSTATEs of transactions that may succeed when repeated: serialization failure and deadlock.
const TRY_AGAIN: [&str; 2] = ["40001", "40P01"];

/// Repeats a step while it fails because of another process. Each attempt waits for that process, so
/// more than two are rare.
pub(super) async fn tried_again<T, F>(step: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 1;
    loop {
        match step().await {
            Err(error) if tries < TRIES && may_pass(&error) => tries += 1,
            outcome => return outcome,
        }
    }
}

/// Whether repeating may succeed, because another process interfered.
fn may_pass(error: &StoreError) -> bool {
    error
        .code()
        .is_some_and(|code| TRY_AGAIN.contains(&code.as_str()))
}
