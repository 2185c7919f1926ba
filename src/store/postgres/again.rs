//! Steps that another process got in the way of.

use crate::store::StoreError;
use crate::store::outcome::TRIES;

/// The SQLSTATEs of a transaction that may succeed when tried again: serialization failure and
/// deadlock.
const TRY_AGAIN: [&str; 2] = ["40001", "40P01"];

/// Tries a step again as long as another process was in the way. Each try waits for that process to
/// finish, so more than two are rare.
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

/// Whether the same again may succeed: another process was in the way.
fn may_pass(error: &StoreError) -> bool {
    error
        .code()
        .is_some_and(|code| TRY_AGAIN.contains(&code.as_str()))
}
