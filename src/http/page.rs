//! Lists as they are answered: `{"items": […], "nextCursor": "…"|null}`.

use serde::Serialize;

use crate::kernel::page::Page;

/// A page of views.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageView<V> {
    items: Vec<V>,
    next_cursor: Option<String>,
}

impl<V> PageView<V> {
    /// A page whose items are shown by `view`.
    pub fn new<T>(page: Page<T>, view: impl FnMut(T) -> V) -> Self {
        Self { items: page.items.into_iter().map(view).collect(), next_cursor: page.next_cursor }
    }
}

impl<T, V: From<T>> From<Page<T>> for PageView<V> {
    fn from(page: Page<T>) -> Self {
        Self::new(page, V::from)
    }
}
