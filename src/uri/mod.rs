//! Strict MIMI URIs.

/// Why a URI is not in the strict form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Not a `mimi:` URI.
    #[error("not a mimi: URI")]
    Scheme,
}
