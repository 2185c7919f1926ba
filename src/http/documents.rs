//! The published documents: the ranking, its immutable copies, its schema.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::Public;
use super::conditional::{http_date, is_unmodified, strong_etag};
use super::problem::Problem;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::publish::plan::{Cache, Serving, plan, serving};
use crate::store::Publication;

/// `GET` of any document: its path is its name in the publication.
pub(super) async fn show(
    State(public): State<Public>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let Some(served) = public.documents.current(&public.engine) else {
        return Err(Problem::missing(
            "nothing has been published yet; the first publication follows soon after the start",
        ));
    };
    let name = uri.path().trim_start_matches('/');
    if let Some(document) = served.by_name.get(name) {
        return Ok(answer(document, Some(served.publication.made_at), &request));
    }
    match earlier(&public.engine, name).await? {
        Some(document) => Ok(answer(&document, None, &request)),
        None => Err(Problem::missing(format!(
            "no publication has {name}; /ranking.json is always there"
        ))),
    }
}

/// An immutable copy stays good for a year, whatever was published since.
async fn earlier(engine: &Engine, name: &str) -> Result<Option<Document>, Problem> {
    let Some(serving) = serving(name).filter(|serving| serving.cache == Cache::Immutable) else {
        return Ok(None);
    };
    let bytes = engine
        .earlier_document(name)
        .await
        .map_err(|_| Problem::busy())?;
    Ok(bytes.map(|bytes| Document::new(bytes, serving)))
}

fn answer(document: &Document, made_at: Option<Timestamp>, request: &HeaderMap) -> Response {
    let Serving {
        content_type,
        cache,
    } = document.serving;
    let caching = [
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static(cache.control()),
        ),
        (header::ETAG, document.etag.clone()),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
    ];
    let modified: HeaderMap = made_at
        .map(|made_at| (header::LAST_MODIFIED, http_date(made_at)))
        .into_iter()
        .collect();
    if is_unmodified(request, &document.etag, made_at) {
        return (StatusCode::NOT_MODIFIED, caching, modified).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, content_type)];
    (caching, modified, content_type, document.bytes.clone()).into_response()
}

/// The publication being served, with what is computed once for each.
#[derive(Debug, Default)]
pub(super) struct Documents(ArcSwapOption<Served>);

#[derive(Debug)]
struct Served {
    publication: Arc<Publication>,
    by_name: HashMap<String, Document>,
}

#[derive(Debug)]
struct Document {
    bytes: Bytes,
    etag: HeaderValue,
    serving: Serving,
}

impl Document {
    fn new(bytes: Arc<[u8]>, serving: Serving) -> Self {
        Self {
            etag: strong_etag(&bytes),
            bytes: Bytes::from_owner(bytes),
            serving,
        }
    }
}

impl Documents {
    /// The engine's publication in force. Two requests may prepare a new one at the same time;
    /// either result will do.
    fn current(&self, engine: &Engine) -> Option<Arc<Served>> {
        let publication = engine.publication()?;
        if let Some(served) = self.0.load_full()
            && Arc::ptr_eq(&served.publication, &publication)
        {
            return Some(served);
        }
        let served = Arc::new(Served::new(publication));
        self.0.store(Some(Arc::clone(&served)));
        Some(served)
    }
}

impl Served {
    fn new(publication: Arc<Publication>) -> Self {
        let by_name = plan(&publication.documents)
            .into_iter()
            .map(|file| {
                let document = Document::new(file.bytes, file.serving);
                (file.path, document)
            })
            .collect();
        Self {
            publication,
            by_name,
        }
    }
}
