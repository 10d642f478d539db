//! One thing to show, in several media types; the frontend takes the best that it can.

use serde_json::{Map, Value};

/// Media type → data, with metadata per media type. Text is a JSON string, JSON types are values,
/// binary types (png) are base64 text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MimeBundle {
    /// Media type → data.
    pub data: Map<String, Value>,
    /// Media type → hints for the renderer (image sizes).
    pub metadata: Map<String, Value>,
}

impl MimeBundle {
    /// A bundle with a plain text form, which every bundle should have: terminals, diffs and
    /// notebook tests show nothing else.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self::default().with("text/plain", text.into())
    }

    /// The same with an HTML form.
    #[must_use]
    pub fn with_html(self, html: impl Into<String>) -> Self {
        self.with("text/html", html.into())
    }

    /// The same with another form.
    #[must_use]
    pub fn with(mut self, media_type: &str, data: impl Into<Value>) -> Self {
        self.data.insert(media_type.to_owned(), data.into());
        self
    }
}

/// Names one output so that it can be changed later, from anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DisplayId(String);

impl DisplayId {
    /// An id that no other display has.
    #[must_use]
    pub fn new_unique() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The id as it stands in `transient.display_id`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for DisplayId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<&str> for DisplayId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}
