//! Which version of each request is spoken: the newest that the broker offers and this client knows.
//!
//! The upper bounds stay below those versions that name topics by id or let the broker start transactions and
//! raise their epoch by itself (KIP-890): a transaction of a checkpoint must keep the epoch it was saved with.

use super::connection::Connection;
use super::failure::{Failure, Outcome, check};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Message, Request, StrBytes};
use std::collections::HashMap;

/// The newest version of a request that this client speaks.
fn newest(key: ApiKey) -> i16 {
    match key {
        ApiKey::Produce | ApiKey::Fetch => 11,
        ApiKey::ListOffsets => 7,
        ApiKey::Metadata => 9,
        ApiKey::OffsetCommit => 8,
        ApiKey::OffsetFetch => 7,
        ApiKey::FindCoordinator => 3,
        ApiKey::InitProducerId => 4,
        ApiKey::AddPartitionsToTxn | ApiKey::AddOffsetsToTxn | ApiKey::EndTxn | ApiKey::TxnOffsetCommit => 3,
        ApiKey::JoinGroup => 7,
        ApiKey::SyncGroup => 5,
        ApiKey::Heartbeat | ApiKey::LeaveGroup => 4,
        ApiKey::SaslHandshake => 1,
        ApiKey::ApiVersions => 3,
        _ => i16::MAX,
    }
}

/// What a broker offers.
#[derive(Debug, Default)]
pub(super) struct Versions(HashMap<i16, (i16, i16)>);

impl Versions {
    /// Asks a broker.
    pub(super) async fn ask(connection: &Connection) -> Outcome<Versions> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("tidemill"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer: ApiVersionsResponse =
            connection.send(&request, 3).await?.wait(connection.request_timeout()).await?;
        check(answer.error_code)?;
        let offered = answer.api_keys.iter();
        Ok(Versions(offered.map(|api| (api.api_key, (api.min_version, api.max_version))).collect()))
    }

    /// The version to use for a request.
    pub(super) fn of<R: Request>(&self) -> Outcome<i16> {
        let known = ApiKey::try_from(R::KEY).map_or(i16::MAX, newest).min(<R as Message>::VERSIONS.max);
        let (least, most) = self.0.get(&R::KEY).copied().unwrap_or((0, -1));
        let version = known.min(most);
        if version < least || version < <R as Message>::VERSIONS.min {
            let name = ApiKey::try_from(R::KEY).map_or_else(|_| R::KEY.to_string(), |key| format!("{key:?}"));
            return Err(Failure::Fatal(format!(
                "the broker speaks no version of '{name}' that this client knows"
            )));
        }
        Ok(version)
    }
}
