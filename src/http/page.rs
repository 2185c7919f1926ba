//! The page at `/` and the contract at `/openapi.yaml`: files that the binary carries.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::coding::Forms;
use super::conditional::is_unmodified;

/// Nothing from elsewhere, nothing inline: what the page shows came from here.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file of `static/`.
struct Asset {
    content_type: HeaderValue,
    forms: Forms,
}

impl Asset {
    fn new(content_type: &'static str, text: &'static str) -> Self {
        Self {
            content_type: HeaderValue::from_static(content_type),
            forms: Forms::compressed(Bytes::from_static(text.as_bytes())),
        }
    }
}

static INDEX: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "text/html; charset=utf-8",
        include_str!("../../static/index.html"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "text/javascript; charset=utf-8",
        include_str!("../../static/page.js"),
    )
});
static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "text/css; charset=utf-8",
        include_str!("../../static/page.css"),
    )
});
/// RFC 9512.
static OPENAPI: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("application/yaml", include_str!("../../openapi.yaml")));

/// `GET /`.
pub(super) async fn index(request: HeaderMap) -> Response {
    let mut response = answer(&INDEX, &request);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// `GET /page.js`.
pub(super) async fn script(request: HeaderMap) -> Response {
    answer(&SCRIPT, &request)
}

/// `GET /page.css`.
pub(super) async fn style(request: HeaderMap) -> Response {
    answer(&STYLE, &request)
}

/// `GET /openapi.yaml`.
pub(super) async fn openapi(request: HeaderMap) -> Response {
    let mut response = answer(&OPENAPI, &request);
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// The files change with the binary and belong together, so a cache asks each time; mostly it is
/// told that nothing changed.
fn answer(asset: &Asset, request: &HeaderMap) -> Response {
    let form = asset.forms.wanted(request);
    let caching = [
        (header::ETAG, form.etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    if is_unmodified(request, &form.etag, None) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, asset.content_type.clone())];
    let coding: HeaderMap = form
        .content_encoding()
        .map(|coding| (header::CONTENT_ENCODING, coding))
        .into_iter()
        .collect();
    (caching, content_type, coding, form.bytes.clone()).into_response()
}
