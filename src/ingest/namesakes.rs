//! Finds what new certificates replace by their names.

use super::decode::Item;
use super::register::Registry;
use crate::domain::certificate::Submission;
use crate::engine::EngineError;

/// Sets the predecessor of submissions that come with names.
pub(super) async fn name_predecessors<R: Registry>(
    registry: &R,
    items: &mut [Item<Submission>],
) -> Result<(), EngineError> {
    let mut wanting: Vec<&mut Submission> = items
        .iter_mut()
        .filter_map(|item| item.record.as_mut().ok())
        .filter(|one| !one.names.is_empty())
        .collect();
    if wanting.is_empty() {
        return Ok(());
    }
    let named: Vec<Submission> = wanting.iter().map(|one| (**one).clone()).collect();
    let named_predecessors = registry.with_predecessors(&named).await?;
    for (submission, named_predecessors) in wanting.iter_mut().zip(named_predecessors.iter()) {
        submission.replaces.clone_from(&named_predecessors.replaces);
    }
    Ok(())
}
