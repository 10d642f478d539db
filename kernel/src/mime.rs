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

    /// The same with an HTML form. Frontends take what stands between two dollar signs for a
    /// formula; the classes tell them to leave names like `EXPR$0` and prices alone.
    #[must_use]
    pub fn with_html(self, html: impl AsRef<str>) -> Self {
        let html = html.as_ref();
        let html = format!("<div class=\"tex2jax_ignore mathjax_ignore\">{html}</div>");
        self.with("text/html", html)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_no_formulas() {
        let bundle = MimeBundle::plain("EXPR$0 EXPR$1").with_html("<b>EXPR$0 EXPR$1</b>");
        assert_eq!(
            bundle.data["text/html"],
            "<div class=\"tex2jax_ignore mathjax_ignore\"><b>EXPR$0 EXPR$1</b></div>"
        );
    }
}
