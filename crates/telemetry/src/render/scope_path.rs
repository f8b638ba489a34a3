//! Where a walk through the tree is, as text.

/// The keys down to the scope of the walk, each with a slash behind it.
#[derive(Default)]
pub(super) struct ScopePath {
    pub(super) text: String,
    outer: Vec<usize>,
}

impl ScopePath {
    /// The scope `key` begins.
    pub(super) fn enter(&mut self, key: &str) {
        self.enter_with(|text| text.push_str(key));
    }

    /// As [`ScopePath::enter`], with the key in the form `push` gives it.
    pub(super) fn enter_with(&mut self, push: impl FnOnce(&mut String)) {
        self.outer.push(self.text.len());
        push(&mut self.text);
        self.text.push('/');
    }

    /// The scope entered last ends.
    pub(super) fn leave(&mut self) {
        if let Some(length) = self.outer.pop() {
            self.text.truncate(length);
        }
    }

    /// What stands before the metric `name` of this scope; without a slash where that is the scope itself.
    pub(super) fn before(&self, name: &str) -> &str {
        if name.is_empty() { self.text.strip_suffix('/').unwrap_or("") } else { &self.text }
    }
}
