//! The errors of incident operations.

use crate::domain::moves::incident::{Invalid, NotAllowed, Refusal};
use crate::domain::policy::ca::CaName;
use crate::engine::error::EngineError;
use crate::store::StoreError;

/// Why an incident operation failed.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// Others kept changing it at the same time.
    #[error("the incident is being changed by others; look at it and try again")]
    Contended,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A field is invalid.
    #[error("`{}` {}", .0.field, .0.reason)]
    Invalid(Invalid),
    /// Deadline and budget cannot both be kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its state does not allow this.
    #[error("{0}")]
    Unfit(String),
    /// There is no incident with this number.
    #[error("there is no incident {0}")]
    Unknown(i64),
}

impl IncidentError {
    pub(super) fn unknown_ca(ca: &CaName) -> Self {
        Self::Invalid(Invalid {
            field: "ca",
            reason: format!("{:?} is no CA's name in the configuration", ca.as_str()),
        })
    }
}

impl From<Invalid> for IncidentError {
    fn from(fault: Invalid) -> Self {
        Self::Invalid(fault)
    }
}

impl From<NotAllowed> for IncidentError {
    fn from(refusal: NotAllowed) -> Self {
        Self::Unfit(refusal.to_string())
    }
}

impl From<StoreError> for IncidentError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}
