//! The truth: certificates, windows, tables, observations and publications, in SQLite or
//! PostgreSQL.

mod batch;
mod condition;
mod connect;
mod delivery;
mod durable;
mod error;
mod export;
mod feed;
mod gateway;
mod lease;
mod migrate;
mod names;
mod outcome;
pub mod outside;
mod planned;
mod postgres;
mod query;
mod range;
mod rebalances;
mod replica;
mod row;
mod source;
mod sqlite;

pub use batch::{BatchKey, ClosedBatch, Closing, ImportProgress};
pub use connect::{connect, distribute, finish, pending, prepare};
pub use delivery::{DELIVERIES_KEPT_SECONDS, DeliveryStore};
pub use durable::{
    ANSWERS_WITHIN, Learned, Move, Publication, Registered, Registration, Sharing, Store,
    Succession,
};
pub use error::StoreError;
pub use export::{ExportPage, ExportPlace, ExportStore, PEER};
pub use feed::{Change, FeedPosition, Load};
pub use gateway::{Claim, Failures, FailuresChange, GatewayStore, IssuedFor};
pub use lease::{Lease, LeaseGuard, Turn};
pub use migrate::Migrations;
pub use names::{MOST_NAMESAKES, NameStore, Named};
pub use planned::{MOST_PLANNED, PlannedStore, StoredPlanned};
pub use range::IdRange;
pub use rebalances::StoredRebalance;
pub use replica::{REPLICAS_KEPT_SECONDS, Replica, ReplicaStore};
pub use source::{SourceStep, SourceStore};
