//! The `Server` header.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::http::HeaderValue;

/// The value of `Server` (RFC 9110 section 10.2.4), cached while the version stays the same.
#[derive(Debug, Default)]
pub(crate) struct ServerHeader(ArcSwapOption<(Arc<str>, HeaderValue)>);

impl ServerHeader {
    /// The value for this version; `None` if the version is not valid in a header.
    pub(crate) fn of(&self, version: &Arc<str>) -> Option<HeaderValue> {
        if let Some((known, server)) = self.0.load().as_deref()
            && Arc::ptr_eq(known, version)
        {
            return Some(server.clone());
        }
        let server = HeaderValue::try_from(format!("offpeak/{version}")).ok()?;
        let known = (Arc::clone(version), server.clone());
        self.0.store(Some(Arc::new(known)));
        Some(server)
    }
}
